// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.failover;

import static dev.offmeter.testing.Loopback.ollama;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.offmeter.AllEndpointsFailedException;
import dev.offmeter.Attempt;
import dev.offmeter.ChatRequest;
import dev.offmeter.ClientInternals;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.TwoNodes;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The exception of a call that nobody answered: what is to be mended, and when to ask again. */
@Timeout(20)
class AllEndpointsFailedTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private static final Node.Script GONE =
      OllamaReplies.status(530, "text/plain", "error code: 1033");
  private static final Node.Script BROKEN =
      OllamaReplies.status(500, "text/plain", "out of memory");
  private static final Node.Script NO_MODEL =
      OllamaReplies.status(404, "application/json", "{\"error\":\"model 'x' not found\"}");

  private final TwoNodes nodes = TwoNodes.inManualTime(loopback);
  private final ManualTime time = nodes.time();
  private final Node primary = nodes.primary().respondWith(GONE);
  private final Node fallback = nodes.fallback().respondWith(BROKEN);

  private LlmClient client(Endpoint... endpoints) {
    LlmClient.Builder builder = ClientInternals.builder(time);
    List.of(endpoints).forEach(builder::endpoint);
    return loopback.client(builder);
  }

  private static AllEndpointsFailedException failed(LlmClient client) {
    return catchThrowableOfType(
        AllEndpointsFailedException.class, () -> client.chat("draft a reminder"));
  }

  private static Attempt attempt(String kind, String openedBy) {
    Attempt.Builder attempt =
        Attempt.builder("e").failure(FailureKind.valueOf(kind)).message("in words");
    return openedBy == null
        ? attempt.build()
        : attempt.openedBy(FailureKind.valueOf(openedBy)).build();
  }

  @ParameterizedTest
  @CsvSource({
    "TUNNEL_DOWN, , SERVER_ERROR, , TUNNEL_DOWN, tunnel-down",
    "CIRCUIT_OPEN, TUNNEL_DOWN, SERVER_ERROR, , SERVER_ERROR, server-error",
    "CIRCUIT_OPEN, TUNNEL_DOWN, CIRCUIT_OPEN, QUOTA_EXCEEDED, CIRCUIT_OPEN, tunnel-down",
    "BULKHEAD_FULL, , CIRCUIT_OPEN, UNAUTHORIZED, CIRCUIT_OPEN, unauthorized",
    "CIRCUIT_OPEN, MODEL_COLD, NOT_PERMITTED, , CIRCUIT_OPEN, model-cold",
    "NOT_PERMITTED, , CLIENT_RATE_LIMITED, , NOT_PERMITTED, not-permitted",
    "CLIENT_RATE_LIMITED, , BAD_REQUEST, , BAD_REQUEST, bad-request",
    "CANCELLED, , FUNCTION_FAILED, , FUNCTION_FAILED, function-failed",
    "DEADLINE_EXCEEDED, , DEADLINE_SHARE_EXCEEDED, , DEADLINE_SHARE_EXCEEDED, deadline-share-exceeded",
    "CIRCUIT_OPEN, , DEADLINE_EXCEEDED, , CIRCUIT_OPEN, circuit-open"
  })
  void failureAndLinkAgreeOnOneAttempt(
      String first, String firstBy, String second, String secondBy, String failure, String link) {
    AllEndpointsFailedException e =
        new AllEndpointsFailedException(
            List.of(attempt(first, firstBy), attempt(second, secondBy)), Duration.ZERO);

    assertThat(e.failure()).contains(FailureKind.valueOf(failure));
    assertThat(e).hasMessageEndingWith("docs/troubleshooting.md#" + link);
    assertThat(e.retryAfter()).isEmpty();
  }

  @Test
  void anEndpointThatWasAskedWhenTheDeadlinePassedIsDecisive() {
    Attempt asked =
        attempt("DEADLINE_EXCEEDED", null).toBuilder().elapsed(Duration.ofMillis(3)).build();
    AllEndpointsFailedException e =
        new AllEndpointsFailedException(
            List.of(attempt("CIRCUIT_OPEN", "TUNNEL_DOWN"), asked), Duration.ofMillis(3));

    assertThat(e.failure()).contains(FailureKind.DEADLINE_EXCEEDED);
    assertThat(e).hasMessageEndingWith("docs/troubleshooting.md#deadline-exceeded");
  }

  @Test
  void anEndpointThatIsPassedOverSaysWhatHadTakenItDown() {
    LlmClient client = nodes.client();
    failed(client);

    AllEndpointsFailedException e = failed(client);

    Attempt skipped = e.attempts().get(0);
    assertThat(skipped.failure()).contains(FailureKind.CIRCUIT_OPEN);
    assertThat(skipped.openedBy()).contains(FailureKind.TUNNEL_DOWN);
    assertThat(e.failure()).contains(FailureKind.SERVER_ERROR);
    assertThat(e).hasMessageEndingWith("#server-error");
    assertThat(e.attempts().get(1).openedBy()).isEmpty();

    AllEndpointsFailedException allDown = failed(client);
    assertThat(allDown.failure()).contains(FailureKind.CIRCUIT_OPEN);
    assertThat(allDown).hasMessageEndingWith("#tunnel-down");
  }

  @Test
  void itIsWorthAskingAgainWhenTheFirstOfThemMayBe() {
    primary.respondWith(OllamaReplies.status(429, "text/plain", "slow down", "Retry-After: 40"));
    fallback.respondWith(OllamaReplies.status(429, "text/plain", "slow down", "Retry-After: 7"));
    LlmClient client = nodes.client();

    assertThat(failed(client).retryAfter()).contains(Duration.ofSeconds(7));
    time.advance(Duration.ofSeconds(3));
    assertThat(failed(client).retryAfter()).contains(Duration.ofSeconds(4));
    time.advance(Duration.ofSeconds(5));
    assertThat(failed(client).retryAfter()).contains(Duration.ofSeconds(7));
  }

  @Test
  void whoMayBeAskedAtOnceNamesNoTime() {
    LlmClient client = client(ollama("fallback", fallback).build());

    assertThat(failed(client).retryAfter()).isEmpty();
    assertThat(failed(client).retryAfter()).as("down after the second").isPresent();
  }

  @Test
  void anEndpointThatMayNotServeTheRequestIsNotWaitedFor() {
    fallback.respondWith(OllamaReplies.status(429, "text/plain", "slow down", "Retry-After: 7"));
    primary.respondWith(OllamaReplies.status(429, "text/plain", "slow down", "Retry-After: 40"));
    LlmClient client =
        client(
            ollama("primary", primary).build(),
            ollama("managed", fallback).locality(dev.offmeter.Locality.MANAGED).build());
    failed(client);

    ChatRequest here = ChatRequest.builder().user("a reminder").selfHostedOnly().build();
    AllEndpointsFailedException e =
        catchThrowableOfType(AllEndpointsFailedException.class, () -> client.chat(here));

    assertThat(e.retryAfter()).contains(Duration.ofSeconds(40));
    assertThat(e.failure()).contains(FailureKind.CIRCUIT_OPEN);
    assertThat(e).hasMessageEndingWith("#rate-limited");
  }

  @Test
  void ourOwnLimitOfTheMinuteIsKnownToo() {
    primary.respondWith(OllamaReplies.answering("PRIMARY"));
    LlmClient client = client(ollama("primary", primary).requestsPerMinute(1).build());
    client.chat("draft a reminder");
    time.advance(Duration.ofSeconds(20));

    assertThat(failed(client).retryAfter()).contains(Duration.ofSeconds(40));
    time.advance(Duration.ofSeconds(40));
    assertThat(client.chat("draft a reminder").text()).isEqualTo("PRIMARY");
  }

  @Test
  void theOnlyEndpointIsListedOnceIfItIsDown() {
    primary.respondWith(NO_MODEL);
    LlmClient client = client(ollama("primary", primary).build());

    assertThat(failed(client).attempts()).hasSize(1);
    assertThat(failed(client).attempts())
        .singleElement()
        .satisfies(skipped -> assertThat(skipped.openedBy()).contains(FailureKind.MODEL_NOT_FOUND));
  }

  @Test
  void oneWithoutAttemptsKnowsNothing() {
    AllEndpointsFailedException e = new AllEndpointsFailedException(List.of(), Duration.ZERO);

    assertThat(e.failure()).isEmpty();
    assertThat(e.retryAfter()).isEqualTo(Optional.empty());
  }
}
