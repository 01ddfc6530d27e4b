// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.limits;

import static dev.offmeter.testing.Loopback.awaitSoon;
import static dev.offmeter.testing.Loopback.ollama;
import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.spi.ILoggingEvent;
import dev.offmeter.ChatEvent;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ChatStream;
import dev.offmeter.ClientInternals;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.Locality;
import dev.offmeter.testing.Connection;
import dev.offmeter.testing.LoadingNode;
import dev.offmeter.testing.LoggedEvents;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.SocketReader;
import dev.offmeter.testing.TwoNodes;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * More callers than a server can answer in time go on to others, without a {@code maxConcurrent}.
 */
@Timeout(20)
class OverloadTest {
  @RegisterExtension final Loopback loopback = new Loopback();
  @RegisterExtension final LoggedEvents log = new LoggedEvents(Level.INFO);

  private static final ChatRequest REQUEST = ChatRequest.builder().user("a reminder").build();
  private static final Duration LIMIT = Duration.ofSeconds(15);

  /** Thirty answers, one after the other, fit into the limit of one call. */
  private static final Duration WORK = Duration.ofMillis(490);

  private static final int IN_TIME = 30;

  private final ManualTime time = loopback.manualTime();
  private final LoadingNode home =
      new LoadingNode(loopback, time, Duration.ofSeconds(1), WORK).preloadModel();
  private final TwoNodes nodes = TwoNodes.behind(home, loopback, time);

  private LlmClient alone() {
    return loopback.client(
        ClientInternals.builder(time).endpoint(ollama("home", home.node()).build()));
  }

  /** Callers that come at once, each of whom is either at the server or answered elsewhere. */
  private List<CompletableFuture<ChatResponse>> come(LlmClient client, int callers) {
    int before = home.node().requests().size();
    List<CompletableFuture<ChatResponse>> calls = new ArrayList<>();
    for (int i = 0; i < callers; i++) {
      calls.add(client.chatAsync(REQUEST));
    }
    awaitSoon(() -> home.node().requests().size() - before + done(calls) >= callers);
    return calls;
  }

  private static long done(List<CompletableFuture<ChatResponse>> calls) {
    return calls.stream().filter(CompletableFuture::isDone).count();
  }

  /** The server works through its queue, one answer after the other. */
  private void answers(int most, List<CompletableFuture<ChatResponse>> calls) {
    for (int i = 0; i < most && done(calls) < calls.size(); i++) {
      long before = done(calls);
      awaitSoon(home::isAnswering);
      time.advance(WORK);
      awaitSoon(() -> done(calls) > before);
    }
  }

  private static List<ChatResponse> from(
      String endpoint, List<CompletableFuture<ChatResponse>> calls) {
    return calls.stream()
        .map(CompletableFuture::join)
        .filter(response -> response.endpoint().equals(endpoint))
        .toList();
  }

  /** Sixty-four callers, of whom more than half wait for nothing. */
  private void overload(LlmClient client) {
    List<CompletableFuture<ChatResponse>> calls = come(client, 64);
    answers(IN_TIME, calls);
    time.advance(LIMIT.minus(WORK.multipliedBy(IN_TIME)));
    assertThat(from("home", calls)).hasSize(IN_TIME);
    assertThat(from("fallback", calls))
        .hasSize(64 - IN_TIME)
        .allSatisfy(
            response -> {
              assertThat(response.attempts().get(0).failure()).contains(FailureKind.OVERLOADED);
              assertThat(response.elapsed()).isGreaterThanOrEqualTo(LIMIT);
            });
    awaitSoon(() -> !home.isAnswering());
  }

  private List<String> logged() {
    return log.events().stream()
        .map(ILoggingEvent::getFormattedMessage)
        .filter(message -> message.contains("endpoint home") && message.contains("admitted"))
        .toList();
  }

  @Test
  void afterTheFirstCrowdTheExcessGoesOnAtOnce() {
    LlmClient client = nodes.client();
    overload(client);

    List<CompletableFuture<ChatResponse>> calls = come(client, 64);
    awaitSoon(() -> done(calls) == 64 - IN_TIME);
    answers(IN_TIME, calls);

    assertThat(from("fallback", calls))
        .hasSize(64 - IN_TIME)
        .allSatisfy(
            response -> {
              assertThat(response.elapsed()).isZero();
              assertThat(response.attempts().get(0).failure()).contains(FailureKind.BULKHEAD_FULL);
              assertThat(response.attempts().get(0).message())
                  .isEqualTo(
                      "overloaded: as many calls are in flight as it was seen to serve in time, 30");
            });
    assertThat(from("home", calls)).hasSize(IN_TIME);
    assertThat(logged())
        .containsExactly(
            "endpoint home is overloaded: at most 30 calls at a time are admitted, as many as it"
                + " was seen to serve within one call's timeout; others move on at once");
  }

  @Test
  void theStatusSaysSo() {
    LlmClient client = nodes.client();
    assertThat(client.status().endpoints().get(0).message()).isEmpty();

    overload(client);

    assertThat(client.status().endpoints().get(0).message())
        .isEqualTo("overloaded: 30 calls at a time are admitted");
    assertThat(client.status().toString()).contains("overloaded: 30 calls at a time are admitted");
  }

  @Test
  void aCallWithNowhereElseToGoWaitsForASlotAndIsNotLost() {
    LlmClient client = alone();
    // The limit of an only endpoint is 120 s, in which it serves 244.
    List<CompletableFuture<ChatResponse>> first = come(client, 250);
    answers(244, first);
    time.advance(Duration.ofSeconds(120).minus(WORK.multipliedBy(244)));
    awaitSoon(() -> done(first) == 250);
    awaitSoon(() -> !home.isAnswering());
    int before = home.node().requests().size();

    List<CompletableFuture<ChatResponse>> calls = new ArrayList<>();
    for (int i = 0; i < 250; i++) {
      calls.add(client.chatAsync(REQUEST.toBuilder().deadline(Duration.ofMinutes(5)).build()));
    }
    awaitSoon(() -> home.node().requests().size() - before >= 244);
    for (int i = 1; i <= 6; i++) {
      int come = 244 + i;
      answers(1, calls);
      awaitSoon(() -> home.node().requests().size() - before >= come);
    }
    answers(244, calls);

    assertThat(from("home", calls)).hasSize(250);
  }

  @Test
  void theNextCrowdsLoseNothingEither() {
    LlmClient client = nodes.client();
    overload(client);

    for (int crowd = 0; crowd < 3; crowd++) {
      List<CompletableFuture<ChatResponse>> calls = come(client, 64);
      awaitSoon(() -> done(calls) == 64 - IN_TIME);
      answers(IN_TIME, calls);
      assertThat(from("home", calls)).hasSize(IN_TIME);
      assertThat(from("fallback", calls)).allMatch(response -> response.elapsed().isZero());
    }
    assertThat(logged()).as("once for the episode").hasSize(1);
  }

  @Test
  void itEndsWhenForAMinuteNobodyWasTurnedAway() {
    LlmClient client = nodes.client();
    overload(client);
    time.advance(Duration.ofSeconds(61));
    answers(1, come(client, 1));

    assertThat(client.status().endpoints().get(0).message()).isEmpty();
    assertThat(logged())
        .hasSize(2)
        .last()
        .isEqualTo("endpoint home keeps up again: any number of calls is admitted");
    assertThat(come(client, 64)).noneMatch(CompletableFuture::isDone);
  }

  @Test
  void aStreamThatGoesOnIsBeingServedToo() throws Exception {
    Queue<Connection> begun = new ConcurrentLinkedQueue<>();
    Node slow =
        loopback.node(
            (connection, request) -> {
              begun.add(connection);
              connection.send(OllamaReplies.STREAM_HEAD + OllamaReplies.tokens("Dear "));
              connection.hang();
            });
    Node fallback = loopback.node(OllamaReplies.answering("FALLBACK"));
    LlmClient client =
        loopback.client(
            ClientInternals.builder(time)
                .endpoint(ollama("home", slow).stallTimeout(Duration.ofMinutes(5)).build())
                .endpoint(ollama("fallback", fallback).build()));
    try (ChatStream one = client.stream(REQUEST);
        ChatStream two = client.stream(REQUEST)) {
      Iterator<ChatEvent> ofOne = one.iterator();
      ofOne.next();
      two.iterator().next();
      slow.respondWith(OllamaReplies.hanging());
      CompletableFuture<ChatResponse> waits = client.chatAsync(REQUEST);
      awaitSoon(() -> slow.requests().size() == 3);
      CompletableFuture<ChatEvent> next = SocketReader.startReading(ofOne::next);
      time.advance(Duration.ofSeconds(14));
      begun.element().send(OllamaReplies.tokens("Zoë"));
      next.get();
      assertThat(waits).isNotDone();
      time.advance(Duration.ofSeconds(1));
      assertThat(waits.join().attempts().get(0).failure()).contains(FailureKind.OVERLOADED);
      awaitSoon(() -> !client.status().endpoints().get(0).message().isEmpty());

      assertThat(client.chat(REQUEST).elapsed()).isZero();
      assertThat(client.status().endpoints().get(0).message())
          .isEqualTo("overloaded: 2 calls at a time are admitted");
    }
  }

  @Test
  void aManagedEndpointIsLeftToItsOwnLimits() {
    LlmClient client = nodes.client(e -> e.locality(Locality.MANAGED));
    overload(client);

    assertThat(come(client, 64)).noneMatch(CompletableFuture::isDone);
    assertThat(logged()).isEmpty();
  }

  @Test
  void aMaxConcurrentThatIsLessIsWhatCounts() {
    LlmClient client = nodes.client(e -> e.maxConcurrent(31).maxWait(LIMIT));
    List<CompletableFuture<ChatResponse>> calls = come(client, 31);
    answers(IN_TIME, calls);
    time.advance(LIMIT.minus(WORK.multipliedBy(IN_TIME)));
    assertThat(from("fallback", calls)).as("one was overloaded").hasSize(1);
    assertThat(client.status().endpoints().get(0).message()).contains("30 calls");

    LlmClient small = nodes.client(e -> e.maxConcurrent(2));
    awaitSoon(() -> !home.isAnswering());
    List<CompletableFuture<ChatResponse>> two = come(small, 2);
    awaitSoon(home::isAnswering);
    assertThat(small.chat(REQUEST).attempts().get(0).message())
        .isEqualTo("all 2 slots of maxConcurrent are taken");
    answers(2, two);
  }
}
