// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.real;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.Attempt;
import dev.offmeter.ChatEvent;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ChatStream;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.FinishReason;
import dev.offmeter.LlmClient;
import java.nio.file.Path;
import java.util.Iterator;
import okhttp3.OkHttpClient;
import okhttp3.tls.HandshakeCertificates;
import okhttp3.tls.HeldCertificate;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** nginx between the client and a llama-server. */
@Timeout(60)
@Needs({Program.LLAMA_SERVER, Program.NGINX})
class NginxIT {
  private static final ChatRequest SHORT =
      ChatRequest.builder().user("A few animals.").seed(7).build();
  private static final ChatRequest LONG = SHORT.toBuilder().maxTokens(60_000).build();

  /**
   * llama-server asks nginx by a header of its answer not to buffer it; here nginx does not care.
   */
  private static final String BUFFERED =
      "proxy_buffering on; proxy_ignore_headers X-Accel-Buffering;";

  @TempDir static Path folder;
  private static LlamaServer fast;
  private static LlamaServer endless;

  @BeforeAll
  static void start() {
    fast = LlamaServer.ready(folder, TinyModel.fast(20), "-c", "4096");
    endless = LlamaServer.ready(folder, TinyModel.endless(), "-c", "131072", "--slots");
  }

  @AfterAll
  static void stop() {
    if (fast != null) {
      fast.close();
    }
    if (endless != null) {
      endless.close();
    }
  }

  private static LlmClient client(Nginx nginx) {
    return LlmClient.builder()
        .maxTokensAtMost(60_000)
        .endpoint(LlamaServer.at("proxied", nginx.url()).build())
        .endpoint(Endpoint.local("template", request -> "from the template").build())
        .build();
  }

  private static Attempt fallsThrough(Nginx nginx, ChatRequest request) {
    try (LlmClient client = client(nginx)) {
      ChatResponse response = client.chat(request);

      assertThat(response.text()).isEqualTo("from the template");
      return response.attempts().get(0);
    }
  }

  @Test
  void aDeadServerBehindItIsUnreachable() {
    String dead = "http://127.0.0.1:" + Processes.freePort();
    try (Nginx nginx = Nginx.before(dead, folder, "")) {
      Attempt attempt = fallsThrough(nginx, SHORT);

      assertThat(attempt.failure()).contains(FailureKind.ORIGIN_UNREACHABLE);
      assertThat(attempt.status()).hasValue(502);
      assertThat(attempt.message()).contains("an HTML page titled \"502 Bad Gateway\"");
    }
  }

  /** A llama-server sends nothing, not even a status, to a request that waits for a slot. */
  @Test
  void aServerThatIsTooBusyForItIsAGatewayTimeout() {
    try (Nginx nginx = Nginx.before(endless.url(), folder, "proxy_read_timeout 1s;");
        LlmClient others =
            LlmClient.builder()
                .maxTokensAtMost(60_000)
                .endpoint(endless.endpoint("llama").build())
                .build();
        ChatStream inOneSlot = others.stream(LONG);
        ChatStream inTheOther = others.stream(LONG)) {
      inOneSlot.iterator().next();
      inTheOther.iterator().next();
      Attempt attempt = fallsThrough(nginx, SHORT);

      assertThat(attempt.failure()).contains(FailureKind.GATEWAY_TIMEOUT);
      assertThat(attempt.status()).hasValue(504);
      assertThat(attempt.message()).contains("an HTML page titled \"504 Gateway Time-out\"");
    }
    endless.awaitIdle();
  }

  @ParameterizedTest
  @ValueSource(strings = {BUFFERED, "proxy_buffering on;", "proxy_buffering off;"})
  void aStreamComesWholeHoweverItBuffers(String directives) {
    try (Nginx nginx = Nginx.before(fast.url(), folder, directives);
        LlmClient client = client(nginx);
        ChatStream stream = client.stream(SHORT)) {
      StringBuilder shown = new StringBuilder();
      Iterator<ChatEvent> events = stream.iterator();
      ChatEvent event = events.next();
      while (event instanceof ChatEvent.TextDelta delta) {
        shown.append(delta.text());
        event = events.next();
      }
      ChatResponse response = ((ChatEvent.Completed) event).response();

      assertThat(response.endpoint()).isEqualTo("proxied");
      assertThat(response.finishReason()).isEqualTo(FinishReason.STOP);
      assertThat(response.text()).isEqualTo(shown.toString()).isNotBlank();
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"proxy_buffering on;", "proxy_buffering off;"})
  void theFirstPieceComesBeforeTheLastIsMade(String directives) {
    try (Nginx nginx = Nginx.before(endless.url(), folder, directives);
        LlmClient client = client(nginx);
        ChatStream stream = client.stream(LONG)) {
      assertThat(stream.iterator().next()).isInstanceOf(ChatEvent.TextDelta.class);

      assertThat(endless.isBusy()).isTrue();
    }
    endless.awaitIdle();
  }

  @Test
  void aStreamThatIsClosedInTheMiddleFreesTheSlotBehindIt() {
    try (Nginx nginx = Nginx.before(endless.url(), folder, "");
        LlmClient client = client(nginx)) {
      ChatStream stream = client.stream(LONG);
      stream.iterator().next();
      endless.awaitBusy();
      stream.close();

      endless.awaitIdle();
    }
  }

  @Test
  void aServerThatIsKilledBehindItCutsTheStream() {
    try (LlamaServer dying = LlamaServer.ready(folder, TinyModel.endless(), "-c", "65536");
        Nginx nginx = Nginx.before(dying.url(), folder, "");
        LlmClient client = client(nginx);
        ChatStream stream = client.stream(LONG)) {
      Iterator<ChatEvent> events = stream.iterator();
      events.next();
      dying.kill();
      ChatEvent event = events.next();
      while (event instanceof ChatEvent.TextDelta) {
        event = events.next();
      }

      assertThat(((ChatEvent.Restarted) event).failed().failure()).contains(FailureKind.TRUNCATED);
    }
  }

  @Test
  void tlsWithACertificateAuthorityOfYourOwnWorksForAClientThatTrustsIt() {
    HeldCertificate authority = authority();
    try (Nginx nginx = Nginx.before(fast.url(), folder, issuedBy(authority));
        LlmClient client =
            LlmClient.builder()
                .httpClient(trusting(authority))
                .endpoint(LlamaServer.at("proxied", nginx.url()).build())
                .build()) {
      assertThat(nginx.url()).startsWith("https:");
      assertThat(client.chat(SHORT).text()).isNotBlank();
    }
  }

  @Test
  void tlsWithACertificateAuthorityThatNobodyTrustsIsNamed() {
    try (Nginx nginx = Nginx.before(fast.url(), folder, issuedBy(authority()))) {
      assertThat(fallsThrough(nginx, SHORT).failure()).contains(FailureKind.TLS_FAILED);
    }
  }

  private static HeldCertificate authority() {
    return new HeldCertificate.Builder().certificateAuthority(0).build();
  }

  private static HeldCertificate issuedBy(HeldCertificate authority) {
    return new HeldCertificate.Builder()
        .signedBy(authority)
        .addSubjectAlternativeName("127.0.0.1")
        .build();
  }

  private static OkHttpClient trusting(HeldCertificate authority) {
    HandshakeCertificates trusted =
        new HandshakeCertificates.Builder().addTrustedCertificate(authority.certificate()).build();
    return new OkHttpClient.Builder()
        .sslSocketFactory(trusted.sslSocketFactory(), trusted.trustManager())
        .build();
  }
}
