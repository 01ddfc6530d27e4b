// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.failover;

import static dev.offmeter.testing.Loopback.awaitSoon;
import static dev.offmeter.testing.Loopback.ollama;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.offmeter.Attempt;
import dev.offmeter.ChatEvent;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ChatStream;
import dev.offmeter.ClientInternals;
import dev.offmeter.Endpoint;
import dev.offmeter.LlmClient;
import dev.offmeter.LlmException;
import dev.offmeter.observe.LlmListener;
import dev.offmeter.testing.Connection;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import java.io.IOException;
import java.lang.ref.WeakReference;
import java.time.Duration;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BiConsumer;
import java.util.stream.Stream;
import okhttp3.OkHttpClient;
import okhttp3.Response;
import okhttp3.ResponseBody;
import okio.ForwardingSource;
import okio.Okio;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Closing a client, stream or call takes effect at once, on any thread, whatever the server does.
 */
@Timeout(20)
class CloseTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private static final ChatRequest REQUEST = ChatRequest.builder().user("a reminder").build();
  private static final String WHOLE =
      OllamaReplies.STREAM_HEAD + OllamaReplies.tokens("WHOLE") + OllamaReplies.end("stop", 1);

  /** Sends a beginning, and then a byte now and then for ever. */
  private static Node.Script trickling(String beginning) {
    return (connection, request) -> {
      connection.send(beginning);
      while (true) {
        connection.send(OllamaReplies.chunk(" "));
        pause(connection);
      }
    };
  }

  private static void pause(Connection connection) throws IOException {
    try {
      boolean unused = new CountDownLatch(1).await(2, TimeUnit.MILLISECONDS);
    } catch (InterruptedException e) {
      throw new IOException(e);
    }
  }

  /** The times for which OkHttp may still read when the body of a reply is closed. */
  private final List<Duration> patience = new CopyOnWriteArrayList<>();

  private OkHttpClient watching() {
    return new OkHttpClient.Builder()
        .addInterceptor(chain -> watched(chain.proceed(chain.request())))
        .build();
  }

  private Response watched(Response response) {
    ResponseBody body = response.body();
    ForwardingSource source =
        new ForwardingSource(body.source()) {
          @Override
          public void close() throws IOException {
            long until = timeout().hasDeadline() ? timeout().deadlineNanoTime() : Long.MAX_VALUE;
            patience.add(Duration.ofNanos(until - System.nanoTime()));
            super.close();
          }
        };
    return response
        .newBuilder()
        .body(ResponseBody.create(Okio.buffer(source), body.contentType(), -1))
        .build();
  }

  @Test
  void aReplyWhoseAnswerIsWholeIsNotReadOnForLong() {
    Node node = loopback.node(trickling(WHOLE));
    LlmClient client =
        loopback.client(
            LlmClient.builder().httpClient(watching()).endpoint(ollama("only", node).build()));

    assertThat(client.chat(REQUEST).text()).isEqualTo("WHOLE");

    assertThat(patience)
        .isNotEmpty()
        .allSatisfy(left -> assertThat(left).isLessThanOrEqualTo(Duration.ofMillis(25)));
    awaitSoon(() -> node.openConnections() == 0);
  }

  @Test
  void aConnectionWhoseReplyEndsAtOnceIsKept() {
    Node node = loopback.node(OllamaReplies.answering("WHOLE"));
    LlmClient client = loopback.client(LlmClient.builder().endpoint(ollama("o", node).build()));

    client.chat(REQUEST);
    client.chat(REQUEST);

    assertThat(node.openConnections()).isOne();
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void aStreamIsClosedByAnyThreadAndTwice(boolean byAnother) throws Exception {
    Node node = loopback.node(trickling(OllamaReplies.STREAM_HEAD + OllamaReplies.tokens("x")));
    LlmClient client = loopback.client(LlmClient.builder().endpoint(ollama("o", node).build()));
    ChatStream stream = client.stream(REQUEST);
    Iterator<ChatEvent> events = stream.iterator();
    events.next();

    if (byAnother) {
      Thread other = new Thread(stream::close);
      other.start();
      assertThatThrownBy(events::next).isInstanceOf(LlmException.class);
      other.join();
    }
    stream.close();
    stream.close();

    awaitSoon(() -> node.openConnections() == 0);
    assertThat(ClientInternals.activeCalls(client)).isZero();
  }

  static Stream<BiConsumer<AtomicReference<LlmClient>, LlmClient.Builder>> callbacks() {
    return Stream.of(
        (client, builder) ->
            builder.listener(
                new LlmListener() {
                  @Override
                  public void onAttemptStarted(long call, String endpoint, String model) {
                    client.get().close();
                  }
                }),
        (client, builder) ->
            builder.listener(
                new LlmListener() {
                  @Override
                  public void onAttemptEnded(long call, Attempt attempt) {
                    client.get().close();
                  }
                }),
        (client, builder) ->
            builder.httpClient(
                new OkHttpClient.Builder()
                    .addInterceptor(
                        chain -> {
                          client.get().close();
                          return chain.proceed(chain.request());
                        })
                    .build()),
        (client, builder) ->
            builder.defaults(
                request ->
                    request.accept(
                        answer -> {
                          client.get().close();
                          return Optional.of("closed");
                        })));
  }

  @ParameterizedTest
  @MethodSource("callbacks")
  void aClientIsClosedFromWithinACallback(
      BiConsumer<AtomicReference<LlmClient>, LlmClient.Builder> callback) {
    Node node = loopback.node(OllamaReplies.answering("ANSWER"));
    AtomicReference<LlmClient> itself = new AtomicReference<>();
    LlmClient.Builder builder =
        LlmClient.builder()
            .endpoint(ollama("first", node).build())
            .endpoint(
                Endpoint.local(
                        "template",
                        request -> {
                          itself.get().close();
                          return "TEMPLATE";
                        })
                    .build());
    callback.accept(itself, builder);
    LlmClient client = loopback.client(builder);
    itself.set(client);

    Throwable thrown = catchThrowable(() -> client.chat(REQUEST));

    assertThat(thrown == null || thrown instanceof LlmException).as("%s", thrown).isTrue();
    assertThat(ClientInternals.activeCalls(client)).isZero();
    client.close();
    assertThatThrownBy(() -> client.chat(REQUEST)).isInstanceOf(IllegalStateException.class);
  }

  @Test
  void aClientThatIsClosedWhileAReplyTricklesWaitsForNothing() {
    Node node = loopback.node(trickling(OllamaReplies.STREAM_HEAD + OllamaReplies.tokens("x")));
    LlmClient client = loopback.client(LlmClient.builder().endpoint(ollama("o", node).build()));
    CompletableFuture<ChatResponse> call = client.chatAsync(REQUEST);
    awaitSoon(() -> node.activeCalls() == 1);

    client.close();
    client.close();

    assertThatThrownBy(call::join).hasCauseInstanceOf(LlmException.class);
    awaitSoon(() -> node.openConnections() == 0);
  }

  /** Timers hold their client weakly, and end with it. */
  @Test
  void aClientThatIsDroppedWithoutCloseLeavesNoTimer() {
    ManualTime time = loopback.manualTime();
    String lastOfAll = WHOLE.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    Node node = loopback.node((connection, request) -> connection.send(lastOfAll + "0\r\n\r\n"));
    node.respondToProbesWith(OllamaReplies.probes(OllamaReplies.loadCompleted(), "home-model"));
    ExecutorService workers = Executors.newCachedThreadPool();
    WeakReference<LlmClient> dropped = usedAndDropped(node, time, workers);

    awaitSoon(
        () -> {
          System.gc();
          return dropped.get() == null;
        });
    time.advance(Duration.ofMinutes(10));

    assertThat(time.isEmpty()).isTrue();
    workers.shutdown();
  }

  private static WeakReference<LlmClient> usedAndDropped(
      Node node, ManualTime time, ExecutorService workers) {
    LlmClient client =
        ClientInternals.withWorkers(ClientInternals.builder(time), workers)
            .endpoint(Endpoint.ollama("down", Loopback.unusedUrl()).model("m").build())
            .endpoint(ollama("home", node).keepWarm(true).build())
            .build();
    assertThat(client.chat(REQUEST).text()).isEqualTo("WHOLE");
    awaitSoon(client.warmUp()::isDone);
    assertThat(time.isEmpty()).as("it has timers").isFalse();
    return new WeakReference<>(client);
  }
}
