// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.observe;

import static dev.offmeter.testing.Loopback.awaitSoon;
import static java.util.concurrent.TimeUnit.SECONDS;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import dev.offmeter.AllEndpointsFailedException;
import dev.offmeter.Attempt;
import dev.offmeter.ChatEvent;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ChatStream;
import dev.offmeter.ClientInternals;
import dev.offmeter.Endpoint;
import dev.offmeter.LlmClient;
import dev.offmeter.LlmException;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.TwoNodes;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Flow;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import okhttp3.OkHttpClient;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.slf4j.LoggerFactory;
import org.slf4j.MDC;

/** Silent to the user, loud to the operator. */
@Timeout(20)
class LlmListenerTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private final List<String> events = new CopyOnWriteArrayList<>();
  private final TwoNodes nodes = TwoNodes.inRealTime(loopback);
  private final Node primary = nodes.primary();
  private final Node fallback = nodes.fallback();

  private LlmClient client(LlmListener listener) {
    return loopback.client(nodes.builder().listener(listener));
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
  void everyFallbackIsAnEvent() {
    primary.respondWith(OllamaReplies.status(530, "text/plain", "error code: 1033"));
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
    primary.respondWith(OllamaReplies.status(400, "", ""));
    fallback.respondWith(OllamaReplies.status(400, "", ""));

    assertThatThrownBy(() -> client(new Recorder()).chat("a reminder"))
        .isInstanceOf(AllEndpointsFailedException.class);

    assertThat(events).endsWith("1 ended fallback BAD_REQUEST", "1 failed 2");
  }

  @Test
  void aCancelledCallEndsToo() throws Exception {
    primary.respondWith(OllamaReplies.hanging());
    LlmClient client = client(new Recorder());
    CompletableFuture<ChatResponse> call =
        client.chatAsync(ChatRequest.builder().user("a reminder").build());
    primary.awaitFirstRequest();
    client.close();
    assertThatThrownBy(call::get).hasCauseExactlyInstanceOf(LlmException.class);

    assertThat(events).endsWith("1 ended primary CANCELLED", "1 failed 1");
  }

  @Test
  void aListenerThatThrowsHarmsNobody() {
    LlmListener broken =
        new LlmListener() {
          @Override
          public void onCallStarted(long call, Map<String, String> tags) {
            throw new IllegalStateException("broken");
          }

          @Override
          public void onAttemptEnded(long call, Attempt attempt) {
            throw new IllegalStateException("broken");
          }

          @Override
          public void onCallAnswered(long call, ChatResponse response) {
            throw new NoSuchMethodError("another version of SLF4J");
          }
        };
    LlmClient client = loopback.client(client(broken).toBuilder().listener(new Recorder()));

    assertThat(client.chat("a reminder").text()).isEqualTo("PRIMARY");
    assertThat(events).hasSize(4);
  }

  @Test
  void aClientNotifiesTheListenerThatIsMadeForIt() {
    client(
            new LlmListener() {
              @Override
              public LlmListener forClient() {
                return new Recorder();
              }
            })
        .chat("a reminder");

    assertThat(events).hasSize(4).endsWith("1 answered primary");
  }

  @Test
  void aListenerThatThrowsWhenItIsMadeOrGivesAContextHarmsNobody() {
    LlmListener broken =
        new LlmListener() {
          @Override
          public LlmListener forClient() {
            throw new IllegalStateException("broken");
          }

          @Override
          public UnaryOperator<Runnable> captureContext() {
            return task ->
                () -> {
                  throw new IllegalStateException("broken");
                };
          }

          @Override
          public Scope openScope(long call, String endpoint) {
            return () -> {
              throw new IllegalStateException("broken");
            };
          }

          @Override
          public void onCallAnswered(long call, ChatResponse response) {
            events.add("notified all the same");
          }
        };

    assertThat(client(broken).chatAsync("a reminder").orTimeout(9, SECONDS).join().text())
        .isEqualTo("PRIMARY");
    assertThat(events).containsExactly("notified all the same");
  }

  @Test
  @SuppressWarnings("NullAway") // As a listener in Java or Kotlin may do that knows no NullAway.
  void aListenerWithoutAScopeHarmsNobody() {
    LlmListener broken =
        new LlmListener() {
          @Override
          public Scope openScope(long call, String endpoint) {
            return null;
          }
        };
    LlmListener other =
        new LlmListener() {
          @Override
          public Scope openScope(long call, String endpoint) {
            return () -> events.add("closed");
          }
        };
    LlmClient client = loopback.client(nodes.builder().listener(other).listener(broken));

    assertThat(client.chat("a reminder").text()).isEqualTo("PRIMARY");
    assertThat(events).containsExactly("closed");
  }

  @Test
  void aScopeIsOpenWhileARequestIsSentAndIsClosedOnItsThread() {
    Map<Thread, String> open = new ConcurrentHashMap<>();
    OkHttpClient http =
        new OkHttpClient.Builder()
            .addInterceptor(
                chain -> {
                  events.add("sent in " + open.get(Thread.currentThread()));
                  return chain.proceed(chain.request());
                })
            .build();
    LlmListener scopes =
        new LlmListener() {
          @Override
          public Scope openScope(long call, String endpoint) {
            open.put(Thread.currentThread(), call + " " + endpoint);
            return () -> events.add("closed " + open.remove(Thread.currentThread()));
          }
        };
    primary.respondWith(OllamaReplies.status(401, "", ""));

    loopback.client(nodes.builder().httpClient(http).listener(scopes)).chat("a reminder");

    assertThat(events)
        .containsExactly(
            "sent in 1 primary", "closed 1 primary", "sent in 1 fallback", "closed 1 fallback");
    assertThat(open).isEmpty();
  }

  /** A client whose primary is as silent as one that is long in loading its model. */
  private LlmClient clientThatTakesThePrimaryForCold(ManualTime time, Runnable heard)
      throws Exception {
    primary.respondWith(OllamaReplies.hanging());
    primary.respondToProbesWith(
        OllamaReplies.probes(OllamaReplies.hanging(), "primary-model:latest"));
    LlmClient client =
        loopback.client(
            ClientInternals.withTime(
                client(hearing(EndpointState.WARMING, heard)).toBuilder(), time));
    CompletableFuture<ChatResponse> call =
        client.chatAsync(ChatRequest.builder().user("a reminder").build());
    primary.awaitFirstRequest();
    time.advance(Duration.ofSeconds(15));
    assertThat(call.get().endpoint()).isEqualTo("fallback");
    // Only the clock that watches the load is left.
    awaitSoon(() -> time.pendingTasks() == 1);
    fallback.respondWith(OllamaReplies.hanging());
    return client;
  }

  private static LlmListener hearing(EndpointState state, Runnable heard) {
    return new LlmListener() {
      @Override
      public void onEndpointChanged(EndpointChange change) {
        if (change.to() == state) {
          heard.run();
        }
      }
    };
  }

  /** A wait for which no time is left ends as soon as somebody looks at the clock. */
  private static void goesOnUntil(ManualTime time, BooleanSupplier over) {
    awaitSoon(
        () -> {
          time.advance(Duration.ZERO);
          return over.getAsBoolean();
        });
  }

  private static ChatRequest hurried() {
    return ChatRequest.builder().user("now").deadline(Duration.ofMillis(500)).build();
  }

  @Test
  void aListenerThatIsSlowToHearOfALoadStopsNoClock() throws Exception {
    ManualTime time = loopback.manualTime();
    CountDownLatch hearing = new CountDownLatch(1);
    CountDownLatch heard = new CountDownLatch(1);
    LlmClient client =
        clientThatTakesThePrimaryForCold(
            time,
            () -> {
              hearing.countDown();
              awaitQuietly(heard);
            });
    time.advance(Duration.ofSeconds(2));
    hearing.await();
    CompletableFuture<ChatResponse> call = client.chatAsync(hurried());
    awaitSoon(() -> fallback.requests().size() == 2);

    time.advance(Duration.ofMillis(500));
    goesOnUntil(time, call::isDone);

    assertThatThrownBy(call::get).hasCauseInstanceOf(AllEndpointsFailedException.class);
    heard.countDown();
  }

  @Test
  void aListenerThatHearsOfALoadMayCallTheClient() throws Exception {
    ManualTime time = loopback.manualTime();
    CompletableFuture<LlmClient> made = new CompletableFuture<>();
    CompletableFuture<Throwable> ended = new CompletableFuture<>();
    made.complete(
        clientThatTakesThePrimaryForCold(
            time, () -> ended.complete(catchThrowable(() -> made.join().chat(hurried())))));

    time.advance(Duration.ofSeconds(2));
    awaitSoon(() -> fallback.requests().size() == 2);
    time.advance(Duration.ofMillis(500));
    goesOnUntil(time, ended::isDone);

    assertThat(ended.get()).isInstanceOf(AllEndpointsFailedException.class);
  }

  @Test
  void whatOneListenerDoesChangesNoOrderForTheNext() {
    ManualTime time = loopback.manualTime();
    primary.respondWith(OllamaReplies.status(530, "text/plain", "error code: 1033"));
    CompletableFuture<LlmClient> made = new CompletableFuture<>();
    Runnable sendsWhatHasPiledUp =
        () -> {
          primary.respondWith(OllamaReplies.status(429, "", "", "Retry-After: 60"));
          made.join().chat("a reminder");
        };
    LlmClient.Builder builder = client(hearing(EndpointState.UP, sendsWhatHasPiledUp)).toBuilder();
    LlmClient client =
        loopback.client(ClientInternals.withTime(builder.listener(new Recorder()), time));
    made.complete(client);
    client.chat("a reminder");
    time.advance(Duration.ofSeconds(18));
    primary.respondWith(OllamaReplies.answering("PRIMARY"));
    assertThat(client.chat("a reminder").endpoint()).isEqualTo("primary");

    assertThat(events)
        .filteredOn(event -> event.startsWith("primary "))
        .containsExactly(
            "primary UP to DOWN TUNNEL_DOWN",
            "primary DOWN to TRIAL TUNNEL_DOWN",
            "primary TRIAL to UP null",
            "primary UP to DOWN RATE_LIMITED");
  }

  private static void awaitQuietly(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void theLogWarnsWhenAStateChangesAndLogsTheRestAtDebug() {
    Logger logger = (Logger) LoggerFactory.getLogger("dev.offmeter");
    ListAppender<ILoggingEvent> log = new ListAppender<>();
    log.start();
    logger.addAppender(log);
    logger.setAdditive(false);
    logger.setLevel(Level.DEBUG);
    try {
      primary.respondWith(OllamaReplies.status(530, "text/plain", "error code: 1033"));
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
                    .contains("endpoint primary at " + primary.url() + " is DOWN")
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
                public void onCallAnswered(long call, ChatResponse response) {
                  events.add(MDC.get("order"));
                }
              });
      client.chatAsync(ChatRequest.builder().user("a reminder").build()).get();
    } finally {
      MDC.clear();
    }
    assertThat(events).containsExactly("77");
  }

  /** Notes the order that the log would have, at the end of each call. */
  private LlmClient clientOfOrders() {
    return client(
        new LlmListener() {
          @Override
          public void onCallAnswered(long call, ChatResponse response) {
            events.add(String.valueOf(MDC.get("order")));
          }
        });
  }

  private static <T> T inOrder(String order, Supplier<T> work) {
    MDC.put("order", order);
    try {
      return work.get();
    } finally {
      MDC.clear();
    }
  }

  @Test
  void aPublishedCallKeepsTheLogContextOfTheThreadThatPublished() throws Exception {
    ChatRequest request = ChatRequest.builder().user("a reminder").build();
    LlmClient client = clientOfOrders();
    Flow.Publisher<ChatEvent> published = inOrder("77", () -> client.publish(request));

    CompletableFuture<Boolean> whole = new CompletableFuture<>();
    inOrder(
        "78",
        () -> {
          published.subscribe(new ToItsEnd(whole));
          return whole.join();
        });

    assertThat(events).containsExactly("77");
  }

  private record ToItsEnd(CompletableFuture<Boolean> whole) implements Flow.Subscriber<ChatEvent> {
    @Override
    public void onSubscribe(Flow.Subscription subscription) {
      subscription.request(Long.MAX_VALUE);
    }

    @Override
    public void onNext(ChatEvent event) {}

    @Override
    public void onError(Throwable thrown) {
      whole.completeExceptionally(thrown);
    }

    @Override
    public void onComplete() {
      whole.complete(true);
    }
  }

  @Test
  void aStreamHasTheLogContextOfItsReader() {
    LlmClient client = clientOfOrders();
    try (ChatStream stream = inOrder("77", () -> client.stream("a reminder"))) {
      String text = inOrder("78", () -> stream.response().text());
      assertThat(text).isEqualTo("PRIMARY");
    }

    assertThat(events).containsExactly("78");
  }

  @Test
  void aFunctionRunsWithoutALogContext() {
    Endpoint function = Endpoint.local("f", request -> String.valueOf(MDC.get("order"))).build();
    LlmClient client = loopback.client(LlmClient.builder().endpoint(function));

    assertThat(inOrder("77", () -> client.chat("a reminder").text())).isEqualTo("null");
  }

  @Test
  void theRegistriesHoldOneOfEachPerEndpoint() {
    LlmClient client = client(new LlmListener() {});
    client.chat("a reminder");

    assertThat(client.resilience4j().circuitBreakers().getAllCircuitBreakers())
        .extracting(io.github.resilience4j.circuitbreaker.CircuitBreaker::getName)
        .containsExactlyInAnyOrder("primary", "fallback");
    assertThat(client.resilience4j().bulkheads().getAllBulkheads()).hasSize(2);
    assertThat(client.resilience4j().timeLimiters().getAllTimeLimiters()).hasSize(2);
    assertThat(
            client
                .resilience4j()
                .circuitBreakers()
                .circuitBreaker("primary")
                .getMetrics()
                .getNumberOfSuccessfulCalls())
        .isOne();
  }

  private final class Recorder implements LlmListener {
    @Override
    public void onCallStarted(long call, Map<String, String> tags) {
      events.add(call + " started " + tags);
    }

    @Override
    public void onAttemptStarted(long call, String endpoint, String model) {
      events.add(call + " attempt " + endpoint + " " + model);
    }

    @Override
    public void onAttemptEnded(long call, Attempt attempt) {
      events.add(call + " ended " + attempt.endpoint() + " " + kind(attempt));
    }

    @Override
    public void onAttemptSkipped(long call, Attempt attempt) {
      events.add(call + " skipped " + attempt.endpoint() + " " + kind(attempt));
    }

    @Override
    public void onFallback(long call, Attempt attempt, String next) {
      events.add(call + " falls from " + attempt.endpoint() + " to " + next);
    }

    @Override
    public void onCallAnswered(long call, ChatResponse response) {
      events.add(call + " answered " + response.endpoint());
    }

    @Override
    public void onCallFailed(long call, LlmException exception) {
      events.add(call + " failed " + exception.attempts().size());
    }

    @Override
    public void onEndpointChanged(EndpointChange change) {
      events.add(
          change.endpoint() + " " + change.from() + " to " + change.to() + " " + change.cause());
    }

    private String kind(Attempt attempt) {
      return attempt.failure().map(Enum::name).orElse("-");
    }
  }
}
