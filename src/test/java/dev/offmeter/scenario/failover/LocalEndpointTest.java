// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.failover;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.offmeter.AllEndpointsFailedException;
import dev.offmeter.Attempt;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ClientInternals;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.Locality;
import dev.offmeter.Usage;
import dev.offmeter.internal.http.EndpointConfig;
import dev.offmeter.testing.Loopback;
import java.time.Duration;
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

  private static Endpoint.FunctionBuilder template() {
    return Endpoint.local("template", request -> "x");
  }

  @Test
  void hasTheSettingsOfItsBuilder() {
    Duration second = Duration.ofSeconds(1);

    Endpoint endpoint =
        template()
            .timeout(second)
            .maxConcurrent(2)
            .maxWait(second.multipliedBy(2))
            .requestsPerMinute(60)
            .locality(Locality.MANAGED)
            .answerWhileModelLoads(true)
            .build();

    EndpointConfig config = ClientInternals.config(endpoint, true);
    assertThat(config.timeouts().attempt()).isEqualTo(second);
    assertThat(config.maxConcurrent()).isEqualTo(2);
    assertThat(config.maxWait()).isEqualTo(second.multipliedBy(2));
    assertThat(config.requestsPerMinute()).isEqualTo(60);
    assertThat(config.locality()).isEqualTo(Locality.MANAGED);
    assertThat(config.answerWhileModelLoads()).isTrue();
  }

  @Test
  void isNotChangedByItsBuilderAfterwards() {
    Endpoint.FunctionBuilder builder = template();
    Endpoint built = builder.build();

    builder.maxConcurrent(1);

    assertThat(ClientInternals.config(built, false).maxConcurrent()).isEqualTo(Integer.MAX_VALUE);
  }

  @Test
  void isNoServerToStartAnotherFrom() {
    assertThatThrownBy(template().build()::toBuilder)
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("endpoint 'template' is a function: build another with Endpoint.local");
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
