// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import static dev.offmeter.testing.Loopback.ollama;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.offmeter.testing.Connection;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.Replies;
import java.net.InetAddress;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import mockwebserver3.MockResponse;
import mockwebserver3.MockWebServer;
import mockwebserver3.SocketEffect;
import okhttp3.OkHttpClient;
import okhttp3.tls.HandshakeCertificates;
import okhttp3.tls.HeldCertificate;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What stands between the client and the node: headers, TLS, and what never goes along. */
@Timeout(20)
class TunnelTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  @Test
  void sendsItsCredentialsAndSaysWhoItIs() {
    Node node = loopback.node(Replies.answering("PRIMARY"));
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
    Node node = loopback.node(Replies.answering("PRIMARY"));
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
    Node primary = loopback.node(Replies.status(500, "", ""));
    Node fallback = loopback.node(Replies.answering("FALLBACK"));
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
    Node primary = loopback.node(Replies.answering("never to be asked"));
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
    Node node = loopback.node(Replies.answering("PRIMARY"));
    LlmClient client =
        loopback.client(LlmClient.builder().endpoint(ollama("primary", node).build()));
    node.behaves(Replies.status(500, "", "", "Set-Cookie: CF_Authorization=old; Path=/"));
    catchThrowable(() -> client.chat("a reminder"));
    node.behaves(Replies.answering("PRIMARY"));
    client.chat("a reminder");

    assertThat(node.requests().get(1).header("Cookie")).isNull();
  }

  @Test
  void speaksTlsWithACertificateAuthorityOfYourOwn() throws Exception {
    HeldCertificate certificate =
        new HeldCertificate.Builder().addSubjectAlternativeName("localhost").build();
    HandshakeCertificates trusted =
        new HandshakeCertificates.Builder()
            .addTrustedCertificate(certificate.certificate())
            .build();
    try (MockWebServer server = tlsServer(certificate)) {
      server.enqueue(
          new MockResponse.Builder()
              .body(
                  "{\"message\":{\"content\":\"over TLS\"},\"done\":true,\"done_reason\":\"stop\"}")
              .build());
      OkHttpClient own =
          new OkHttpClient.Builder()
              .sslSocketFactory(trusted.sslSocketFactory(), trusted.trustManager())
              .build();
      try (LlmClient client =
          LlmClient.builder().httpClient(own).endpoint(over(server).apiKey("k").build()).build()) {
        assertThat(client.chat("a reminder").text()).isEqualTo("over TLS");
      }
    }
  }

  @Test
  void aCertificateThatNobodyTrustsIsNamed() throws Exception {
    HeldCertificate certificate =
        new HeldCertificate.Builder().addSubjectAlternativeName("localhost").build();
    try (MockWebServer server = tlsServer(certificate);
        LlmClient client = LlmClient.builder().endpoint(over(server).build()).build()) {
      LlmException e = (LlmException) catchThrowable(() -> client.chat("a reminder"));

      assertThat(e.attempts().get(0).failure()).contains(FailureKind.TLS_FAILED);
      assertThat(e.attempts().get(0).message()).contains("certification path");
    }
  }

  @Test
  void anInterruptReachesThroughTls() throws Exception {
    HeldCertificate certificate =
        new HeldCertificate.Builder().addSubjectAlternativeName("localhost").build();
    HandshakeCertificates trusted =
        new HandshakeCertificates.Builder()
            .addTrustedCertificate(certificate.certificate())
            .build();
    OkHttpClient own =
        new OkHttpClient.Builder()
            .sslSocketFactory(trusted.sslSocketFactory(), trusted.trustManager())
            .build();
    try (MockWebServer server = tlsServer(certificate)) {
      server.enqueue(
          new MockResponse.Builder().onResponseStart(SocketEffect.Stall.INSTANCE).build());
      LlmClient client =
          loopback.client(LlmClient.builder().httpClient(own).endpoint(over(server).build()));
      AtomicReference<Throwable> thrown = new AtomicReference<>();
      Thread caller = new Thread(() -> thrown.set(catchThrowable(() -> client.chat("a reminder"))));
      caller.start();
      assertThat(server.takeRequest(5, TimeUnit.SECONDS)).isNotNull();
      caller.interrupt();
      caller.join(1000);

      assertThat(thrown.get()).isExactlyInstanceOf(LlmException.class);
    }
  }

  private static MockWebServer tlsServer(HeldCertificate certificate) throws Exception {
    MockWebServer server = new MockWebServer();
    server.useHttps(
        new HandshakeCertificates.Builder()
            .heldCertificate(certificate)
            .build()
            .sslSocketFactory());
    server.start(InetAddress.getByName("localhost"), 0);
    return server;
  }

  private static Endpoint.Builder over(MockWebServer server) {
    return Endpoint.ollama("primary", "https://localhost:" + server.getPort()).model("m");
  }
}
