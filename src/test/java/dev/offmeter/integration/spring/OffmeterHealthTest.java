// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.spring;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.offmeter.ClientInternals;
import dev.offmeter.Endpoint;
import dev.offmeter.LlmClient;
import dev.offmeter.Locality;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testkit.FakeLlm;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.springframework.boot.actuate.health.Health;
import org.springframework.boot.actuate.health.Status;
import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.test.context.FilteredClassLoader;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;

/** What the health says of the endpoints, and where Spring Boot finds it. */
class OffmeterHealthTest {
  @RegisterExtension final Loopback loopback = new Loopback();
  private final ManualTime time = loopback.manualTime();
  private final FakeLlm node = loopback.fake(FakeLlm.ollama());

  private static Endpoint.Builder deadNode(String name) {
    return Endpoint.ollama(name, Loopback.unusedUrl()).model("m");
  }

  private static Endpoint template() {
    return Endpoint.local("template", request -> "x").build();
  }

  private LlmClient asked(Endpoint... endpoints) {
    LlmClient.Builder builder = ClientInternals.builder(time);
    for (Endpoint endpoint : endpoints) {
      builder.endpoint(endpoint);
    }
    LlmClient client = loopback.client(builder);
    // The calls may fail: they are for the endpoints' states.
    for (int i = 0; i < 3; i++) {
      catchThrowable(() -> client.chat("x"));
    }
    return client;
  }

  private static String statusOf(LlmClient client) {
    return OffmeterHealth.of(client).status();
  }

  @Test
  void isUpWhileAnyServerCanAnswer() {
    assertThat(statusOf(asked(deadNode("mini").build(), node.endpoint("maxi").build())))
        .isEqualTo("UP");
  }

  @Test
  void isOutOfServiceWhenOnlyTheTemplateCanAnswer() {
    assertThat(statusOf(asked(deadNode("mini").build(), template()))).isEqualTo("OUT_OF_SERVICE");
  }

  @Test
  void isDownWhenNoEndpointCanAnswer() {
    assertThat(statusOf(asked(deadNode("mini").build(), deadNode("maxi").build())))
        .isEqualTo("DOWN");
  }

  @Test
  void isUpIfThereIsNoServerThatCouldBeDown() {
    assertThat(statusOf(asked(template()))).isEqualTo("UP");
  }

  @Test
  void isUpAgainWhenOnlyACallCanFindOutThatAManagedServerIsBack() {
    node.status(401);
    LlmClient client = asked(node.endpoint("cloud").locality(Locality.MANAGED).build());
    assertThat(statusOf(client)).isEqualTo("DOWN");

    time.advance(Duration.ofHours(1));

    assertThat(statusOf(client)).isEqualTo("UP");
  }

  @Test
  void asksNobody() {
    LlmClient client =
        loopback.client(ClientInternals.builder(time).endpoint(node.endpoint("mini").build()));

    assertThat(statusOf(client)).isEqualTo("UP");
    assertThat(node.requests()).isEmpty();
    assertThat(node.probes()).isEmpty();
  }

  @Test
  void hasTheStateOfEachEndpoint() {
    OffmeterHealth health =
        OffmeterHealth.of(asked(deadNode("mini").build(), node.endpoint("maxi").build()));

    assertThat(health.details()).containsOnlyKeys("mini", "maxi");
    assertThat((Map<?, ?>) health.details().get("mini"))
        .extracting("state", "cause", "inFlight")
        .containsExactly("DOWN", "CONNECTION_REFUSED", 0);
    assertThat((Map<?, ?>) health.details().get("maxi"))
        .extracting("state", "origin")
        .containsExactly("UP", node.url());
  }

  private static ApplicationContextRunner spring(Class<?> autoConfiguration) {
    return new ApplicationContextRunner()
        .withConfiguration(
            AutoConfigurations.of(OffmeterAutoConfiguration.class, autoConfiguration));
  }

  private static final Class<?> BOOT_3 =
      type("dev.offmeter.integration.spring.boot3.OffmeterHealthAutoConfiguration");
  private static final Class<?> BOOT_4 =
      type("dev.offmeter.integration.spring.OffmeterHealthAutoConfiguration");

  private static Class<?> type(String name) {
    try {
      return Class.forName(name);
    } catch (ClassNotFoundException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void springBoot3HasAnIndicator() {
    spring(BOOT_3)
        .run(
            context -> {
              Health health =
                  context
                      .getBean(dev.offmeter.integration.spring.boot3.OffmeterHealthIndicator.class)
                      .health();
              assertThat(health.getStatus()).isEqualTo(Status.UP);
              assertThat(health.getDetails()).containsOnlyKeys("primary");
            });
  }

  @Test
  void springBoot4HasAnIndicator() {
    spring(BOOT_4)
        .run(
            context -> {
              org.springframework.boot.health.contributor.Health health =
                  context
                      .getBean(dev.offmeter.integration.spring.OffmeterHealthIndicator.class)
                      .health();
              assertThat(health.getStatus().getCode()).isEqualTo("UP");
              assertThat(health.getDetails()).containsOnlyKeys("primary");
            });
  }

  @Test
  void anApplicationWithoutTheActuatorHasNone() {
    for (Class<?> line : new Class<?>[] {BOOT_3, BOOT_4}) {
      spring(line)
          .withClassLoader(
              new FilteredClassLoader(
                  "org.springframework.boot.actuate", "org.springframework.boot.health"))
          .run(
              context ->
                  assertThat(context)
                      .hasNotFailed()
                      .hasSingleBean(LlmClient.class)
                      .doesNotHaveBean("offmeterHealthIndicator"));
    }
  }

  @Test
  void aPropertyTurnsItOff() {
    spring(BOOT_3)
        .withPropertyValues("management.health.offmeter.enabled=false")
        .run(context -> assertThat(context).doesNotHaveBean("offmeterHealthIndicator"));
  }
}
