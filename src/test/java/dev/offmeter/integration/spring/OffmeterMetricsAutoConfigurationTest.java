// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.spring;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.Endpoint;
import dev.offmeter.LlmClient;
import dev.offmeter.integration.micrometer.MetricsListener;
import dev.offmeter.integration.micrometer.OffmeterMetrics;
import dev.offmeter.integration.micrometer.OffmeterObservations;
import dev.offmeter.observe.LlmListener;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.Meter;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.micrometer.observation.ObservationRegistry;
import io.micrometer.observation.tck.TestObservationRegistry;
import io.micrometer.observation.tck.TestObservationRegistryAssert;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.springframework.boot.LazyInitializationBeanFactoryPostProcessor;
import org.springframework.boot.actuate.autoconfigure.metrics.CompositeMeterRegistryAutoConfiguration;
import org.springframework.boot.actuate.autoconfigure.metrics.MetricsAutoConfiguration;
import org.springframework.boot.actuate.autoconfigure.metrics.export.simple.SimpleMetricsExportAutoConfiguration;
import org.springframework.boot.actuate.autoconfigure.observation.ObservationAutoConfiguration;
import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.test.context.FilteredClassLoader;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;

/** The meters and traces that an application gets. */
class OffmeterMetricsAutoConfigurationTest {
  private static final String IN_FLIGHT = "offmeter.endpoint.in_flight";

  private final ApplicationContextRunner plain =
      new ApplicationContextRunner()
          .withConfiguration(
              AutoConfigurations.of(
                  OffmeterMetricsAutoConfiguration.class, OffmeterAutoConfiguration.class))
          .withUserConfiguration(Template.class)
          .withPropertyValues("offmeter.endpoints[0].url=http://127.0.0.1:1");

  private final ApplicationContextRunner boot =
      plain.withConfiguration(
          AutoConfigurations.of(
              MetricsAutoConfiguration.class,
              CompositeMeterRegistryAutoConfiguration.class,
              SimpleMetricsExportAutoConfiguration.class,
              ObservationAutoConfiguration.class));

  @Configuration(proxyBeanMethods = false)
  static class Template {
    @Bean
    OffmeterCustomizer template() {
      return client -> client.endpoint(Endpoint.local("template", request -> "a template").build());
    }
  }

  @Test
  void countsCallsAndShowsEndpoints() {
    boot.run(
        context -> {
          context.getBean(LlmClient.class).chat("a reminder");

          MeterRegistry registry = context.getBean(MeterRegistry.class);
          assertThat(
                  registry
                      .get("offmeter.attempts")
                      .tags("endpoint", "template", "outcome", "answered")
                      .timer()
                      .count())
              .isEqualTo(1);
          Gauge down =
              registry
                  .get("offmeter.endpoint.state")
                  .tags("endpoint", "endpoint-0", "state", "down")
                  .gauge();
          assertThat(down.value()).isEqualTo(1);
          assertThat(down.getId().getTag("client")).isNull();
        });
  }

  @Test
  void theTimersThatBootMakesOfObservationsAreDropped() {
    boot.run(
        context -> {
          assertThat(context).hasSingleBean(OffmeterObservations.class);
          context.getBean(LlmClient.class).chat("a reminder");

          assertThat(context.getBean(MeterRegistry.class).getMeters())
              .extracting(meter -> meter.getId().getName())
              .filteredOn(name -> name.matches("offmeter\\.(call|attempt)(\\..*)?"))
              .isEmpty();
        });
  }

  @Test
  void tracesEachCall() {
    TestObservationRegistry observations = TestObservationRegistry.create();
    plain
        .withBean(ObservationRegistry.class, () -> observations)
        .run(
            context -> {
              context.getBean(LlmClient.class).chat("a reminder");
              TestObservationRegistryAssert.assertThat(observations)
                  .hasNumberOfObservationsWithNameEqualTo("offmeter.call", 1);
            });
  }

  @Test
  void anApplicationsOwnListenerIsKept() {
    boot.withUserConfiguration(Tagged.class)
        .run(
            context -> {
              assertThat(context).hasSingleBean(MetricsListener.class);
              context.getBean(LlmClient.class).chat("a reminder");
              MeterRegistry registry = context.getBean(MeterRegistry.class);
              assertThat(
                      registry.get("offmeter.compute.seconds").counter().getId().getTag("feature"))
                  .isEqualTo("none");
            });
  }

  @Configuration(proxyBeanMethods = false)
  static class Tagged {
    @Bean
    MetricsListener tagged(MeterRegistry registry) {
      return OffmeterMetrics.listener(registry).withTag("feature");
    }
  }

  @Test
  void anApplicationsOwnGaugesAreKept() {
    boot.withUserConfiguration(OwnGauges.class)
        .run(
            context ->
                assertThat(context.getBean(MeterRegistry.class).get(IN_FLIGHT).gauges())
                    .extracting(gauge -> gauge.getId().getTag("team"))
                    .containsOnly("mails"));
  }

  @Configuration(proxyBeanMethods = false)
  static class OwnGauges {
    @Bean
    OffmeterMetrics offmeterMetrics(LlmClient client) {
      return new OffmeterMetrics(client, Tags.of("team", "mails"));
    }
  }

  @Test
  void anApplicationStartsWithoutTheGaugesThatItsRegistryRejects() {
    plain
        .withBean(MeterRegistry.class, RegistryWithoutGauges::new)
        .run(
            context ->
                assertThat(context.getBean(LlmClient.class).chat("a reminder").text())
                    .isEqualTo("a template"));
  }

  private static final class RegistryWithoutGauges extends SimpleMeterRegistry {
    @Override
    protected <T> Gauge newGauge(Meter.Id id, @Nullable T object, ToDoubleFunction<T> value) {
      throw new IllegalArgumentException("no gauges");
    }
  }

  @Test
  void anApplicationThatMakesItsBeansLateHasTheGaugesToo() {
    boot.withInitializer(
            context ->
                context.addBeanFactoryPostProcessor(
                    new LazyInitializationBeanFactoryPostProcessor()))
        .run(
            context ->
                assertThat(context.getBean(MeterRegistry.class).find(IN_FLIGHT).gauges())
                    .isNotEmpty());
  }

  @Test
  void twoClientsAreToldApartByTheirBeansNames() {
    boot.withUserConfiguration(TwoClients.class)
        .run(
            context ->
                assertThat(context.getBean(MeterRegistry.class).get(IN_FLIGHT).gauges())
                    .extracting(gauge -> gauge.getId().getTag("client"))
                    .containsExactlyInAnyOrder("mails", "chat"));
  }

  @Configuration(proxyBeanMethods = false)
  static class TwoClients {
    @Bean
    LlmClient mails() {
      return client();
    }

    @Bean
    LlmClient chat() {
      return client();
    }

    private static LlmClient client() {
      return LlmClient.builder().endpoint(Endpoint.local("own", request -> "x").build()).build();
    }
  }

  @Test
  void withoutARegistryThereIsNothing() {
    plain.run(
        context -> {
          assertThat(context).hasSingleBean(LlmClient.class);
          assertThat(context).doesNotHaveBean(LlmListener.class);
        });
  }

  @Test
  void withoutMicrometersMetersTheClientStarts() {
    plain
        .withClassLoader(new FilteredClassLoader("io.micrometer.core"))
        .run(context -> assertThat(context).hasSingleBean(LlmClient.class));
  }
}
