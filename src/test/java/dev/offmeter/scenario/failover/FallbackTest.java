// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.failover;

import static dev.offmeter.testing.Loopback.ollama;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.offmeter.AllEndpointsFailedException;
import dev.offmeter.Attempt;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ChatStream;
import dev.offmeter.ClientInternals;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.FinishReason;
import dev.offmeter.LlmClient;
import dev.offmeter.Usage;
import dev.offmeter.testing.Connection;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.TwoNodes;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import mockwebserver3.MockResponse;
import mockwebserver3.MockWebServer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A primary in trouble, and a fallback that is well. */
@Timeout(20)
class FallbackTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private final TwoNodes nodes = TwoNodes.inRealTime(loopback);
  private final Node primary = nodes.primary();
  private final Node fallback = nodes.fallback();

  private Attempt fallThrough() {
    ChatResponse response = nodes.client().chat("draft a reminder");
    assertThat(response.text()).isEqualTo("FALLBACK");
    assertThat(response.attempts()).hasSize(2);
    return response.attempts().get(0);
  }

  @Test
  void oneUserMessageIsEnoughForEveryWayOfAsking() throws Exception {
    primary.respondWith(OllamaReplies.answering("Dear Zoë"));
    LlmClient client = nodes.client();

    assertThat(client.chatAsync("a reminder").get().text()).isEqualTo("Dear Zoë");
    try (ChatStream stream = client.stream("a reminder")) {
      assertThat(stream.response().text()).isEqualTo("Dear Zoë");
    }
    assertThat(primary.requests())
        .hasSize(2)
        .allSatisfy(request -> assertThat(request.body()).contains("a reminder"));
  }

  @Test
  void wordsOfAServerCannotSteerATerminal() {
    primary.respondWith(
        OllamaReplies.status(
            500, "application/json", "{\"error\":\"a\\u001b[2J\\u0007\\u202eb\"}"));
    LlmClient client = nodes.client();

    assertThat(client.chat("a reminder").attempts().get(0).message()).isEqualTo("a [2J b");
  }

  @Test
  void thePrimaryAnswersWhenItCan() {
    primary.respondWith(OllamaReplies.answering("Dear", " Zoë", "\\nplease pay"));

    ChatResponse response = nodes.client().chat("draft a reminder");

    assertThat(response.text()).isEqualTo("Dear Zoë\nplease pay");
    assertThat(response.endpoint()).isEqualTo("primary");
    assertThat(response.model()).isEqualTo("served");
    assertThat(response.usage()).isEqualTo(new Usage(24, 3));
    assertThat(response.finishReason()).isEqualTo(FinishReason.STOP);
    assertThat(response.timeToFirstToken()).isPositive().isLessThanOrEqualTo(response.elapsed());
    assertThat(response.attempts()).hasSize(1);
    assertThat(response.attempts().get(0).status()).hasValue(200);
    assertThat(fallback.requests()).isEmpty();
  }

  @Test
  void fallsBackWhenThePrimaryHangsForFifteenSeconds() throws Exception {
    primary.respondWith(OllamaReplies.hanging());
    ManualTime time = loopback.manualTime();
    LlmClient client = loopback.client(ClientInternals.withTime(nodes.builder(), time));

    CompletableFuture<ChatResponse> call = chatElsewhere(client);
    primary.awaitFirstRequest();
    time.advance(Duration.ofMillis(14_999));
    assertThat(fallback.requests()).as("not a moment before").isEmpty();
    assertThat(primary.activeCalls()).isOne();
    time.advance(Duration.ofMillis(1));

    ChatResponse response = call.get();
    assertThat(response.text()).isEqualTo("FALLBACK");
    Attempt failed = response.attempts().get(0);
    assertThat(failed.failure()).contains(FailureKind.ATTEMPT_TIMEOUT);
    assertThat(failed.elapsed()).isEqualTo(Duration.ofSeconds(15));
    await().atMost(Duration.ofSeconds(1)).until(() -> primary.openConnections() == 0);
  }

  @Test
  void theOnlyEndpointHasTwoMinutes() throws Exception {
    primary.respondWith(OllamaReplies.hanging());
    ManualTime time = loopback.manualTime();
    LlmClient client =
        loopback.client(ClientInternals.builder(time).endpoint(ollama("primary", primary).build()));

    CompletableFuture<ChatResponse> call = chatElsewhere(client);
    primary.awaitFirstRequest();
    time.advance(Duration.ofMillis(119_999));
    assertThat(primary.activeCalls()).isOne();
    time.advance(Duration.ofMillis(1));

    assertThatThrownBy(call::get).hasCauseInstanceOf(AllEndpointsFailedException.class);
  }

  @Test
  void fallsBackWhenThePrimaryRefuses() {
    LlmClient client = nodes.client(Endpoint.ollama("primary", Loopback.unusedUrl()).model("m"));

    ChatResponse response = client.chat("draft a reminder");

    assertThat(response.text()).isEqualTo("FALLBACK");
    assertThat(response.attempts().get(0).failure()).contains(FailureKind.CONNECTION_REFUSED);
  }

  @Test
  void fallsBackWhenThePrimaryResets() {
    primary.respondWith((connection, request) -> connection.reset());

    Attempt reset = fallThrough();
    assertThat(reset.failure()).contains(FailureKind.CONNECTION_LOST);
    assertThat(reset.message()).isEqualTo("closed before an answer (Connection reset)");
    assertThat(primary.requests()).as("the prompt was sent once").hasSize(1);
  }

  static IntStream everyErrorStatus() {
    return IntStream.rangeClosed(400, 599);
  }

  @ParameterizedTest
  @MethodSource("everyErrorStatus")
  void fallsBackOnStatus(int status) {
    primary.respondWith(
        OllamaReplies.status(status, "application/json", "{\"error\":\"something is wrong\"}"));

    Attempt failed = fallThrough();

    assertThat(failed.status()).hasValue(status);
    assertThat(failed.failure()).isPresent();
    assertThat(primary.requests()).as("asked once").hasSize(1);
  }

  @ParameterizedTest
  @CsvSource({"408, 0", "503, 0", "503, 00", "429, 0", "500, 1"})
  void neverAsksTwiceWhateverRetryAfterSays(int status, String retryAfter) {
    primary.respondWith(
        OllamaReplies.status(status, "text/plain", "later", "Retry-After: " + retryAfter));

    fallThrough();

    assertThat(primary.requests()).hasSize(1);
  }

  @Test
  void fallsBackOnALoginPage() {
    primary.respondWith(
        OllamaReplies.status(
            200,
            "text/html",
            "<!DOCTYPE html><html><head><title>Sign in</title></head><body>who are you</body>"));

    Attempt failed = fallThrough();

    assertThat(failed.failure()).contains(FailureKind.UNEXPECTED_RESPONSE);
    assertThat(failed.message()).contains("Sign in").doesNotContain("who are you");
  }

  @Test
  void fallsBackOnAnAccessLoginAndNeverFollowsIt() {
    Node login = loopback.node(OllamaReplies.answering("never to be asked"));
    primary.respondWith(
        OllamaReplies.status(
            302,
            "text/html",
            "",
            "Location: " + login.url() + "/cdn-cgi/access/login/llm.example.com?kid=1"));
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .endpoint(
                    ollama("primary", primary)
                        .apiKey("the-key")
                        .cloudflareAccess("the-id", "the-secret")
                        .build())
                .endpoint(ollama("fallback", fallback).build()));

    ChatResponse response = client.chat("draft a reminder");

    assertThat(response.attempts().get(0).failure()).contains(FailureKind.ACCESS_DENIED);
    assertThat(login.requests()).as("credentials stay at their origin").isEmpty();
  }

  @Test
  void fallsBackOnAnyOtherRedirect() {
    primary.respondWith(
        OllamaReplies.status(307, "", "", "Location: " + fallback.url() + "/api/chat"));

    assertThat(fallThrough().failure()).contains(FailureKind.REDIRECTED);
    assertThat(fallback.requests()).hasSize(1);
  }

  @Test
  void fallsBackOnCutJson() {
    primary.respondWith(
        (connection, request) -> {
          connection.send(
              "HTTP/1.1 200 OK\r\nContent-Length: 600\r\n\r\n{\"model\":\"m\",\"message\":{\"content\":\"Dea");
          connection.close();
        });

    assertThat(fallThrough().failure()).contains(FailureKind.TRUNCATED);
  }

  @Test
  void fallsBackOnAnErrorLineAfterTenTokens() {
    String tokens =
        IntStream.range(0, 10)
            .mapToObj(i -> OllamaReplies.tokens(" t" + i))
            .collect(Collectors.joining());
    String error = "an error was encountered while running the model: unexpected EOF";
    primary.respondWith(
        (connection, request) ->
            connection.send(
                OllamaReplies.STREAM_HEAD
                    + tokens
                    + OllamaReplies.chunk("{\"error\":\"" + error + "\"}\n")
                    + OllamaReplies.LAST_CHUNK));

    Attempt failed = fallThrough();

    assertThat(failed.failure()).contains(FailureKind.STREAM_ERROR);
    assertThat(failed.message()).isEqualTo(error);
    assertThat(failed.status()).hasValue(200);
  }

  private static void cutAfterTwoTokens(Connection connection, Connection.Request request)
      throws IOException {
    connection.send(
        OllamaReplies.STREAM_HEAD
            + OllamaReplies.tokens("Dear", " Ms")
            + OllamaReplies.end("length", 2)
            + OllamaReplies.LAST_CHUNK);
  }

  @Test
  void anAnswerCutByTheRequestsOwnLimitSaysSo() {
    primary.respondWith(FallbackTest::cutAfterTwoTokens);

    ChatResponse response =
        nodes.client().chat(ChatRequest.builder().user("draft a reminder").maxTokens(2).build());

    assertThat(response.text()).isEqualTo("Dear Ms");
    assertThat(response.finishReason()).isEqualTo(FinishReason.LENGTH);
  }

  @Test
  void anAnswerCutByAFullContextIsNoAnswer() {
    primary.respondWith(FallbackTest::cutAfterTwoTokens);

    assertThat(fallThrough().failure()).contains(FailureKind.CONTEXT_OVERFLOW);
  }

  @Test
  void thinkingNeverReachesTheText() {
    primary.respondWith(
        OllamaReplies.answering("<th", "ink>\\nWho owes?\\n</thi", "nk>\\n\\nDear", " Zoë"));

    ChatResponse response = nodes.client().chat("draft a reminder");

    assertThat(response.text()).isEqualTo("Dear Zoë");
    assertThat(response.thinking()).isEqualTo("\nWho owes?\n");
  }

  @Test
  void aReplyThatOnlyThinksIsNoAnswer() {
    primary.respondWith(OllamaReplies.answering("<think>on and on and on"));

    Attempt attempt = fallThrough();

    assertThat(attempt.failure()).contains(FailureKind.EMPTY_ANSWER);
    assertThat(attempt.message()).isEqualTo("a complete reply with thinking but no text");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        " \\n\\t",
        "\\u0000\\u0000",
        "\\u200b",
        "\\ufeff",
        "\\u00a0\\u2003",
        "\\u2028\\u2029",
        "\\udb40\\udc01",
        "<think>\\n\\n</think>\\u200b"
      })
  void aTextThatNobodyCanSeeIsNone(String invisible) {
    primary.respondWith(OllamaReplies.answering(invisible));

    Attempt attempt = fallThrough();

    assertThat(attempt.failure()).contains(FailureKind.EMPTY_ANSWER);
    assertThat(attempt.message()).isEqualTo("a complete reply without text");
  }

  @ParameterizedTest
  @ValueSource(strings = {"\\u200bx", "\\u0000 .", "\\ud83d\\udeb2"})
  void oneVisibleCharacterIsAnAnswer(String visible) {
    primary.respondWith(OllamaReplies.answering(visible));

    assertThat(nodes.client().chat("draft a reminder").endpoint()).isEqualTo("primary");
  }

  @Test
  void thinkingUpToTheLimitIsNamedEvenBeforeAnInvisibleText() {
    primary.respondWith(
        (connection, request) ->
            connection.send(
                OllamaReplies.STREAM_HEAD
                    + OllamaReplies.tokens("<think>why</think>", "\\u200b")
                    + OllamaReplies.end("length", 1024)
                    + OllamaReplies.LAST_CHUNK));

    assertThat(fallThrough().failure()).contains(FailureKind.THINKING_ONLY);
  }

  @ParameterizedTest
  @ValueSource(strings = {"x\\nWARN forged", "x\\u0000", "x\\u202ey", "x\\u200b", "x\\u2028y"})
  void aModelsNameThatIsUnfitForALogIsNotTaken(String model) {
    primary.respondWith(namingItself(model));

    ChatResponse response = nodes.client().chat("draft a reminder");

    assertThat(response.text()).isEqualTo("PRIMARY");
    assertThat(response.model()).isEqualTo("primary-model");
    assertThat(response.attempts().get(0).model()).isEqualTo("primary-model");
  }

  @Test
  void aModelsNameMayHaveTwoHundredCharacters() {
    for (String model : List.of("hf.co/Österreich/model v2:Q4_K_M", "m".repeat(200))) {
      primary.respondWith(namingItself(model));
      assertThat(nodes.client().chat("draft a reminder").model()).isEqualTo(model);
    }
    primary.respondWith(namingItself("m".repeat(201)));
    assertThat(nodes.client().chat("draft a reminder").model()).isEqualTo("primary-model");
  }

  private static Node.Script namingItself(String model) {
    String line =
        "{\"model\":\""
            + model
            + "\",\"message\":{\"content\":\"PRIMARY\"},\"done\":true,\"done_reason\":\"stop\"}\n";
    String reply = OllamaReplies.STREAM_HEAD + OllamaReplies.chunk(line) + OllamaReplies.LAST_CHUNK;
    return (connection, request) -> connection.send(reply);
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "   ", "\\n", "   \\n\\t\\r\\n"})
  void aBlankReplyIsNoAnswer(String blank) {
    primary.respondWith(OllamaReplies.answering(blank, " "));

    assertThat(fallThrough().failure()).contains(FailureKind.EMPTY_ANSWER);
  }

  static List<String> nothingButThinking() {
    return List.of(
        OllamaReplies.chunk(
            "{\"message\":{\"content\":\"\",\"thinking\":\"Who owes?\"},\"done\":false}\n"),
        OllamaReplies.tokens("<think>", "Who owes?"));
  }

  @ParameterizedTest
  @MethodSource("nothingButThinking")
  void aLimitThatIsSpentOnThinkingIsNamed(String thinking) {
    primary.respondWith(
        (connection, request) ->
            connection.send(
                OllamaReplies.STREAM_HEAD
                    + thinking
                    + OllamaReplies.end("length", 2)
                    + OllamaReplies.LAST_CHUNK));

    Attempt failed = fallThrough();

    assertThat(failed.failure()).contains(FailureKind.THINKING_ONLY);
    assertThat(failed.message()).contains("raise maxTokens").doesNotContain("owes");
    assertThat(failed.status()).hasValue(200);
  }

  @ParameterizedTest
  @MethodSource("nothingButThinking")
  void thinkingThatEndsByItselfWithoutAnAnswerIsAnEmptyAnswer(String thinking) {
    primary.respondWith(
        (connection, request) ->
            connection.send(
                OllamaReplies.STREAM_HEAD
                    + thinking
                    + OllamaReplies.end("stop", 2)
                    + OllamaReplies.LAST_CHUNK));

    assertThat(fallThrough().failure()).contains(FailureKind.EMPTY_ANSWER);
  }

  @Test
  void thinkingThatSwallowsTheRestOfAnAnswerIsNoAnswer() {
    primary.respondWith(
        OllamaReplies.answering("Dear Zoë, we wrap thoughts in <think> and then please pay"));

    assertThat(fallThrough().failure()).contains(FailureKind.MISSING_END_MARKER);
  }

  @Test
  void aRefusalThatNeverEndsIsJudgedByItsHead() {
    primary.respondWith(
        (connection, request) -> {
          connection.send("HTTP/1.1 530 X\r\nContent-Length: 100\r\n\r\nerror code: 1033");
          connection.hang();
        });

    assertThat(fallThrough().failure()).contains(FailureKind.TUNNEL_DOWN);
  }

  @Test
  void brokenFramingIsNotQuoted() {
    primary.respondWith(
        (connection, request) -> {
          connection.send(
              OllamaReplies.STREAM_HEAD + OllamaReplies.tokens("Dear") + "35 Ms Kern owes\r\n");
          connection.close();
        });

    Attempt failed = fallThrough();

    assertThat(failed.failure()).contains(FailureKind.TRUNCATED);
    assertThat(failed.message()).doesNotContain("Kern");
  }

  @Test
  void whenAllFailTheExceptionTellsTheWholeStory() {
    primary.respondWith(
        OllamaReplies.status(530, "text/plain", "error code: 1033", "Retry-After: 120"));
    fallback.respondWith(
        OllamaReplies.status(404, "application/json", "{\"error\":\"model 'x' not found\"}"));

    assertThatThrownBy(() -> nodes.client().chat("draft a reminder"))
        .isInstanceOfSatisfying(
            AllEndpointsFailedException.class,
            e ->
                assertThat(e.attempts())
                    .extracting(attempt -> attempt.failure().orElseThrow())
                    .containsExactly(FailureKind.TUNNEL_DOWN, FailureKind.MODEL_NOT_FOUND))
        .hasMessageMatching(
            "(?s)no endpoint answered in \\d+\\.\\d{3} s:\n"
                + "  1\\. primary at \\Q"
                + primary.url()
                + "\\E \\[primary-model\\]: TUNNEL_DOWN, HTTP 530, \\d+\\.\\d{3} s: "
                + "Cloudflare error 1033: no cloudflared is connected\n"
                + "  2\\. fallback at \\Q"
                + fallback.url()
                + "\\E \\[fallback-model\\]: MODEL_NOT_FOUND, HTTP 404, \\d+\\.\\d{3} s: "
                + "model 'x' not found\n"
                + "see \\S+docs/troubleshooting\\.md#tunnel-down");
  }

  @Test
  void aConnectionIsKeptForTheNextCall() {
    LlmClient client = nodes.client();

    for (int i = 0; i < 5; i++) {
      client.chat("draft a reminder");
    }

    assertThat(primary.requests()).hasSize(5);
    assertThat(primary.openConnections()).isOne();
  }

  @Test
  void aServerOfAnotherMakeReadsTheSameRequest() throws Exception {
    try (MockWebServer server = new MockWebServer()) {
      server.start();
      server.enqueue(
          new MockResponse.Builder()
              .setHeader("Content-Type", "application/json; charset=utf-8")
              .body(
                  "{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":\"whole\"},"
                      + "\"done\":true,\"done_reason\":\"stop\"}")
              .build());
      String url = server.url("/prefix/").toString();
      LlmClient client =
          loopback.client(
              LlmClient.builder().endpoint(Endpoint.ollama("one", url).model("m").build()));

      assertThat(client.chat("draft a reminder").text()).isEqualTo("whole");
      assertThat(server.takeRequest().getUrl().encodedPath()).isEqualTo("/prefix/api/chat");
      client.close();
    }
  }

  private static CompletableFuture<ChatResponse> chatElsewhere(LlmClient client) {
    return client.chatAsync(ChatRequest.builder().user("draft a reminder").build());
  }
}
