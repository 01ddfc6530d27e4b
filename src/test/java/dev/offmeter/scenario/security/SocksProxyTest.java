// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.security;

import static dev.offmeter.testing.TwoNodes.template;
import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.ChatResponse;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.testing.Loopback;
import java.io.DataInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Proxy;
import java.net.ProxySelector;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicLong;
import javax.net.ssl.SSLSocket;
import okhttp3.OkHttpClient;
import okhttp3.tls.HandshakeCertificates;
import okhttp3.tls.HeldCertificate;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A proxy for SOCKS or HTTP, behind which a server sends more than anybody reads. */
@Timeout(30)
class SocksProxyTest {
  private static final String HOST = "llm.example.org";
  private static final String CHUNKED = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  private static final String LINE =
      "{\"message\":{\"content\":\"BEHIND\"},\"done\":true,\"done_reason\":\"stop\"}\n";

  /** Far less than a heap, and more than the buffers of two sockets. */
  private static final long MOST_SENT = 16L << 20;

  @RegisterExtension final Loopback loopback = new Loopback();

  private final HeldCertificate held =
      new HeldCertificate.Builder().addSubjectAlternativeName(HOST).build();
  private final HandshakeCertificates tls =
      new HandshakeCertificates.Builder()
          .heldCertificate(held)
          .addTrustedCertificate(held.certificate())
          .build();
  private final Queue<String> asked = new ConcurrentLinkedQueue<>();
  private final AtomicLong sent = new AtomicLong();
  private ServerSocket server;
  private volatile String reply = "";
  private volatile boolean endless;
  private volatile boolean secured;

  @BeforeEach
  void begin() throws IOException {
    server = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
    start(this::acceptAll);
  }

  @AfterEach
  void end() throws IOException {
    server.close();
  }

  private static void start(Runnable task) {
    Thread thread = new Thread(task, "proxy");
    thread.setDaemon(true);
    thread.start();
  }

  private void acceptAll() {
    while (!server.isClosed()) {
      try {
        Socket socket = server.accept();
        start(() -> serve(socket));
      } catch (IOException e) {
        return;
      }
    }
  }

  private void serve(Socket socket) {
    try (socket) {
      DataInputStream in = new DataInputStream(socket.getInputStream());
      OutputStream out = socket.getOutputStream();
      if (in.read() == 5) {
        greet(in, out);
      } else {
        asked.add(head(in));
        out.write("HTTP/1.1 200 OK\r\n\r\n".getBytes(StandardCharsets.UTF_8));
      }
      try (Socket plain = secured ? secured(socket) : socket) {
        answer(plain);
      }
    } catch (IOException e) {
      // The client has had enough.
    }
  }

  /** RFC 1928, for a name. */
  private void greet(DataInputStream in, OutputStream out) throws IOException {
    in.readNBytes(in.readUnsignedByte());
    out.write(new byte[] {5, 0});
    boolean name = in.readNBytes(4)[3] == 3;
    asked.add(
        name ? new String(in.readNBytes(in.readUnsignedByte()), StandardCharsets.US_ASCII) : "");
    in.readUnsignedShort();
    out.write(new byte[] {5, 0, 0, 1, 0, 0, 0, 0, 0, 0});
  }

  private Socket secured(Socket socket) throws IOException {
    SSLSocket over =
        (SSLSocket) tls.sslSocketFactory().createSocket(socket, HOST, socket.getPort(), true);
    over.setUseClientMode(false);
    return over;
  }

  private void answer(Socket socket) throws IOException {
    head(socket.getInputStream());
    OutputStream out = socket.getOutputStream();
    out.write(reply.getBytes(StandardCharsets.UTF_8));
    byte[] more = "x".repeat(8192).getBytes(StandardCharsets.UTF_8);
    while (endless && sent.get() < MOST_SENT) {
      out.write(more);
      sent.addAndGet(more.length);
    }
    out.flush();
  }

  private static String head(InputStream in) throws IOException {
    StringBuilder head = new StringBuilder();
    while (head.indexOf("\r\n\r\n") < 0) {
      int next = in.read();
      if (next < 0) {
        throw new IOException("closed");
      }
      head.append((char) next);
    }
    return head.toString();
  }

  private OkHttpClient.Builder http() {
    return new OkHttpClient.Builder().sslSocketFactory(tls.sslSocketFactory(), tls.trustManager());
  }

  private Proxy proxy(Proxy.Type type) {
    return new Proxy(type, new InetSocketAddress("127.0.0.1", server.getLocalPort()));
  }

  private LlmClient client(OkHttpClient.Builder http) {
    return loopback.client(
        LlmClient.builder()
            .httpClient(http.build())
            .endpoint(
                Endpoint.ollama("primary", (secured ? "https://" : "http://") + HOST)
                    .model("m")
                    .build())
            .endpoint(template()));
  }

  private static String chunk(String text) {
    return Integer.toHexString(text.length()) + "\r\n" + text + "\r\n";
  }

  @ParameterizedTest
  @CsvSource({"SOCKS, false", "SOCKS, true", "HTTP, true"})
  void whatComesBesideAnAnswerIsBounded(Proxy.Type type, boolean tls) {
    secured = tls;
    endless = true;
    for (String beside : List.of(CHUNKED + "5;", CHUNKED + chunk("{}") + "0\r\nX: ")) {
      sent.set(0);
      reply = beside;

      ChatResponse response = client(http().proxy(proxy(type))).chat("a reminder");

      assertThat(response.text()).isEqualTo("TEMPLATE");
      assertThat(response.attempts().get(0).failure()).contains(FailureKind.RESPONSE_TOO_LARGE);
      assertThat(sent.get()).isLessThan(MOST_SENT);
    }
  }

  @ParameterizedTest
  @CsvSource({"SOCKS, false", "SOCKS, true", "HTTP, true"})
  void anAnswerComesThroughAndItsNameIsLookedUpThere(Proxy.Type type, boolean tls) {
    secured = tls;
    reply = CHUNKED + chunk(LINE) + "0\r\n\r\n";

    assertThat(client(http().proxy(proxy(type))).chat("a reminder").text()).isEqualTo("BEHIND");

    assertThat(asked.peek()).contains(HOST);
  }

  @Test
  void oneThatIsSelectedIsBoundedToo() {
    endless = true;
    reply = CHUNKED + "5;";
    ProxySelector selector =
        new ProxySelector() {
          @Override
          public List<Proxy> select(URI uri) {
            return List.of(proxy(Proxy.Type.SOCKS));
          }

          @Override
          public void connectFailed(URI uri, SocketAddress address, IOException e) {}
        };

    ChatResponse response = client(http().proxySelector(selector)).chat("a reminder");

    assertThat(response.attempts().get(0).failure()).contains(FailureKind.RESPONSE_TOO_LARGE);
    assertThat(sent.get()).isLessThan(MOST_SENT);
  }

  @Test
  void aDiagnosisNamesTheProxyAndIsBounded() {
    endless = true;
    reply = CHUNKED + "5;";

    String found = client(http().proxy(proxy(Proxy.Type.SOCKS))).diagnose().toString();

    assertThat(found).contains("SOCKS");
    assertThat(asked).contains(HOST);
    assertThat(sent.get()).isLessThan(MOST_SENT);
  }
}
