// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.observe;

import static dev.offmeter.testing.Loopback.ollama;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.TwoNodes;
import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Semaphore;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A status shows an operator each endpoint's state and its reason. */
@Timeout(20)
class ClientStatusTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private final TwoNodes nodes = TwoNodes.inManualTime(loopback);
  private final ManualTime time = nodes.time();
  private final Node primary = nodes.primary();
  private final Node fallback = nodes.fallback();
  private LlmClient client = nodes.client();

  private EndpointStatus primary() {
    return TwoNodes.primaryStatus(client);
  }

  @Test
  void whereHealthChecksTeachNothingTheNextCheckIsTheNextCall() {
    primary.respondWith(OllamaReplies.status(530, "text/plain", "error code: 1033"));
    client.chat("a reminder");
    time.advance(Duration.ofSeconds(2));
    await().until(() -> primary.probes().size() == 1);
    await().until(() -> primary().nextHealthCheck().orElseThrow().toSeconds() > 5);

    assertThat(primary().state()).isEqualTo(EndpointState.DOWN);
    assertThat(primary().nextHealthCheck().orElseThrow())
        .isBetween(Duration.ofSeconds(10), Duration.ofSeconds(16));
  }

  @Test
  void oneThatIsDownSaysSinceWhenAndWhyAndWhenItIsHealthChecked() {
    primary.respondToProbesWith(OllamaReplies.status(530, "text/plain", "error code: 1033"));
    primary.respondWith(OllamaReplies.status(530, "text/plain", "error code: 1033"));
    time.advance(Duration.ofMinutes(3));
    Instant made = primary().since();
    client.chat("a reminder");

    time.advance(Duration.ofMillis(500));
    EndpointStatus status = primary();

    assertThat(status.state()).isEqualTo(EndpointState.DOWN);
    assertThat(status.since()).isEqualTo(made.plus(Duration.ofMinutes(3)));
    assertThat(status.stateDuration()).isEqualTo(Duration.ofMillis(500));
    assertThat(status.cause()).contains(FailureKind.TUNNEL_DOWN);
    assertThat(status.message()).contains("1033");
    assertThat(status.nextHealthCheck().orElseThrow())
        .as("health checks begin a second after, give or take a fifth")
        .isBetween(Duration.ofMillis(300), Duration.ofMillis(700));
    assertThat(status.latency().answers()).isZero();
  }

  /** Answers each request when it is told to. */
  private Semaphore answeringOnDemand() {
    Semaphore released = new Semaphore(0);
    primary.respondWith(
        (connection, request) -> {
          released.acquireUninterruptibly();
          OllamaReplies.answering("PRIMARY").answer(connection, request);
        });
    return released;
  }

  private CompletableFuture<ChatResponse> asked(int times) {
    CompletableFuture<ChatResponse> call =
        client.chatAsync(ChatRequest.builder().user("a reminder").build());
    await().until(() -> primary.requests().size() == times);
    return call;
  }

  @Test
  void oneThatIsUpSaysHowLongItsAnswersTake() throws Exception {
    Semaphore released = answeringOnDemand();
    for (int i = 1; i <= 20; i++) {
      CompletableFuture<ChatResponse> call = asked(i);
      time.advance(Duration.ofMillis(100L * i));
      released.release();
      call.get();
    }

    EndpointStatus status = primary();
    assertThat(status.state()).isEqualTo(EndpointState.UP);
    assertThat(status.cause()).isEmpty();
    assertThat(status.nextHealthCheck()).isEmpty();
    EndpointStatus.Latency latency = status.latency();
    assertThat(latency.answers()).isEqualTo(20);
    assertThat(latency.firstTokenMedian()).isEqualTo(Duration.ofMillis(1000));
    assertThat(latency.totalMedian()).isEqualTo(Duration.ofMillis(1000));
    assertThat(latency.total95()).isEqualTo(Duration.ofMillis(1900));
  }

  @Test
  void callsAreCountedWhileTheyAreThere() throws Exception {
    Semaphore released = answeringOnDemand();
    assertThat(primary().inFlight()).isZero();

    CompletableFuture<ChatResponse> first = asked(1);
    CompletableFuture<ChatResponse> second = asked(2);
    assertThat(primary().inFlight()).isEqualTo(2);

    released.release(2);
    first.get();
    second.get();
    assertThat(primary().inFlight()).isZero();
  }

  @Test
  void theTableShowsWhatIsDownAndWhy() {
    time.advance(Duration.ofMinutes(61));
    primary.respondWith(OllamaReplies.status(429, "text/plain", "slow down", "Retry-After: 40"));
    client.chat("a reminder");
    time.advance(Duration.ofSeconds(5));

    assertThat(client.status().toString().lines())
        .containsExactly(
            "endpoint  state        for  next check  in flight  answers  first p50/p95  total p50/p95"
                + "  why",
            "primary   DOWN         5 s      35.0 s          0        0              -              -"
                + "  RATE_LIMITED at "
                + primary.url()
                + ": slow down",
            "fallback  UP     1 h 1 min           -          0        1    0.00/0.00 s    0.00/0.00 s");
  }

  @Test
  void oneLineIsEnoughForOneEndpoint() {
    primary.respondWith(OllamaReplies.status(429, "text/plain", "slow down", "Retry-After: 40"));
    client.chat("a reminder");
    time.advance(Duration.ofSeconds(5));

    assertThat(client.status().endpoints())
        .extracting(EndpointStatus::toString)
        .containsExactly(
            "primary: DOWN for 5 s (RATE_LIMITED at "
                + primary.url()
                + ": slow down), next health check in 35.0 s, 0 in flight, no answer yet",
            "fallback: UP for 5 s, 0 in flight, first token 0.00/0.00 s, total 0.00/0.00 s"
                + " (median/95th of 1)");
  }

  @Test
  void oneThatNobodyWentToIsUpOnlyForWantOfNews() {
    client.chat("a reminder");

    EndpointStatus fallback = client.status().endpoints().get(1);
    assertThat(fallback.state()).isEqualTo(EndpointState.UP);
    assertThat(fallback.asked()).isFalse();
    assertThat(fallback.toString())
        .isEqualTo("fallback: UP for 0 s, not asked yet, 0 in flight, no answer yet");
    assertThat(client.status().toString().lines()).last().asString().endsWith("not asked yet");
    assertThat(primary().asked()).isTrue();
    assertThat(primary().toString()).doesNotContain("not asked");
  }

  @Test
  void aHealthCheckIsNewsToo() throws Exception {
    primary.respondToProbesWith(
        OllamaReplies.probes(OllamaReplies.loadCompleted(), "primary-model"));
    client.warmUp().get();

    assertThat(primary().asked()).isTrue();
    assertThat(primary.requests()).isEmpty();
  }

  @ParameterizedTest
  @CsvSource({"PT0.9S, 0 s", "PT59.9S, 59 s", "PT4M12S, 4 min 12 s", "PT3H5M9S, 3 h 5 min"})
  @CsvSource({"PT24H, 1 d 0 h", "PT100H, 4 d 4 h"})
  void agesHaveTwoUnits(Duration age, String told) {
    time.advance(age);

    assertThat(primary().toString()).startsWith("primary: UP for " + told + ", ");
  }

  @Test
  void nothingSecretIsInIt() {
    Node leaky =
        loopback.node(
            (connection, request) -> {
              String body = request.header("Authorization") + " " + request.body();
              OllamaReplies.status(401, "text/plain", body).answer(connection, request);
            });
    client = nodes.client(ollama("leaky", leaky).apiKey("canary-key-7f3a"));
    client.chat("canary-prompt of Zoë");

    assertThat(primary().state()).isEqualTo(EndpointState.DOWN);
    assertThat(client.status().toString() + primary())
        .contains("UNAUTHORIZED")
        .doesNotContain("canary");
  }
}
