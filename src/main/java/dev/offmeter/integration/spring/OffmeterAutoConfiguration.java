// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.spring;

import dev.offmeter.LlmClient;
import dev.offmeter.guard.Budget;
import dev.offmeter.guard.BudgetStore;
import dev.offmeter.meter.UsageLog;
import dev.offmeter.observe.LlmListener;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Supplier;
import okhttp3.OkHttpClient;
import org.springframework.beans.factory.ListableBeanFactory;
import org.springframework.beans.factory.ObjectProvider;
import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.condition.ConditionalOnBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.boot.autoconfigure.condition.SearchStrategy;
import org.springframework.boot.context.properties.EnableConfigurationProperties;
import org.springframework.context.annotation.Bean;
import org.springframework.core.env.Environment;

/**
 * Makes an {@link LlmClient} of the properties under {@code offmeter}, unless the application has
 * one of its own. Beans of these types are added: {@link LlmListener}, {@link Budget}, {@link
 * BudgetStore}, {@link UsageLog}, {@link OffmeterConnectionDetails} and {@link OffmeterCustomizer},
 * each type in order; with {@code offmeter.http-client} the {@link OkHttpClient} too. The client is
 * closed with the application, after the calls under way have ended.
 */
@AutoConfiguration
@EnableConfigurationProperties(OffmeterProperties.class)
// Were Spring required transitively, no module could be compiled against this one without it.
@SuppressWarnings("exports")
public final class OffmeterAutoConfiguration {
  /** Called by Spring. */
  public OffmeterAutoConfiguration() {}

  @Bean
  @ConditionalOnMissingBean
  LlmClient offmeterClient(
      Environment environment,
      ObjectProvider<OffmeterProperties> properties,
      ObjectProvider<OffmeterConnectionDetails> details,
      ObjectProvider<LlmListener> listeners,
      ObjectProvider<Budget> budgets,
      ObjectProvider<BudgetStore> budgetStores,
      ObjectProvider<UsageLog> usageLogs,
      ObjectProvider<OkHttpClient> httpClients,
      ObjectProvider<OffmeterCustomizer> customizers) {
    OffmeterSettings settings = OffmeterSettings.read(environment);
    Set<String> pointed = new HashSet<>();
    details
        .orderedStream()
        .filter(detail -> pointed.add(detail.endpoint()))
        .forEach(detail -> settings.point(detail.endpoint(), detail.url()));
    LlmClient.Builder client = LlmClient.builder();
    configured(settings, () -> client.fromEnv(settings.variables()));
    listeners.orderedStream().forEach(client::listener);
    budgets.orderedStream().forEach(client::budget);
    budgetStores.ifAvailable(client::budgetStore);
    usageLogs.ifAvailable(client::usageLog);
    // Asked for only now: a wrong value was to be found above, with the builders' message.
    if (properties.getObject().isHttpClient()) {
      client.httpClient(httpClients.getObject());
    }
    customizers.orderedStream().forEach(customizer -> customizer.customize(client));
    return configured(settings, client::build);
  }

  private static <T> T configured(OffmeterSettings settings, Supplier<T> step) {
    try {
      return step.get();
    } catch (IllegalArgumentException | IllegalStateException e) {
      throw settings.inProperties(e);
    }
  }

  /** Waits for the clients of this context only: a parent's outlive it. */
  @Bean
  @ConditionalOnBean(value = LlmClient.class, search = SearchStrategy.CURRENT)
  OffmeterLifecycle offmeterLifecycle(ListableBeanFactory beans) {
    return new OffmeterLifecycle(List.copyOf(beans.getBeansOfType(LlmClient.class).values()));
  }
}
