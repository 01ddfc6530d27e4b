// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.spring;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.offmeter.ChatRequest;
import dev.offmeter.Endpoint;
import dev.offmeter.LlmClient;
import dev.offmeter.guard.Budget;
import dev.offmeter.meter.Price;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testkit.FakeLlm;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.test.context.FilteredClassLoader;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;

/** The actuator's endpoint {@code llm}. */
class OffmeterEndpointTest {
  @RegisterExtension final Loopback loopback = new Loopback();
  private final FakeLlm node =
      loopback.fake(FakeLlm.ollama().answers("a draft that nobody else may see"));

  private LlmClient client() {
    return loopback.client(
        LlmClient.builder()
            .endpoint(
                node.endpoint("mini")
                    .apiKey("k-s3cret-1234567")
                    .price(Price.perSecond("USD", 1))
                    .build())
            .endpoint(Endpoint.local("template", request -> "x").build())
            .budget(Budget.calls("all", 10))
            .budget(Budget.calls("by-feature", 10).tag("feature"))
            .budget(Budget.calls("by-session", 10).perSession()));
  }

  @SuppressWarnings("unchecked")
  private static Map<String, Object> in(Map<String, Object> map, String... path) {
    Map<String, Object> found = map;
    for (String step : path) {
      found = (Map<String, Object>) found.get(step);
    }
    return found;
  }

  @Test
  void hasTheEndpointsTheBudgetsAndTheMeter() {
    LlmClient client = client();
    client.chat(ChatRequest.builder().user("x").tag("feature", "mails").build());

    Map<String, Object> report = new OffmeterEndpoint(client).report();

    assertThat(in(report, "endpoints", "mini"))
        .extracting("state", "asked", "origin")
        .containsExactly("UP", true, node.url());
    assertThat(in(report, "endpoints", "template")).doesNotContainKey("origin");
    assertThat((List<?>) report.get("budgets"))
        .extracting("name", "spent", "left")
        .containsExactly(
            tuple("all", "1 calls", "9 calls"), tuple("by-feature", "1 calls", "9 calls"));
    assertThat(in(report, "meter", "total")).extracting("calls", "failed").containsExactly(1L, 0L);
    assertThat(in(report, "meter", "byEndpoint", "mini").get("cost")).asString().contains("USD");
  }

  @Test
  void hasNoPromptNoAnswerNoSecretAndNoSession() throws Exception {
    LlmClient client = client();
    client.chat(ChatRequest.builder().user("a prompt").session("s3ssion").build());

    String json = new ObjectMapper().writeValueAsString(new OffmeterEndpoint(client).report());

    assertThat(json).contains("mini").doesNotContain("prompt", "a draft", "s3cret", "s3ssion");
  }

  @Test
  void hasOnlyWhatEveryJsonWriterWritesAlike() {
    LlmClient client = client();
    client.chat("x");

    assertPlain(new OffmeterEndpoint(client).report());
  }

  private static void assertPlain(Object value) {
    if (value instanceof Map<?, ?> map) {
      map.keySet().forEach(key -> assertThat(key).isInstanceOf(String.class));
      map.values().forEach(OffmeterEndpointTest::assertPlain);
    } else if (value instanceof List<?> list) {
      list.forEach(OffmeterEndpointTest::assertPlain);
    } else {
      assertThat(value)
          .isInstanceOfAny(String.class, Boolean.class, Integer.class, Long.class, Double.class);
    }
  }

  @Test
  void aReadAsksNobodyAndAPostLoadsTheModels() {
    node.loadsFor(Duration.ZERO);
    OffmeterEndpoint endpoint = new OffmeterEndpoint(client());

    endpoint.report();
    assertThat(node.probes()).isEmpty();

    assertThat(in(endpoint.warmUp(), "endpoints", "mini")).containsKey("state");
    Loopback.awaitSoon(() -> node.loadsBegun() == 1);
  }

  private final ApplicationContextRunner spring =
      new ApplicationContextRunner()
          .withConfiguration(
              AutoConfigurations.of(
                  OffmeterAutoConfiguration.class, OffmeterEndpointAutoConfiguration.class));

  @Test
  void existsWhereItIsExposed() {
    spring.run(context -> assertThat(context).doesNotHaveBean(OffmeterEndpoint.class));
    spring
        .withPropertyValues("management.endpoints.web.exposure.include=llm")
        .run(context -> assertThat(context).hasSingleBean(OffmeterEndpoint.class));
    spring
        .withPropertyValues(
            "management.endpoints.web.exposure.include=llm", "management.endpoint.llm.access=NONE")
        .run(context -> assertThat(context).doesNotHaveBean(OffmeterEndpoint.class));
  }

  @Test
  void anApplicationWithoutTheActuatorHasNone() {
    spring
        .withPropertyValues("management.endpoints.web.exposure.include=llm")
        .withClassLoader(new FilteredClassLoader("org.springframework.boot.actuate"))
        .run(context -> assertThat(context).hasNotFailed().doesNotHaveBean(OffmeterEndpoint.class));
  }
}
