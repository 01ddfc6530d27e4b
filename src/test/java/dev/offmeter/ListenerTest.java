// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import static dev.offmeter.testing.Loopback.ollama;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import dev.offmeter.observe.EndpointChange;
import dev.offmeter.observe.LlmListener;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.Replies;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.slf4j.LoggerFactory;
import org.slf4j.MDC;

/** Silent to the user, loud to the operator. */
@Timeout(20)
class ListenerTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private final List<String> events = new CopyOnWriteArrayList<>();
  private Node primary;
  private Node fallback;

  @BeforeEach
  void startNodes() {
    primary = loopback.node(Replies.answering("PRIMARY"));
    fallback = loopback.node(Replies.answering("FALLBACK"));
  }

  private LlmClient client(LlmListener listener) {
    return loopback.client(
        LlmClient.builder()
            .endpoint(ollama("primary", primary).build())
            .endpoint(ollama("fallback", fallback).build())
            .listener(listener));
  }

  @Test
  void aSimpleCallHasABeginningAndAnEnd() {
    client(new Recorder()).chat("a reminder");

    assertThat(events)
        .containsExactly(
            "1 started {}",
            "1 attempt primary primary-model",
            "1 ended primary -",
            "1 answered primary");
  }

  @Test
  void everyFallThroughIsAnEvent() {
    primary.behaves(Replies.status(530, "text/plain", "error code: 1033"));
    LlmClient client = client(new Recorder());
    client.chat(ChatRequest.builder().user("a reminder").tag("invoice", "1042").build());
    client.chat("a reminder");

    assertThat(events)
        .containsExactly(
            "1 started {invoice=1042}",
            "1 attempt primary primary-model",
            "1 ended primary TUNNEL_DOWN",
            "primary UP to DOWN TUNNEL_DOWN",
            "1 falls from primary to fallback",
            "1 attempt fallback fallback-model",
            "1 ended fallback -",
            "1 answered fallback",
            "2 started {}",
            "2 skipped primary CIRCUIT_OPEN",
            "2 falls from primary to fallback",
            "2 attempt fallback fallback-model",
            "2 ended fallback -",
            "2 answered fallback");
  }

  @Test
  void aCallThatFailsEndsToo() {
    primary.behaves(Replies.status(400, "", ""));
    fallback.behaves(Replies.status(400, "", ""));

    assertThatThrownBy(() -> client(new Recorder()).chat("a reminder"))
        .isInstanceOf(AllEndpointsFailedException.class);

    assertThat(events).endsWith("1 ended fallback BAD_REQUEST", "1 failed 2");
  }

  @Test
  void aCancelledCallEndsToo() throws Exception {
    primary.behaves(Replies.hanging());
    LlmClient client = client(new Recorder());
    CompletableFuture<ChatResponse> call =
        client.chatAsync(ChatRequest.builder().user("a reminder").build());
    primary.awaitAsked();
    client.close();
    assertThatThrownBy(call::get).hasCauseExactlyInstanceOf(LlmException.class);

    assertThat(events).endsWith("1 ended primary CANCELLED", "1 failed 1");
  }

  @Test
  void aListenerThatThrowsHarmsNobody() {
    LlmListener broken =
        new LlmListener() {
          @Override
          public void callStarted(long call, Map<String, String> tags) {
            throw new IllegalStateException("broken");
          }

          @Override
          public void attemptEnded(long call, Attempt attempt) {
            throw new IllegalStateException("broken");
          }

          @Override
          public void callAnswered(long call, ChatResponse response) {
            throw new NoSuchMethodError("another version of SLF4J");
          }
        };
    LlmClient client = loopback.client(client(broken).toBuilder().listener(new Recorder()));

    assertThat(client.chat("a reminder").text()).isEqualTo("PRIMARY");
    assertThat(events).hasSize(4);
  }

  @Test
  void theLogWarnsOnceAStateChangesAndWhispersTheRest() {
    Logger logger = (Logger) LoggerFactory.getLogger("dev.offmeter");
    ListAppender<ILoggingEvent> log = new ListAppender<>();
    log.start();
    logger.addAppender(log);
    logger.setAdditive(false);
    logger.setLevel(Level.DEBUG);
    try {
      primary.behaves(Replies.status(530, "text/plain", "error code: 1033"));
      LlmClient client = client(new LlmListener() {});
      for (int i = 0; i < 5; i++) {
        client.chat("a reminder");
      }
    } finally {
      logger.detachAppender(log);
      logger.setLevel(null);
      logger.setAdditive(true);
    }

    assertThat(log.list)
        .filteredOn(event -> event.getLevel() == Level.WARN)
        .singleElement()
        .satisfies(
            event ->
                assertThat(event.getFormattedMessage())
                    .contains("endpoint primary is DOWN")
                    .contains("TUNNEL_DOWN")
                    .contains("asked again in"));
    assertThat(log.list)
        .filteredOn(event -> event.getFormattedMessage().contains("falls through"))
        .hasSize(5)
        .allMatch(event -> event.getLevel() == Level.DEBUG);
  }

  @Test
  void anAsynchronousCallKeepsTheCallersLogContext() throws Exception {
    MDC.put("order", "77");
    try {
      LlmClient client =
          client(
              new LlmListener() {
                @Override
                public void callAnswered(long call, ChatResponse response) {
                  events.add(MDC.get("order"));
                }
              });
      client.chatAsync(ChatRequest.builder().user("a reminder").build()).get();
    } finally {
      MDC.clear();
    }
    assertThat(events).containsExactly("77");
  }

  @Test
  void theRegistriesHoldOneOfEachPerEndpoint() {
    LlmClient client = client(new LlmListener() {});
    client.chat("a reminder");

    assertThat(client.gates().circuitBreakers().getAllCircuitBreakers())
        .extracting(io.github.resilience4j.circuitbreaker.CircuitBreaker::getName)
        .containsExactlyInAnyOrder("primary", "fallback");
    assertThat(client.gates().bulkheads().getAllBulkheads()).hasSize(2);
    assertThat(client.gates().timeLimiters().getAllTimeLimiters()).hasSize(2);
    assertThat(
            client
                .gates()
                .circuitBreakers()
                .circuitBreaker("primary")
                .getMetrics()
                .getNumberOfSuccessfulCalls())
        .isOne();
  }

  private final class Recorder implements LlmListener {
    @Override
    public void callStarted(long call, Map<String, String> tags) {
      events.add(call + " started " + tags);
    }

    @Override
    public void attemptStarted(long call, String endpoint, String model) {
      events.add(call + " attempt " + endpoint + " " + model);
    }

    @Override
    public void attemptEnded(long call, Attempt attempt) {
      events.add(call + " ended " + attempt.endpoint() + " " + kind(attempt));
    }

    @Override
    public void attemptSkipped(long call, Attempt attempt) {
      events.add(call + " skipped " + attempt.endpoint() + " " + kind(attempt));
    }

    @Override
    public void fellThrough(long call, Attempt attempt, String next) {
      events.add(call + " falls from " + attempt.endpoint() + " to " + next);
    }

    @Override
    public void callAnswered(long call, ChatResponse response) {
      events.add(call + " answered " + response.endpoint());
    }

    @Override
    public void callFailed(long call, LlmException exception) {
      events.add(call + " failed " + exception.attempts().size());
    }

    @Override
    public void endpointChanged(EndpointChange change) {
      events.add(
          change.endpoint() + " " + change.from() + " to " + change.to() + " " + change.cause());
    }

    private String kind(Attempt attempt) {
      return attempt.failure().map(Enum::name).orElse("-");
    }
  }
}
