// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.spring;

import dev.offmeter.LlmClient;
import dev.offmeter.integration.micrometer.MeterNames;
import dev.offmeter.integration.micrometer.MetricsListener;
import dev.offmeter.integration.micrometer.OffmeterMetrics;
import dev.offmeter.integration.micrometer.OffmeterObservations;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.config.MeterFilter;
import io.micrometer.observation.ObservationRegistry;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.beans.factory.ListableBeanFactory;
import org.springframework.beans.factory.ObjectProvider;
import org.springframework.beans.factory.SmartInitializingSingleton;
import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.condition.ConditionalOnBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnClass;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;

/**
 * Adds the meters of calls and clients to the application's registry, and the traces of calls to
 * its observations. The names are those of Boot 3 and of Boot 4, which moved what makes both.
 */
@AutoConfiguration(
    afterName = {
      "org.springframework.boot.actuate.autoconfigure.metrics.CompositeMeterRegistryAutoConfiguration",
      "org.springframework.boot.actuate.autoconfigure.observation.ObservationAutoConfiguration",
      "org.springframework.boot.micrometer.metrics.autoconfigure.CompositeMeterRegistryAutoConfiguration",
      "org.springframework.boot.micrometer.observation.autoconfigure.ObservationAutoConfiguration"
    })
final class OffmeterMetricsAutoConfiguration {
  @Configuration(proxyBeanMethods = false)
  @ConditionalOnClass(MeterRegistry.class)
  @ConditionalOnBean(MeterRegistry.class)
  static final class Meters {
    private static final Logger LOG = LoggerFactory.getLogger("dev.offmeter");

    @Bean
    @ConditionalOnMissingBean
    MetricsListener offmeterMetricsListener(MeterRegistry registry) {
      return OffmeterMetrics.listener(registry);
    }

    /**
     * Binds the gauges of the client beans when all beans have been made. As a binder it might be
     * called while a client is made, which needs the listener, which needs the registry.
     */
    @Bean
    @ConditionalOnMissingBean(OffmeterMetrics.class)
    SmartInitializingSingleton offmeterGauges(
        ListableBeanFactory beans, ObjectProvider<MeterRegistry> registry) {
      return () -> bind(beans.getBeansOfType(LlmClient.class), registry.getObject());
    }

    private static void bind(Map<String, LlmClient> clients, MeterRegistry registry) {
      clients.forEach(
          (name, client) -> {
            Tags tags = clients.size() == 1 ? Tags.empty() : Tags.of("client", name);
            try {
              new OffmeterMetrics(client, tags).bindTo(registry);
            } catch (RuntimeException e) {
              // Such as a mock in a test: an application must not depend on its gauges.
              LOG.warn("the client bean {} has no gauges", name, e);
            }
          });
    }

    /** Drops the timers that Boot makes of observations: the listener's have it all. */
    @Bean
    static MeterFilter offmeterObservationFilter() {
      return MeterFilter.deny(id -> isOfObservation(id.getName()));
    }

    private static boolean isOfObservation(String name) {
      return name.equals(MeterNames.CALL)
          || name.equals(MeterNames.ATTEMPT)
          || name.startsWith(MeterNames.CALL + ".")
          || name.startsWith(MeterNames.ATTEMPT + ".");
    }
  }

  @Configuration(proxyBeanMethods = false)
  @ConditionalOnClass(ObservationRegistry.class)
  @ConditionalOnBean(ObservationRegistry.class)
  static final class Traces {
    @Bean
    @ConditionalOnMissingBean
    OffmeterObservations offmeterObservations(ObservationRegistry registry) {
      return new OffmeterObservations(registry);
    }
  }
}
