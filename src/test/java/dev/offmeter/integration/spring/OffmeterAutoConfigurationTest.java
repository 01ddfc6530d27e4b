// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.spring;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import dev.offmeter.Endpoint;
import dev.offmeter.LlmClient;
import dev.offmeter.guard.Budget;
import dev.offmeter.guard.BudgetStatus;
import dev.offmeter.guard.BudgetStore;
import dev.offmeter.meter.UsageLog;
import dev.offmeter.observe.ClientStatus;
import dev.offmeter.observe.EndpointStatus;
import dev.offmeter.observe.LlmListener;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import okhttp3.OkHttpClient;
import org.junit.jupiter.api.Test;
import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.core.annotation.Order;

/** The client that an application gets. */
class OffmeterAutoConfigurationTest {
  private final ApplicationContextRunner spring =
      new ApplicationContextRunner()
          .withConfiguration(AutoConfigurations.of(OffmeterAutoConfiguration.class));

  private static List<String> names(LlmClient client) {
    ClientStatus status = client.status();
    return status.endpoints().stream().map(EndpointStatus::endpoint).toList();
  }

  @Test
  void makesAClientOfTheProperties() {
    spring
        .withPropertyValues(
            "offmeter.endpoints[0].name=mini",
            "offmeter.endpoints[0].url=http://mini:11434",
            "offmeter.endpoints[1].name=cloud",
            "offmeter.endpoints[1].type=anthropic",
            "offmeter.endpoints[1].model=claude",
            "offmeter.endpoints[1].key=sk-abcdef")
        .run(
            context ->
                assertThat(names(context.getBean(LlmClient.class)))
                    .containsExactly("mini", "cloud"));
  }

  @Test
  void keepsTheApplicationsOwnClient() {
    spring
        .withPropertyValues("offmeter.endpoints[0].url=http://mini:11434")
        .withUserConfiguration(OwnClient.class)
        .run(
            context -> {
              assertThat(context).hasSingleBean(LlmClient.class);
              assertThat(names(context.getBean(LlmClient.class))).containsExactly("own");
            });
  }

  @Configuration(proxyBeanMethods = false)
  static class OwnClient {
    @Bean
    LlmClient own() {
      return LlmClient.builder().endpoint(Endpoint.local("own", request -> "x").build()).build();
    }
  }

  @Test
  void closesTheClientWithTheApplication() {
    LlmClient[] client = new LlmClient[1];
    spring
        .withUserConfiguration(Template.class)
        .withPropertyValues("offmeter.endpoints[0].url=http://127.0.0.1:1")
        .run(
            context -> {
              client[0] = context.getBean(LlmClient.class);
              assertThat(client[0].chat("x").text()).isEqualTo("a template");
            });
    assertThatIllegalStateException()
        .isThrownBy(() -> client[0].chat("x"))
        .withMessageContaining("was closed");
  }

  @Configuration(proxyBeanMethods = false)
  static class Template {
    @Bean
    OffmeterCustomizer template() {
      return client -> client.endpoint(Endpoint.local("template", request -> "a template").build());
    }
  }

  @Test
  void callsCustomizersInTheirOrderAfterTheProperties() {
    spring
        .withUserConfiguration(Customizers.class)
        .withPropertyValues("offmeter.endpoints[0].url=http://mini:11434")
        .run(
            context ->
                assertThat(names(context.getBean(LlmClient.class)))
                    .containsExactly("endpoint-0", "first", "second"));
  }

  @Configuration(proxyBeanMethods = false)
  static class Customizers {
    @Bean
    @Order(2)
    OffmeterCustomizer aSecond() {
      return client -> client.endpoint(Endpoint.local("second", request -> "x").build());
    }

    @Bean
    @Order(1)
    OffmeterCustomizer bFirst() {
      return client -> client.endpoint(Endpoint.local("first", request -> "x").build());
    }
  }

  @Test
  void addsTheListenersBudgetsAndLogOfTheApplication() {
    spring
        .withUserConfiguration(Guards.class, Template.class)
        .withPropertyValues("offmeter.endpoints[0].url=http://127.0.0.1:1")
        .run(
            context -> {
              LlmClient client = context.getBean(LlmClient.class);
              client.chat("x");

              assertThat(context.getBean(Guards.class).heard).containsExactly("first", "second");
              assertThat(client.meter().budgets())
                  .extracting(BudgetStatus::budget)
                  .extracting(Budget::name)
                  .containsExactly("calls");
              assertThat(client.meter().usageLog()).isPresent();
              assertThat(context.getBean(Guards.class).storeCalls).isPositive();
            });
  }

  @Configuration(proxyBeanMethods = false)
  static class Guards {
    final List<String> heard = new ArrayList<>();
    volatile int storeCalls;

    @Bean
    @Order(2)
    LlmListener aSecond() {
      return heard("second");
    }

    @Bean
    @Order(1)
    LlmListener bFirst() {
      return heard("first");
    }

    private LlmListener heard(String name) {
      return new LlmListener() {
        @Override
        public void onCallStarted(long call, Map<String, String> tags) {
          heard.add(name);
        }
      };
    }

    @Bean
    Budget calls() {
      return Budget.calls("calls", 100);
    }

    @Bean
    BudgetStore store() {
      BudgetStore store = BudgetStore.inMemory();
      return (BudgetStore)
          Proxy.newProxyInstance(
              BudgetStore.class.getClassLoader(),
              new Class<?>[] {BudgetStore.class},
              (proxy, method, arguments) -> {
                storeCalls++;
                return method.invoke(store, arguments);
              });
    }

    @Bean
    UsageLog log() {
      return records -> {};
    }
  }

  @Test
  void takesAnHttpClientOnlyIfAskedFor() {
    ApplicationContextRunner withProxy =
        spring
            .withUserConfiguration(HttpClient.class, Template.class)
            .withPropertyValues("offmeter.endpoints[0].url=http://127.0.0.1:1");
    withProxy.run(
        context -> {
          context.getBean(LlmClient.class).chat("x");
          assertThat(context.getBean(HttpClient.class).intercepted).isZero();
        });
    withProxy
        .withPropertyValues("offmeter.http-client=true")
        .run(
            context -> {
              context.getBean(LlmClient.class).chat("x");
              assertThat(context.getBean(HttpClient.class).intercepted).isPositive();
            });
  }

  @Configuration(proxyBeanMethods = false)
  static class HttpClient {
    volatile int intercepted;

    @Bean
    OkHttpClient okHttpClient() {
      return new OkHttpClient.Builder()
          .addInterceptor(
              chain -> {
                intercepted++;
                return chain.proceed(chain.request());
              })
          .build();
    }
  }

  @Test
  void connectionDetailsPointAnEndpointElsewhere() {
    spring
        .withBean(OffmeterConnectionDetails.class, () -> details("mini", "http://127.0.0.1:7"))
        .withPropertyValues(
            "offmeter.endpoints[0].name=mini", "offmeter.endpoints[0].url=http://mini:11434")
        .run(
            context ->
                assertThat(context.getBean(LlmClient.class).status().endpoints().get(0).origin())
                    .isEqualTo("http://127.0.0.1:7"));
  }

  @Test
  void connectionDetailsPointThePrimaryElsewhereWithoutAnyProperty() {
    spring
        .withBean(OffmeterConnectionDetails.class, () -> details("primary", "http://127.0.0.1:7"))
        .run(
            context ->
                assertThat(context.getBean(LlmClient.class).status().endpoints().get(0).origin())
                    .isEqualTo("http://127.0.0.1:7"));
  }

  @Test
  void connectionDetailsForAnUnknownEndpointFailTheStart() {
    spring
        .withBean(OffmeterConnectionDetails.class, () -> details("maxi", "http://127.0.0.1:7"))
        .withPropertyValues(
            "offmeter.endpoints[0].name=mini", "offmeter.endpoints[0].url=http://mini:11434")
        .run(
            context ->
                assertThat(context.getStartupFailure())
                    .rootCause()
                    .hasMessage(
                        "connection details must be for one of the endpoints [mini], were for"
                            + " 'maxi'"));
  }

  @Test
  void aWrongAddressOfConnectionDetailsIsNotBlamedOnTheProperty() {
    spring
        .withBean(OffmeterConnectionDetails.class, () -> details("mini", "127.0.0.1:7"))
        .withPropertyValues(
            "offmeter.endpoints[0].name=mini", "offmeter.endpoints[0].url=http://mini:11434")
        .run(
            context ->
                assertThat(
                        new OffmeterFailureAnalyzer()
                            .analyze(context.getStartupFailure())
                            .getDescription())
                    .contains("127.0.0.1:7")
                    .doesNotContain("Origin"));
  }

  private static OffmeterConnectionDetails details(String endpoint, String url) {
    return new OffmeterConnectionDetails() {
      @Override
      public String endpoint() {
        return endpoint;
      }

      @Override
      public String url() {
        return url;
      }
    };
  }
}
