// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.security;

import static dev.offmeter.testing.Loopback.ollama;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.offmeter.ChatRequest;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.LlmException;
import dev.offmeter.testing.Connection;
import dev.offmeter.testing.InterruptibleCaller;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import java.net.InetAddress;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import mockwebserver3.MockResponse;
import mockwebserver3.MockWebServer;
import mockwebserver3.SocketEffect;
import okhttp3.OkHttpClient;
import okhttp3.Protocol;
import okhttp3.tls.HandshakeCertificates;
import okhttp3.tls.HeldCertificate;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Requests pass tunnels and proxies: headers, TLS, and the credentials that never go along. */
@Timeout(20)
class TunnelTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private static final HeldCertificate CERTIFICATE =
      new HeldCertificate.Builder().addSubjectAlternativeName("localhost").build();

  private static final MockResponse ANSWER_IN_ONE_LINE =
      new MockResponse.Builder()
          .body("{\"message\":{\"content\":\"over TLS\"},\"done\":true,\"done_reason\":\"stop\"}")
          .build();

  @Test
  void sendsItsCredentialsAndSaysWhoItIs() {
    Node node = loopback.node(OllamaReplies.answering("PRIMARY"));
    loopback
        .client(
            LlmClient.builder()
                .endpoint(
                    ollama("primary", node)
                        .apiKey("the-key")
                        .cloudflareAccess("the-id", "the-secret")
                        .header("X-Team", "billing")
                        .build()))
        .chat("a reminder");

    Connection.Request request = node.requests().get(0);
    assertThat(request.line()).isEqualTo("POST /api/chat HTTP/1.1");
    assertThat(request.header("Authorization")).isEqualTo("Bearer the-key");
    assertThat(request.header("CF-Access-Client-Id")).isEqualTo("the-id");
    assertThat(request.header("CF-Access-Client-Secret")).isEqualTo("the-secret");
    assertThat(request.header("X-Team")).isEqualTo("billing");
    assertThat(request.header("User-Agent")).startsWith("offmeter");
    assertThat(request.header("Accept")).contains("application/json");
    assertThat(request.header("Accept-Encoding")).isEqualTo("identity");
    assertThat(request.header("Content-Type")).isEqualTo("application/json");
    assertThat(request.header("Upgrade")).isNull();
    assertThat(request.header("Origin")).isNull();
    assertThat(request.header("Cookie")).isNull();
  }

  @Test
  void credentialsRotateFromAttemptToAttempt() {
    Node node = loopback.node(OllamaReplies.answering("PRIMARY"));
    AtomicInteger version = new AtomicInteger();
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .endpoint(
                    ollama("primary", node)
                        .apiKey(() -> "key-" + version.incrementAndGet())
                        .build()));
    client.chat("a reminder");
    client.chat("a reminder");

    assertThat(node.requests())
        .extracting(request -> request.header("Authorization"))
        .containsExactly("Bearer key-1", "Bearer key-2");
  }

  @Test
  void credentialsOfOneEndpointNeverReachAnother() {
    Node primary = loopback.node(OllamaReplies.status(500, "", ""));
    Node fallback = loopback.node(OllamaReplies.answering("FALLBACK"));
    loopback
        .client(
            LlmClient.builder()
                .endpoint(ollama("primary", primary).apiKey("the-key").build())
                .endpoint(ollama("fallback", fallback).build()))
        .chat("a reminder");

    assertThat(fallback.requests().get(0).header("Authorization")).isNull();
  }

  @Test
  void aSupplierThatHangsCostsTheAttemptsLimitOnly() {
    Node primary = loopback.node(OllamaReplies.answering("never to be asked"));
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .endpoint(
                    ollama("primary", primary)
                        .timeout(Duration.ofMillis(150))
                        .apiKey(TunnelTest::waitForEver)
                        .build())
                .endpoint(Endpoint.local("template", request -> "from the template").build()));

    assertThat(client.chat("a reminder").text()).isEqualTo("from the template");
    assertThat(primary.requests()).isEmpty();
  }

  private static String waitForEver() {
    try {
      new CountDownLatch(1).await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    return "key";
  }

  @Test
  void cookiesAreNotKept() {
    Node node = loopback.node(OllamaReplies.answering("PRIMARY"));
    LlmClient client =
        loopback.client(LlmClient.builder().endpoint(ollama("primary", node).build()));
    node.respondWith(OllamaReplies.status(500, "", "", "Set-Cookie: CF_Authorization=old; Path=/"));
    catchThrowable(() -> client.chat("a reminder"));
    node.respondWith(OllamaReplies.answering("PRIMARY"));
    client.chat("a reminder");

    assertThat(node.requests().get(1).header("Cookie")).isNull();
  }

  @Test
  void speaksTlsWithACertificateAuthorityOfYourOwn() throws Exception {
    try (MockWebServer server = tlsServer()) {
      server.enqueue(ANSWER_IN_ONE_LINE);
      try (LlmClient client =
          LlmClient.builder()
              .httpClient(trusting())
              .endpoint(over(server).apiKey("k").build())
              .build()) {
        assertThat(client.chat("a reminder").text()).isEqualTo("over TLS");
      }
    }
  }

  @Test
  void speaksHttp11AlsoWithAServerThatWouldRatherSpeakHttp2() throws Exception {
    try (MockWebServer server = tlsServer()) {
      server.enqueue(ANSWER_IN_ONE_LINE);
      OkHttpClient own =
          trusting().newBuilder().protocols(List.of(Protocol.HTTP_2, Protocol.HTTP_1_1)).build();
      try (LlmClient client =
          LlmClient.builder().httpClient(own).endpoint(over(server).build()).build()) {
        assertThat(client.chat("a reminder").text()).isEqualTo("over TLS");
      }
      assertThat(server.takeRequest().getVersion()).isEqualTo("HTTP/1.1");
    }
  }

  @Test
  void speaksHttp11AlsoWhenTheCallersClientIsSureOfHttp2() {
    Node node = loopback.node(OllamaReplies.answering("PRIMARY"));
    OkHttpClient own =
        new OkHttpClient.Builder().protocols(List.of(Protocol.H2_PRIOR_KNOWLEDGE)).build();
    LlmClient client =
        loopback.client(
            LlmClient.builder().httpClient(own).endpoint(ollama("primary", node).build()));

    assertThat(client.chat("a reminder").text()).isEqualTo("PRIMARY");
    assertThat(node.requests().get(0).line()).isEqualTo("POST /api/chat HTTP/1.1");
  }

  @Test
  void aCertificateThatNobodyTrustsIsNamed() throws Exception {
    try (MockWebServer server = tlsServer();
        LlmClient client = LlmClient.builder().endpoint(over(server).build()).build()) {
      LlmException e = (LlmException) catchThrowable(() -> client.chat("a reminder"));

      assertThat(e.attempts().get(0).failure()).contains(FailureKind.TLS_FAILED);
      assertThat(e.attempts().get(0).message()).contains("certification path");
    }
  }

  @Test
  void anInterruptReachesThroughTls() throws Exception {
    try (MockWebServer server = tlsServer()) {
      server.enqueue(
          new MockResponse.Builder().onResponseStart(SocketEffect.Stall.INSTANCE).build());
      LlmClient client =
          loopback.client(
              LlmClient.builder().httpClient(trusting()).endpoint(over(server).build()));
      InterruptibleCaller caller =
          InterruptibleCaller.start(client, ChatRequest.builder().user("a reminder").build());
      assertThat(server.takeRequest(5, TimeUnit.SECONDS)).isNotNull();
      caller.interrupt();

      assertThat(caller.thrown()).isExactlyInstanceOf(LlmException.class);
    }
  }

  /** A client that trusts the certificate of {@link #tlsServer()}. */
  private static OkHttpClient trusting() {
    HandshakeCertificates trusted =
        new HandshakeCertificates.Builder()
            .addTrustedCertificate(CERTIFICATE.certificate())
            .build();
    return new OkHttpClient.Builder()
        .sslSocketFactory(trusted.sslSocketFactory(), trusted.trustManager())
        .build();
  }

  private static MockWebServer tlsServer() throws Exception {
    MockWebServer server = new MockWebServer();
    server.useHttps(
        new HandshakeCertificates.Builder()
            .heldCertificate(CERTIFICATE)
            .build()
            .sslSocketFactory());
    server.start(InetAddress.getByName("localhost"), 0);
    return server;
  }

  private static Endpoint.Builder over(MockWebServer server) {
    return Endpoint.ollama("primary", "https://localhost:" + server.getPort()).model("m");
  }
}
