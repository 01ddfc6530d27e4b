// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.failover;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.offmeter.AllEndpointsFailedException;
import dev.offmeter.Attempt;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.Dialect;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.Locality;
import dev.offmeter.Usage;
import dev.offmeter.testing.Loopback;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A function in this process as an endpoint like any other. */
@Timeout(20)
class LocalEndpointTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private LlmClient client(Function<ChatRequest, String> function) {
    return loopback.client(
        LlmClient.builder()
            .endpoint(Endpoint.local("function", function).timeout(Duration.ofMillis(150)).build())
            .endpoint(Endpoint.local("template", request -> "from the template").build()));
  }

  private Attempt fallThrough(Function<ChatRequest, String> function) {
    ChatResponse response = client(function).chat("draft a reminder");
    assertThat(response.text()).isEqualTo("from the template");
    return response.attempts().get(0);
  }

  @ParameterizedTest
  @ValueSource(strings = {"\u00a0\u200b", "\u2800", "\u3164", "\u034f", "\ufe0f", "\u0000"})
  void whatNobodyCanSeeIsNoAnswer(String invisible) {
    assertThat(fallThrough(request -> invisible).failure()).contains(FailureKind.FUNCTION_FAILED);
  }

  @Test
  void answersFromTheRequest() {
    LlmClient client = client(request -> "Dear " + request.tags().get("name"));

    ChatResponse response =
        client.chat(ChatRequest.builder().user("draft").tag("name", "Zoë").build());

    assertThat(response.text()).isEqualTo("Dear Zoë");
    assertThat(response.endpoint()).isEqualTo("function");
    assertThat(response.usage()).isEqualTo(Usage.NONE);
    assertThat(response.attempts().get(0).status()).isEmpty();
  }

  @Test
  void throwingIsAFailedAttemptThatNamesTheClassAndThePlaceOnly() {
    Attempt attempt =
        fallThrough(
            request -> {
              throw new IllegalStateException("could not fill in " + request.messages());
            });

    assertThat(attempt.failure()).contains(FailureKind.FUNCTION_FAILED);
    assertThat(attempt.message())
        .contains("java.lang.IllegalStateException")
        .contains("LocalEndpointTest.java")
        .doesNotContain("could not fill in");
  }

  @Test
  void anErrorIsAFailedAttemptToo() {
    assertThat(
            fallThrough(
                    request -> {
                      throw new StackOverflowError();
                    })
                .failure())
        .contains(FailureKind.FUNCTION_FAILED);
  }

  @Test
  void nullIsAFailedAttempt() {
    assertThat(fallThrough(request -> null).message()).contains("null");
  }

  @Test
  void blankIsAFailedAttempt() {
    assertThat(fallThrough(request -> " \n").message()).contains("blank");
  }

  @Test
  void outlivingItsLimitIsAFailedAttemptAndAnInterrupt() throws Exception {
    CountDownLatch interrupted = new CountDownLatch(1);

    Attempt attempt =
        fallThrough(
            request -> {
              try {
                new CountDownLatch(1).await();
              } catch (InterruptedException e) {
                interrupted.countDown();
              }
              return "too late";
            });

    assertThat(attempt.failure()).contains(FailureKind.ATTEMPT_TIMEOUT);
    assertThat(interrupted.await(1, TimeUnit.SECONDS)).isTrue();
  }

  @Test
  void failingOftenDoesNotTakeTheLastResortAway() {
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .endpoint(
                    Endpoint.local(
                            "template",
                            request -> {
                              if (request.tags().isEmpty()) {
                                throw new IllegalArgumentException("no tags");
                              }
                              return "filled";
                            })
                        .build()));
    for (int i = 0; i < 5; i++) {
      assertThatThrownBy(() -> client.chat("draft"))
          .isInstanceOf(AllEndpointsFailedException.class);
    }

    assertThat(client.chat(ChatRequest.builder().user("draft").tag("a", "b").build()).text())
        .isEqualTo("filled");
  }

  @Test
  void isSelfHosted() {
    assertThat(Endpoint.local("template", request -> "x").build().locality())
        .isEqualTo(Locality.SELF_HOSTED);
  }

  @Test
  void takesNothingThatOnlyAServerKnows() {
    assertThatThrownBy(() -> Endpoint.local("template", request -> "x").model("m").build())
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("template");
    assertThatThrownBy(() -> Endpoint.local("template", request -> "x").apiKey("k").build())
        .isInstanceOf(IllegalStateException.class);
  }

  private static Endpoint.Builder template() {
    return Endpoint.local("template", request -> "x");
  }

  @Test
  void takesNoSettingThatMeansNothingForIt() {
    Duration second = Duration.ofSeconds(1);
    List<Endpoint.Builder> meaningless =
        List.of(
            template().connectTimeout(Duration.ofSeconds(3)),
            template().firstTokenTimeout(second),
            template().stallTimeout(second),
            template().maxLineBytes(8 * 1024 * 1024),
            template().maxAnswerBytes(4096),
            template().retries(1),
            template().dialect(Dialect.VLLM),
            template().allowClearTextCredentials(true));
    for (Endpoint.Builder builder : meaningless) {
      assertThatThrownBy(builder::build)
          .isInstanceOf(IllegalStateException.class)
          .hasMessageStartingWith("endpoint 'template' is a function");
    }
    assertThat(
            template()
                .timeout(second)
                .maxConcurrent(2)
                .maxWait(second)
                .requestsPerMinute(60)
                .locality(Locality.MANAGED)
                .build())
        .isNotNull();
  }

  @Test
  void hasNoQueueWithoutMaxConcurrent() {
    assertThatThrownBy(() -> template().maxWait(Duration.ofSeconds(1)).build())
        .isInstanceOf(IllegalStateException.class)
        .hasMessage(
            "endpoint 'template' must have a maxConcurrent to have a maxWait: without one it is"
                + " never full");
  }
}
