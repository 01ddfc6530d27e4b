// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.failover;

import static dev.offmeter.testing.Loopback.ollama;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.awaitility.Awaitility.await;

import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.LlmException;
import dev.offmeter.testing.InterruptibleCaller;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.net.SocketAddress;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import javax.net.SocketFactory;
import okhttp3.OkHttpClient;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A call that is ended from outside leaves nothing behind. */
@Timeout(20)
class CancellationTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private static final ChatRequest REQUEST = ChatRequest.builder().user("draft a reminder").build();

  private LlmClient over(Node... nodes) {
    LlmClient.Builder builder = LlmClient.builder();
    for (int i = 0; i < nodes.length; i++) {
      builder.endpoint(ollama("node-" + i, nodes[i]).build());
    }
    return loopback.client(builder);
  }

  private static void assertSocketClosesWithinASecond(Node node) {
    await().atMost(Duration.ofSeconds(1)).until(() -> node.openConnections() == 0);
  }

  @ParameterizedTest
  @ValueSource(strings = {"", OllamaReplies.STREAM_HEAD})
  void anInterruptEndsTheCallAtOnce(String sentBefore) throws Exception {
    CountDownLatch sent = new CountDownLatch(1);
    Node primary =
        loopback.node(
            (connection, request) -> {
              connection.send(sentBefore);
              sent.countDown();
              connection.hang();
            });
    Node fallback = loopback.node(OllamaReplies.answering("never to be asked"));
    LlmClient client = over(primary, fallback);
    InterruptibleCaller caller = InterruptibleCaller.start(client, REQUEST);
    sent.await();

    caller.interrupt();

    assertThat(caller.thrown())
        .isExactlyInstanceOf(LlmException.class)
        .hasMessage("the call was stopped: the calling thread was interrupted");
    assertThat(((LlmException) caller.thrown()).attempts())
        .singleElement()
        .satisfies(attempt -> assertThat(attempt.failure()).contains(FailureKind.CANCELLED));
    assertThat(caller.isInterruptFlagSet()).as("interrupt flag").isTrue();
    assertThat(fallback.requests()).isEmpty();
    assertSocketClosesWithinASecond(primary);
  }

  @Test
  void aThreadInterruptedBeforehandAsksNobody() {
    Node primary = loopback.node(OllamaReplies.answering("never to be asked"));
    LlmClient client = over(primary);

    Thread.currentThread().interrupt();
    Throwable thrown = catchThrowable(() -> client.chat(REQUEST));

    assertThat(Thread.interrupted()).isTrue();
    assertThat(thrown).isExactlyInstanceOf(LlmException.class);
    assertThat(primary.requests()).isEmpty();
  }

  @Test
  void anInterruptEndsALocalFunctionToo() throws Exception {
    CountDownLatch running = new CountDownLatch(1);
    CountDownLatch interrupted = new CountDownLatch(1);
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .endpoint(
                    Endpoint.local("slow", r -> waitForInterrupt(running, interrupted)).build()));
    InterruptibleCaller caller = InterruptibleCaller.start(client, REQUEST);
    running.await();

    caller.interrupt();

    assertThat(caller.thrown()).isExactlyInstanceOf(LlmException.class);
    assertThat(interrupted.await(1, TimeUnit.SECONDS)).isTrue();
  }

  private static String waitForInterrupt(CountDownLatch running, CountDownLatch interrupted) {
    running.countDown();
    try {
      new CountDownLatch(1).await();
    } catch (InterruptedException e) {
      interrupted.countDown();
    }
    return "too late";
  }

  @Test
  void anInterruptEndsTheWaitForAConnection() throws Exception {
    CountDownLatch connecting = new CountDownLatch(1);
    CountDownLatch forEver = new CountDownLatch(1);
    SocketFactory slow =
        new TestSockets(
            () ->
                new Socket() {
                  @Override
                  public void connect(SocketAddress address, int timeout) throws IOException {
                    connecting.countDown();
                    try {
                      forEver.await();
                    } catch (InterruptedException e) {
                      throw new IOException(e);
                    }
                  }
                });
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .httpClient(new OkHttpClient.Builder().socketFactory(slow).build())
                .endpoint(Endpoint.ollama("far", "http://127.0.0.1:1").model("m").build()));
    InterruptibleCaller caller = InterruptibleCaller.start(client, REQUEST);
    connecting.await();
    caller.interrupt();
    forEver.countDown();

    assertThat(caller.thrown()).isExactlyInstanceOf(LlmException.class);
    assertThat(caller.isInterruptFlagSet()).isTrue();
  }

  /** Sockets from a supplier, for OkHttp, which asks for unconnected ones only. */
  private static final class TestSockets extends SocketFactory {
    private final Supplier<Socket> sockets;

    TestSockets(Supplier<Socket> sockets) {
      this.sockets = sockets;
    }

    @Override
    public Socket createSocket() {
      return sockets.get();
    }

    @Override
    public Socket createSocket(String host, int port) {
      throw new AssertionError("not asked for");
    }

    @Override
    public Socket createSocket(String host, int port, InetAddress local, int localPort) {
      throw new AssertionError("not asked for");
    }

    @Override
    public Socket createSocket(InetAddress host, int port) {
      throw new AssertionError("not asked for");
    }

    @Override
    public Socket createSocket(InetAddress host, int port, InetAddress local, int localPort) {
      throw new AssertionError("not asked for");
    }
  }

  @Test
  void cancellingTheFutureClosesTheConnection() throws Exception {
    Node primary = loopback.node(OllamaReplies.hanging());
    Node fallback = loopback.node(OllamaReplies.answering("never to be asked"));
    CompletableFuture<ChatResponse> future = over(primary, fallback).chatAsync(REQUEST);
    primary.awaitFirstRequest();

    future.cancel(true);

    assertSocketClosesWithinASecond(primary);
    assertThat(fallback.requests()).isEmpty();
  }

  @Test
  void aTimeoutOnTheFutureClosesTheConnection() {
    Node primary = loopback.node(OllamaReplies.hanging());
    CompletableFuture<ChatResponse> future =
        over(primary).chatAsync(REQUEST).orTimeout(100, TimeUnit.MILLISECONDS);

    assertThatThrownBy(future::get).isInstanceOf(ExecutionException.class);
    assertSocketClosesWithinASecond(primary);
  }

  @Test
  void anAsynchronousCallAnswersLikeAnyOther() throws Exception {
    Node primary = loopback.node(OllamaReplies.status(500, "", ""));
    Node fallback = loopback.node(OllamaReplies.answering("FALLBACK"));

    assertThat(over(primary, fallback).chatAsync(REQUEST).get().text()).isEqualTo("FALLBACK");
  }

  @Test
  void closingTheClientEndsItsCalls() throws Exception {
    Node primary = loopback.node(OllamaReplies.hanging());
    LlmClient client = over(primary);
    CompletableFuture<ChatResponse> future = client.chatAsync(REQUEST);
    primary.awaitFirstRequest();

    client.close();

    assertThatThrownBy(future::get)
        .hasCauseExactlyInstanceOf(LlmException.class)
        .hasMessageContaining("the client was closed");
    assertSocketClosesWithinASecond(primary);
  }

  @Test
  void aClosedClientTakesNoCalls() {
    Node primary = loopback.node(OllamaReplies.answering("never to be asked"));
    LlmClient client = over(primary);
    client.close();
    client.close();

    assertThatThrownBy(() -> client.chat("hello"))
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("the client must be open, was closed");
    assertThatThrownBy(() -> client.chatAsync(REQUEST)).isInstanceOf(IllegalStateException.class);
    assertThat(primary.requests()).isEmpty();
  }

  @Test
  void aNameServerThatHangsCostsTheConnectTimeout() {
    CountDownLatch forEver = new CountDownLatch(1);
    OkHttpClient hangingDns =
        new OkHttpClient.Builder()
            .dns(
                host -> {
                  try {
                    forEver.await();
                  } catch (InterruptedException e) {
                    // A real resolver would not even notice.
                  }
                  return List.of(InetAddress.getLoopbackAddress());
                })
            .build();
    Node fallback = loopback.node(OllamaReplies.answering("FALLBACK"));
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .httpClient(hangingDns)
                .endpoint(
                    Endpoint.ollama("primary", "http://mac-mini.example:11434")
                        .model("m")
                        .connectTimeout(Duration.ofMillis(100))
                        .build())
                .endpoint(ollama("fallback", fallback).build()));

    ChatResponse response = client.chat(REQUEST);

    assertThat(response.text()).isEqualTo("FALLBACK");
    assertThat(response.attempts().get(0).failure()).contains(FailureKind.CONNECT_TIMEOUT);
    assertThat(response.elapsed()).isLessThan(Duration.ofSeconds(2));
    forEver.countDown();
  }

  @Test
  void theCallersOwnHttpClientStaysOpen() throws Exception {
    Node primary = loopback.node(OllamaReplies.answering("PRIMARY"));
    OkHttpClient own = new OkHttpClient();
    LlmClient client =
        loopback.client(
            LlmClient.builder().httpClient(own).endpoint(ollama("primary", primary).build()));
    client.chat(REQUEST);
    client.close();

    try (okhttp3.Response response =
        own.newCall(
                new okhttp3.Request.Builder()
                    .url(primary.url())
                    .header("Connection", "close")
                    .post(okhttp3.RequestBody.create(new byte[0]))
                    .build())
            .execute()) {
      assertThat(response.code()).isEqualTo(200);
      response.body().string();
    }
    own.connectionPool().evictAll();
  }
}
