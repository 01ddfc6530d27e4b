// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.security;

import static dev.offmeter.testing.TwoNodes.template;
import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.ProtocolReplies;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Proxy;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.stream.Stream;
import okhttp3.OkHttpClient;
import okhttp3.tls.HandshakeCertificates;
import okhttp3.tls.HeldCertificate;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The bound beside a body holds within TLS, and for a proxy on the way. */
@Timeout(30)
class UnreadBytesLimitOverTlsTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private static final ChatRequest REQUEST =
      ChatRequest.builder().user("draft a reminder").maxTokens(1_000_000).build();

  private static final HeldCertificate CERTIFICATE =
      new HeldCertificate.Builder()
          .addSubjectAlternativeName("localhost")
          .addSubjectAlternativeName("llm.example")
          .build();

  private static final HandshakeCertificates TRUST =
      new HandshakeCertificates.Builder()
          .addTrustedCertificate(CERTIFICATE.certificate())
          .heldCertificate(CERTIFICATE)
          .build();

  private static OkHttpClient.Builder http() {
    return new OkHttpClient.Builder()
        .sslSocketFactory(TRUST.sslSocketFactory(), TRUST.trustManager());
  }

  private LlmClient client(OkHttpClient http, String url) {
    return loopback.client(
        LlmClient.builder()
            .maxTokensAtMost(1_000_000)
            .httpClient(http)
            .endpoint(Endpoint.ollama("node", url).model("m").build())
            .endpoint(template()));
  }

  /** Writes into TLS whatever a server has to say to each request. */
  private interface Script {
    void write(OutputStream to) throws IOException;
  }

  private static ServerSocket tls(Script script) throws IOException {
    ServerSocket server =
        TRUST
            .sslContext()
            .getServerSocketFactory()
            .createServerSocket(0, 50, InetAddress.getLoopbackAddress());
    Thread thread = new Thread(() -> serve(server, script), "test-tls");
    thread.setDaemon(true);
    thread.start();
    return server;
  }

  private static void serve(ServerSocket server, Script script) {
    while (!server.isClosed()) {
      try (Socket socket = server.accept()) {
        InputStream in = socket.getInputStream();
        while (in.read(new byte[8192]) > 0) {
          script.write(socket.getOutputStream());
        }
      } catch (IOException e) {
        // The other end has had enough.
      }
    }
  }

  private static Stream<EndlessResponse> beside() {
    return EndlessResponse.outsideBody().stream();
  }

  @ParameterizedTest
  @MethodSource("beside")
  void withinTls(EndlessResponse hostile) throws IOException {
    Script flood =
        to -> {
          to.write(hostile.begin());
          for (int i = 0; true; i++) {
            to.write(hostile.again().apply(i));
          }
        };
    try (ServerSocket server = tls(flood)) {
      String url = "https://localhost:" + server.getLocalPort();

      ChatResponse response = client(http().build(), url).chat(REQUEST);

      assertThat(response.text()).isEqualTo("TEMPLATE");
      assertThat(response.attempts().get(0).failure()).contains(FailureKind.RESPONSE_TOO_LARGE);
    }
  }

  @Test
  void aLongAnswerWithinTlsIsTakenWholeOverAKeptConnectionToo() throws IOException {
    String text = "so on ".repeat(200);
    byte[] answer =
        (ProtocolReplies.OLLAMA.textDelta(text).repeat(2000) + ProtocolReplies.OLLAMA.end(false))
            .getBytes(StandardCharsets.UTF_8);
    Script whole =
        to -> {
          String head = "HTTP/1.1 200 OK\r\nContent-Length: " + answer.length + "\r\n\r\n";
          to.write(head.getBytes(StandardCharsets.UTF_8));
          to.write(answer);
        };
    try (ServerSocket server = tls(whole)) {
      LlmClient client = client(http().build(), "https://localhost:" + server.getLocalPort());

      for (int i = 0; i < 3; i++) {
        assertThat(client.chat(REQUEST).text()).hasSize(2000 * text.length());
      }
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "HTTP/1.1 200 ",
        "HTTP/1.1 200 OK\r\nX: ",
        "HTTP/1.1 502 Bad\r\nX: ",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        "HTTP/1.1 407 X\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 9999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n"
      })
  void aProxyThatOpensNoTunnel(String begin) {
    Node proxy =
        loopback.node(
            (connection, request) -> {
              connection.send(begin);
              while (true) {
                connection.send("so on ".repeat(2000));
              }
            });
    InetSocketAddress at = new InetSocketAddress("127.0.0.1", URI.create(proxy.url()).getPort());
    OkHttpClient http = http().proxy(new Proxy(Proxy.Type.HTTP, at)).build();

    ChatResponse response = client(http, "https://llm.example").chat(REQUEST);

    assertThat(response.text()).isEqualTo("TEMPLATE");
    assertThat(response.attempts().get(0).failure().orElseThrow())
        .isIn(
            FailureKind.RESPONSE_TOO_LARGE,
            FailureKind.TLS_FAILED,
            FailureKind.CONNECTION_LOST,
            FailureKind.ORIGIN_UNREACHABLE,
            FailureKind.UNAUTHORIZED);
  }
}
