// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.limits;

import static dev.offmeter.testing.TwoNodes.primaryStatus;
import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.spi.ILoggingEvent;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ClientInternals;
import dev.offmeter.Endpoint;
import dev.offmeter.LlmClient;
import dev.offmeter.observe.LlmListener;
import dev.offmeter.observe.QueueAlert;
import dev.offmeter.testing.LoggedEvents;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.TwoNodes;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A server that makes requests wait longer than it did is told of, before any of them fails. */
@Timeout(60)
class QueueAlertTest {
  @RegisterExtension final Loopback loopback = new Loopback();
  @RegisterExtension final LoggedEvents log = new LoggedEvents(Level.INFO);

  private final TwoNodes nodes = TwoNodes.inManualTime(loopback);
  private final ManualTime time = nodes.time();
  private final Node node = nodes.primary();
  private final List<QueueAlert> alerts = new CopyOnWriteArrayList<>();
  private final LlmClient client = client(nodes.builder());

  private LlmClient client(LlmClient.Builder builder) {
    return loopback.client(
        builder.listener(
            new LlmListener() {
              @Override
              public void onQueueAlert(QueueAlert alert) {
                alerts.add(alert);
              }
            }));
  }

  /** Returns a script whose first token comes after so much time. */
  private Node.Script after(long millis, Node.Script answer) {
    return (connection, request) -> {
      time.advance(Duration.ofMillis(millis));
      answer.answer(connection, request);
    };
  }

  private void calls(int count, long millis) {
    calls(client, count, millis);
  }

  private void calls(LlmClient client, int count, long millis) {
    node.respondWith(after(millis, OllamaReplies.answering("PRIMARY")));
    for (int i = 0; i < count; i++) {
      assertThat(client.chat("a reminder").endpoint()).isEqualTo("primary");
    }
  }

  @Test
  void thereIsOneInAnEpisodeAndAnotherInTheNext() {
    calls(40, 1000);
    assertThat(primaryStatus(client).queueAlert()).isEmpty();

    calls(20, 3000);
    assertThat(alerts).hasSize(1);
    assertThat(primaryStatus(client).queueAlert()).contains(alerts.get(0));

    calls(10, 1000);
    assertThat(primaryStatus(client).queueAlert()).isEmpty();

    calls(20, 3000);
    assertThat(alerts).hasSize(2);
  }

  @Test
  void theStatusAndTheLogSayHowLongAndWhatToSet() {
    calls(40, 1000);
    calls(20, 3000);

    String waits = "3.00 s to the first token with 1 in flight, usually 1.00 s at most";
    assertThat(client.status().toString()).contains("requests wait: " + waits);
    assertThat(warnings())
        .singleElement()
        .asString()
        .startsWith(
            "endpoint primary at " + node.url() + " lets requests wait: " + waits + "; no other")
        .contains("OLLAMA_NUM_PARALLEL")
        .endsWith("; see docs/troubleshooting.md#queue-alert");

    calls(10, 1000);
    assertThat(client.status().toString()).doesNotContain("requests wait");
    assertThat(logged()).contains("endpoint primary lets requests wait no longer than is usual");
  }

  private List<String> warnings() {
    return log.events().stream()
        .filter(event -> event.getLevel() == Level.WARN)
        .map(ILoggingEvent::getFormattedMessage)
        .filter(message -> message.contains("requests wait"))
        .toList();
  }

  private List<String> logged() {
    return log.events().stream().map(ILoggingEvent::getFormattedMessage).toList();
  }

  @Test
  void failuresAreNoWaits() {
    calls(40, 1000);
    node.respondWith(after(3000, OllamaReplies.status(400, "text/plain", "no")));
    for (int i = 0; i < 20; i++) {
      assertThat(client.chat("a reminder").endpoint()).isEqualTo("fallback");
    }

    assertThat(alerts).isEmpty();
  }

  @Test
  void anAnswerThatIsHeldBackHasNoFirstToken() {
    String[] pieces = "PRIMARY in so many pieces that they cannot have come at once".split("");
    for (int i = 0; i < 60; i++) {
      node.respondWith(after(i < 40 ? 1000 : 3000, OllamaReplies.answering(pieces)));
      assertThat(client.chat("a reminder").endpoint()).isEqualTo("primary");
    }

    assertThat(alerts).isEmpty();
  }

  @Test
  void aFunctionHasNoQueue() {
    AtomicInteger count = new AtomicInteger();
    Endpoint slow =
        Endpoint.local(
                "slow",
                request -> {
                  boolean first = count.incrementAndGet() <= 40;
                  time.advance(Duration.ofSeconds(first ? 1 : 3));
                  return "SLOW";
                })
            .build();
    LlmClient local = client(ClientInternals.builder(time).endpoint(slow));
    for (int i = 0; i < 60; i++) {
      assertThat(local.chat("a reminder").text()).isEqualTo("SLOW");
    }

    assertThat(alerts).isEmpty();
  }

  @Test
  void aStreamCountsWhenItIsWhole() {
    calls(40, 1000);
    node.respondWith(after(3000, OllamaReplies.answering("PRI", "MARY")));
    for (int i = 0; i < 6; i++) {
      try (var stream = client.stream("a reminder")) {
        assertThat(stream.response().endpoint()).isEqualTo("primary");
      }
    }

    assertThat(alerts).singleElement().extracting(QueueAlert::inFlight).isEqualTo(1);
  }

  @Test
  void whatAHigherLoadAlwaysTookIsNone() throws Exception {
    LlmClient patient = client(nodes.builder(home -> home.timeout(Duration.ofHours(1))));
    calls(patient, 40, 1000);
    // What is silent on a new connection is not sent again over another.
    node.closeIdleConnections();
    CountDownLatch arrived = new CountDownLatch(1);
    Semaphore held = new Semaphore(0);
    node.respondWith(
        (connection, request) -> {
          arrived.countDown();
          held.acquireUninterruptibly();
          OllamaReplies.answering("PRIMARY").answer(connection, request);
        });
    CompletableFuture<ChatResponse> beside =
        patient.chatAsync(ChatRequest.builder().user("a reminder").build());
    arrived.await();

    calls(patient, 60, 3000);
    assertThat(alerts).isEmpty();

    held.release();
    assertThat(beside.get().endpoint()).isEqualTo("primary");
    calls(patient, 10, 3000);
    assertThat(alerts).singleElement().extracting(QueueAlert::inFlight).isEqualTo(1);
  }
}
