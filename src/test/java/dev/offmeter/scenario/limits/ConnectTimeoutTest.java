// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.limits;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.ChatResponse;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.testing.Loopback;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Proxy;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.LockSupport;
import okhttp3.Dns;
import okhttp3.OkHttpClient;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** One clock covers DNS, proxy, TLS and all else between a call and its server, however slow. */
@Timeout(60)
class ConnectTimeoutTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private static final Duration CONNECT = Duration.ofMillis(400);
  private static final Duration ATTEMPT = Duration.ofSeconds(30);

  /** Far less than the attempt, far more than a busy machine is late. */
  private static final Duration SOON = Duration.ofSeconds(15);

  private final List<Dull> servers = new ArrayList<>();

  /** Accepts, and sends one byte after the other that lead to nothing, or none. */
  private static final class Dull implements AutoCloseable {
    private final ServerSocket server;
    private final Set<Socket> open = ConcurrentHashMap.newKeySet();
    private final String first;
    private final boolean trickles;

    Dull(String first, boolean trickles) throws IOException {
      this.first = first;
      this.trickles = trickles;
      this.server = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
      daemon(this::accept);
    }

    int port() {
      return server.getLocalPort();
    }

    private void accept() {
      try {
        while (true) {
          Socket socket = server.accept();
          open.add(socket);
          daemon(() -> serve(socket));
        }
      } catch (IOException e) {
        // Closed at the end of the test.
      }
    }

    private void serve(Socket socket) {
      try {
        if (!first.isEmpty()) {
          int unused = socket.getInputStream().read();
          socket.getOutputStream().write(first.getBytes(StandardCharsets.ISO_8859_1));
        }
        while (trickles) {
          // A record of a handshake, as long as one can be.
          socket.getOutputStream().write(0x16);
          socket.getOutputStream().flush();
          LockSupport.parkNanos(Duration.ofMillis(30).toNanos());
        }
      } catch (IOException e) {
        // The client has given it up.
      }
    }

    private static void daemon(Runnable task) {
      Thread thread = new Thread(task, "test-dull");
      thread.setDaemon(true);
      thread.start();
    }

    @Override
    public void close() throws IOException {
      server.close();
      for (Socket socket : open) {
        socket.close();
      }
    }
  }

  private Dull server(String first, boolean trickles) throws IOException {
    Dull server = new Dull(first, trickles);
    servers.add(server);
    return server;
  }

  @AfterEach
  void close() throws IOException {
    for (Dull server : servers) {
      server.close();
    }
  }

  private void isLeftInTime(String url, OkHttpClient http) {
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .httpClient(http)
                .endpoint(
                    Endpoint.ollama("far", url)
                        .model("m")
                        .connectTimeout(CONNECT)
                        .timeout(ATTEMPT)
                        .build())
                .endpoint(Endpoint.local("template", request -> "template").build()));
    long before = System.nanoTime();

    ChatResponse response = client.chat("draft a reminder");

    assertThat(Duration.ofNanos(System.nanoTime() - before)).isLessThan(SOON);
    assertThat(response.text()).isEqualTo("template");
    assertThat(response.attempts().get(0).failure()).contains(FailureKind.CONNECT_TIMEOUT);
  }

  @Test
  void aHandshakeThatNeverBeginsOrTrickles() throws Exception {
    isLeftInTime("https://127.0.0.1:" + server("", false).port(), new OkHttpClient());
    isLeftInTime("https://127.0.0.1:" + server("", true).port(), new OkHttpClient());
  }

  @ParameterizedTest
  @EnumSource(
      value = Proxy.Type.class,
      names = {"HTTP", "SOCKS"})
  void aProxyThatIsSilentBeforeTls(Proxy.Type type) throws Exception {
    isLeftInTime("https://192.0.2.7/", through(type, server("", false)));
  }

  @Test
  void aProxyWhoseReplyToConnectTrickles() throws Exception {
    Dull proxy = server("HTTP/1.1 200 OK\r\nX: ", true);

    isLeftInTime("https://192.0.2.7/", through(Proxy.Type.HTTP, proxy));
  }

  private static OkHttpClient through(Proxy.Type type, Dull proxy) {
    InetSocketAddress address = new InetSocketAddress("127.0.0.1", proxy.port());
    return new OkHttpClient.Builder().proxy(new Proxy(type, address)).build();
  }

  @Test
  void manyAddressesThatLeadNowhereShareOneLimit() throws Exception {
    Dull dull = server("", false);
    List<InetAddress> many = new ArrayList<>();
    for (int i = 0; i < 20; i++) {
      many.add(InetAddress.getByAddress("n" + i, new byte[] {127, 0, 0, 1}));
    }
    Dns dns = host -> many;

    isLeftInTime(
        "https://many.example:" + dull.port(), new OkHttpClient.Builder().dns(dns).build());
  }
}
