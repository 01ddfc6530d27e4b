// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.testkit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testkit.FakeLlm;
import dev.offmeter.testkit.FakeRequest;
import dev.offmeter.testkit.ManualClock;
import java.io.IOException;
import java.net.ConnectException;
import java.net.Socket;
import java.net.SocketException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

@Timeout(60)
class FakeLlmTest {
  @RegisterExtension private final FakeLlm node = FakeLlm.ollama();
  @RegisterExtension private final Loopback loopback = new Loopback();

  private LlmClient client() {
    return loopback.client(builder());
  }

  private LlmClient.Builder builder() {
    return LlmClient.builder()
        .endpoint(node.endpoint("node").build())
        .endpoint(Endpoint.local("template", request -> "TEMPLATE").build());
  }

  private List<String> answers(int calls) {
    LlmClient client = LlmClient.builder().endpoint(node.endpoint("node").build()).build();
    try (client) {
      return Stream.generate(() -> client.chat("Say x.").text()).limit(calls).toList();
    }
  }

  @Test
  void givesEachStepToOneCallAndTheLastToAllThatFollow() {
    node.answers("a").times(2).then().answers("b").then().answers("c");

    assertThat(answers(5)).containsExactly("a", "a", "b", "c", "c");
  }

  @Test
  void beginsAgainWhenTheScriptRepeats() {
    node.answers("a").then().answers("b").repeats();

    assertThat(answers(5)).containsExactly("a", "b", "a", "b", "a");
  }

  @Test
  void aStepWithoutThenBeginsANewScript() {
    node.answers("a").then().answers("b");
    node.answers("c");

    assertThat(answers(2)).containsExactly("c", "c");
  }

  @Test
  void isBackAfterItWasGone() {
    LlmClient client = client();
    node.hangs().then().answers("BACK");
    node.refuses();
    assertThat(client.chat("Say x.").text()).isEqualTo("TEMPLATE");
    node.answers("BACK");

    Loopback.awaitSoon(() -> client.chat("Say x.").text().equals("BACK"));
  }

  @Test
  void refusesAsItsLastStepAfterTheReplyBeforeIt() throws Exception {
    node.answers("a").then().refuses();
    LlmClient client = client();
    assertThat(client.chat("Say x.").text()).isEqualTo("a");

    ChatResponse refused = client.chat("Say x.");

    assertThat(refused.attempts().get(0).failure()).contains(FailureKind.CONNECTION_REFUSED);
    assertThatThrownBy(() -> new Socket("127.0.0.1", URI.create(node.url()).getPort()).close())
        .isInstanceOf(ConnectException.class);
  }

  @Test
  void rejectsAScriptThatMeansNothing() {
    assertThatThrownBy(() -> node.refuses().then().answers("x"))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageStartingWith("refuses() must be the last step");
    node.reset();
    assertThatThrownBy(() -> node.hangs().cutsAfter(1))
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("cutsAfter must follow an answer, followed hangs");
    assertThatThrownBy(() -> node.streams("a", "b").cutsAfter(3))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("cutsAfter must be from 0 to the answer's 2 pieces, was 3");
    assertThatThrownBy(() -> node.answers("a").then().times(2))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageStartingWith("times must not follow then()");
    assertThatThrownBy(() -> node.reset().answers("a").repeats().then())
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("then() must not follow repeats()");
    assertThatThrownBy(() -> node.reset().times(0)).hasMessage("times must be at least 1, was 0");
    assertThatThrownBy(() -> node.status(200)).hasMessageContaining("from 400 to 599, was 200");
    assertThatThrownBy(() -> node.rateLimited(Duration.ZERO)).hasMessageContaining("was PT0S");
    assertThatThrownBy(() -> node.answers("")).hasMessage("text must not be empty");
    assertThatThrownBy(() -> node.streams()).hasMessageContaining("at least one element");
    assertThatThrownBy(() -> node.hasModels()).hasMessageStartingWith("models must have at least");
    assertThatThrownBy(() -> node.hasModels("")).hasMessage("model must not be empty");
  }

  @Test
  void tellsWhatItWasAskedAndKeepsSecretsOutOfTexts() {
    Endpoint endpoint = node.endpoint("node").model("qwen3:8b").apiKey("sk-secret").build();
    LlmClient client = loopback.client(LlmClient.builder().endpoint(endpoint));

    client.chat(ChatRequest.builder().system("Be brief.").user("Draft it.").build());

    FakeRequest request = node.requests().get(0);
    assertThat(request.model()).isEqualTo("qwen3:8b");
    assertThat(request.messages()).containsExactly("Be brief.", "Draft it.");
    assertThat(request.lastMessage()).isEqualTo("Draft it.");
    assertThat(request.header("authorization")).contains("Bearer sk-secret");
    assertThat(request).hasToString("FakeRequest[POST /api/chat, qwen3:8b, 2 messages]");
  }

  @Test
  void seesThatACallWhichIsGivenUpClosesItsConnection() throws Exception {
    node.hangs();
    CompletableFuture<ChatResponse> draft = client().chatAsync("Say x.");
    FakeRequest request = node.awaitRequest(1);
    assertThat(request.isClosed()).isFalse();

    draft.cancel(true);

    request.awaitClosed();
    assertThat(request.isClosed()).isTrue();
  }

  @Test
  void servesOneCallAtATime() throws Exception {
    node.oneSlot().hangs().then().answers("SECOND");
    LlmClient client = client();
    CompletableFuture<ChatResponse> first = client.chatAsync("Say x.");
    node.awaitRequest(1);
    CompletableFuture<ChatResponse> second = client.chatAsync("Say y.");
    node.awaitRequest(2);
    assertThat(second).isNotDone();

    first.cancel(true);

    assertThat(second.get(20, TimeUnit.SECONDS).text()).isEqualTo("SECOND");
  }

  @Test
  void servesManyCallsAtATimeOtherwise() throws Exception {
    node.hangs().then().answers("SECOND");
    LlmClient client = client();
    CompletableFuture<ChatResponse> first = client.chatAsync("Say x.");
    node.awaitRequest(1);

    assertThat(client.chat("Say y.").text()).isEqualTo("SECOND");
    assertThat(first).isNotDone();
    first.cancel(true);
  }

  @Test
  void loadsItsModelForTheFirstRequest() throws Exception {
    ManualClock clock = new ManualClock();
    node.time(clock).loadsFor(Duration.ofSeconds(5));
    LlmClient client = loopback.client(clock.drive(builder()));
    CompletableFuture<ChatResponse> draft = client.chatAsync("Say x.");
    node.awaitRequest(1);
    clock.advance(Duration.ofMillis(4_900));
    assertThat(draft).isNotDone();
    assertThat(get("/api/ps")).isEqualTo("{\"models\":[]}");

    clock.advance(Duration.ofMillis(100));

    assertThat(draft.get(20, TimeUnit.SECONDS).endpoint()).isEqualTo("node");
    assertThat(get("/api/ps")).contains("fake-model");
  }

  @Test
  void healthChecksAgreeWithTheCallThatHangs() throws Exception {
    node.hangs().healthChecksPass().then().tunnelDown();
    CompletableFuture<ChatResponse> draft = client().chatAsync("Say x.");
    node.awaitRequest(1);
    assertThat(status("/api/version")).isEqualTo(530);
    draft.cancel(true);
    node.reset().answers("x").healthChecksFail();
    assertThat(status("/api/version")).isEqualTo(503);
    node.healthChecksPass();
    assertThat(status("/api/version")).isEqualTo(200);
  }

  @Test
  void answersAClientThatAsksForNoStream() throws Exception {
    node.streams("Dear", " Ms Kern");

    String body = "{\"model\":\"m\",\"stream\":false,\"messages\":[]}";

    assertThat(post("/api/chat", body).body()).contains("\"content\":\"Dear Ms Kern\"");
    assertThat(post("/v1/chat/completions", body).body()).contains("\"content\":\"Dear Ms Kern\"");
    assertThat(post("/v1/embeddings", body).statusCode()).isEqualTo(404);
    assertThat(node.probes()).hasSize(1);
  }

  @Test
  void aResetForgetsTheClockAndTheModels() throws Exception {
    node.time(new ManualClock()).hasModels("other");

    node.reset().loadsFor(Duration.ofMillis(1));

    assertThat(client().chat("Say x.").endpoint()).isEqualTo("node");
    assertThat(get("/api/tags")).contains("fake-model").doesNotContain("other");
  }

  @Test
  void aPromptWithoutAConversationIsNotAnswered() throws Exception {
    assertThat(post("/api/generate", "{\"model\":\"m\",\"prompt\":\"x\"}").statusCode())
        .isEqualTo(404);
    assertThat(post("/api/generate", "{\"model\":\"m\"}").body()).contains("\"load\"");
  }

  @Test
  void readsALargeImage() throws Exception {
    String image = "A".repeat(20_100_000);

    post("/api/chat", "{\"messages\":[{\"images\":[\"" + image + "\"]}],\"model\":\"m\"}");

    assertThat(node.requests().get(0).model()).isEqualTo("m");
  }

  @Test
  void speaksHttpToAnyClient() throws Exception {
    String head = "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n";
    String last = "GET /api/version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

    assertThat(untilClosed(head + last))
        .contains("Content-Length: 17\r\n\r\nHTTP/1.1 200")
        .endsWith("{\"version\":\"0.33.0\"}");
  }

  @Test
  void closesWhatIsNoHttp() throws Exception {
    assertThat(untilClosed("POST /api/chat HTTP/1.1\r\nContent-Length: x\r\n\r\n")).isEmpty();
  }

  /** Sends bytes, and returns what comes until the server closes. */
  private String untilClosed(String sent) throws IOException {
    try (Socket socket = new Socket("127.0.0.1", URI.create(node.url()).getPort())) {
      socket.setSoTimeout(20_000);
      socket.getOutputStream().write(sent.getBytes(StandardCharsets.UTF_8));
      return new String(socket.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    } catch (SocketException reset) {
      return "";
    }
  }

  private String get(String path) throws Exception {
    return send(HttpRequest.newBuilder(URI.create(node.url() + path))).body();
  }

  private int status(String path) throws Exception {
    return send(HttpRequest.newBuilder(URI.create(node.url() + path))).statusCode();
  }

  private HttpResponse<String> post(String path, String body) throws Exception {
    return send(
        HttpRequest.newBuilder(URI.create(node.url() + path))
            .POST(HttpRequest.BodyPublishers.ofString(body)));
  }

  private static HttpResponse<String> send(HttpRequest.Builder request) throws Exception {
    HttpClient http = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    return http.send(request.build(), HttpResponse.BodyHandlers.ofString());
  }
}
