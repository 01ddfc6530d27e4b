// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.answers;

import static dev.offmeter.testing.TwoNodes.primaryState;
import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.Attempt;
import dev.offmeter.ChatRequest;
import dev.offmeter.Dialect;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Replies to one request that say nothing of the endpoint: others are still sent there. */
@Timeout(20)
class RequestFaultTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private static final ChatRequest SHORT = ChatRequest.builder().user("a reminder").build();
  private static final ChatRequest LONG = ChatRequest.builder().user("long ".repeat(400)).build();
  private static final ChatRequest TOOLS =
      ChatRequest.builder().user("a reminder").tool("t", "d", "{\"type\":\"object\"}").build();

  private static final String OLLAMA_LENGTH =
      "{\"message\":{\"content\":\"\"},\"done\":true,\"done_reason\":\"length\"%s}\n";
  private static final String OLLAMA_STOP =
      "{\"message\":{\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\"}\n";
  private static final String OPENAI =
      "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"},\"finish_reason\":\"%s\"}]%s}\n\n";

  private static Node.Script whole(String body) {
    return OllamaReplies.status(200, "application/json", body);
  }

  /** Twice as often as takes an endpoint down. */
  private List<Attempt> fourTimes(Endpoint endpoint, ChatRequest request) {
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .endpoint(endpoint)
                .endpoint(Endpoint.local("template", r -> "from the template").build()));
    for (int i = 0; i < 3; i++) {
      client.chat(request);
    }
    List<Attempt> attempts = client.chat(request).attempts();
    EndpointState state = primaryState(client);
    boolean untouched = attempts.get(0).failure().orElseThrow() != FailureKind.CIRCUIT_OPEN;
    assertThat(state == EndpointState.UP).isEqualTo(untouched);
    return attempts;
  }

  private Endpoint ollama(String body) {
    return Loopback.ollama("primary", loopback.node(whole(body))).build();
  }

  private Endpoint openAi(String body) {
    return Endpoint.openAi("primary", loopback.node(whole(body)).url()).model("m").build();
  }

  @ParameterizedTest
  @CsvSource({"1", "8", "200"})
  void aLengthBeforeAnyTextIsAFullContext(int tokens) {
    Endpoint endpoint = ollama(OLLAMA_LENGTH.formatted(",\"eval_count\":" + tokens));

    Attempt attempt = fourTimes(endpoint, SHORT).get(0);

    assertThat(attempt.failure()).contains(FailureKind.CONTEXT_OVERFLOW);
    assertThat(attempt.message())
        .isEqualTo("the context was full after " + tokens + " of 1024 tokens, before any text");
  }

  /** Ollama 0.32 with {@code shift: false}, a context of 256 and a prompt of 24. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "\"content\":\"Once\" | the context was full after 232 of 600 tokens",
        "\"thinking\":\"Hm\"    | the context was full after 232 of 600 tokens, all of them thinking"
      })
  void anAnswerThatOutgrowsTheContextIsAFullContext(String written, String message) {
    String reply =
        "{\"message\":{"
            + written
            + "}}\n{\"message\":{\"content\":\"\"},\"done\":true,"
            + "\"done_reason\":\"length\",\"prompt_eval_count\":24,\"eval_count\":232}\n";

    Attempt attempt = fourTimes(ollama(reply), SHORT.toBuilder().maxTokens(600).build()).get(0);

    assertThat(attempt.failure()).contains(FailureKind.CONTEXT_OVERFLOW);
    assertThat(attempt.message()).isEqualTo(message);
  }

  @Test
  void aLengthWithoutACountIsAFullContextToo() {
    assertThat(fourTimes(ollama(OLLAMA_LENGTH.formatted("")), SHORT).get(0).failure())
        .contains(FailureKind.CONTEXT_OVERFLOW);
    assertThat(fourTimes(openAi(OPENAI.formatted("length", "")), SHORT).get(0).failure())
        .contains(FailureKind.CONTEXT_OVERFLOW);
  }

  @Test
  void aLengthAtTheCallersOwnLimitIsNoFullContext() {
    ChatRequest one = SHORT.toBuilder().maxTokens(1).build();
    Endpoint endpoint = ollama(OLLAMA_LENGTH.formatted(",\"eval_count\":1"));

    assertThat(fourTimes(endpoint, one).get(0).failure()).contains(FailureKind.THINKING_ONLY);
  }

  @Test
  void aHandfulOfTokensIsAFullContextAtAServerThatCountsItsThinking() {
    String usage = ",\"usage\":{\"prompt_tokens\":4095,\"completion_tokens\":1}";
    Node node = loopback.node(whole(OPENAI.formatted("length", usage)));
    Endpoint endpoint =
        Endpoint.openAi("primary", node.url()).dialect(Dialect.OPENAI).model("m").build();

    assertThat(fourTimes(endpoint, SHORT).get(0).failure()).contains(FailureKind.CONTEXT_OVERFLOW);
  }

  @Test
  void anEmptyReplyAfterToolsWereOfferedIsTheModels() {
    assertThat(fourTimes(openAi(OPENAI.formatted("stop", "")), TOOLS).get(0).failure())
        .contains(FailureKind.MODEL_STOPPED);
  }

  private Endpoint gemini(String body) {
    return Endpoint.gemini("primary", loopback.node(whole(body)).url()).model("m").build();
  }

  private Endpoint anthropic(String body) {
    return Endpoint.anthropic("primary", loopback.node(whole(body)).url()).model("m").build();
  }

  @Test
  void aCallAlthoughNoToolWasOfferedIsTheModels() {
    String call = "{\"function\":{\"name\":\"t\",\"arguments\":{\"a\":[1]}}}";
    String calls = "\"tool_calls\":[" + call + "," + call + "]";
    List<Endpoint> endpoints =
        List.of(
            ollama("{\"message\":{" + calls + ",\"content\":\"\"}}\n" + OLLAMA_STOP),
            openAi("data: {\"choices\":[{\"delta\":{" + calls + "}}]}\n\n" + stopped("tool_calls")),
            openAi("{\"choices\":[{\"message\":{" + calls + "},\"finish_reason\":\"stop\"}]}"),
            gemini(
                "data: {\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{\"name\":\"t\"}}]},"
                    + "\"finishReason\":\"STOP\"}]}\n\n"),
            anthropic(
                "{\"type\":\"message\",\"content\":[{\"type\":\"tool_use\",\"id\":\"1\",\"name\":\"t\","
                    + "\"input\":{}}],\"stop_reason\":\"tool_use\"}"));
    for (Endpoint endpoint : endpoints) {
      assertThat(fourTimes(endpoint, SHORT).get(0).failure())
          .as(endpoint.toString())
          .contains(FailureKind.MODEL_STOPPED);
    }
  }

  /** Some servers send an empty list with every message. */
  @Test
  void anEmptyListOfCallsIsNone() {
    String empty = "{\"message\":{\"tool_calls\":[],\"content\":\"\"}}\n" + OLLAMA_STOP;

    assertThat(fourTimes(ollama(empty), SHORT).get(0).failure()).contains(FailureKind.CIRCUIT_OPEN);
  }

  private static String stopped(String reason) {
    return OPENAI.formatted(reason, "");
  }

  @Test
  void anEmptyReplyToALongPromptIsPerhapsAFullContext() {
    Attempt attempt = fourTimes(openAi(OPENAI.formatted("stop", "")), LONG).get(0);

    assertThat(attempt.failure()).contains(FailureKind.CONTEXT_OVERFLOW);
    assertThat(attempt.message()).contains("2000 characters", "may be");
  }

  @Test
  void anEmptyReplyToAShortPromptStillCounts() {
    ChatRequest shorter = ChatRequest.builder().user("x".repeat(1999)).build();

    assertThat(fourTimes(openAi(OPENAI.formatted("stop", "")), shorter).get(0).failure())
        .contains(FailureKind.CIRCUIT_OPEN);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"error\":\"error parsing tool call: raw='{}]', err=invalid character ']'\"}",
        "{\"error\":{\"code\":500,\"message\":\"Jinja Exception: roles must alternate\"}}"
      })
  void anErrorOfTheRequestLeavesTheEndpointAlone(String body) {
    Node node = loopback.node(OllamaReplies.status(500, "application/json", body));

    fourTimes(Loopback.ollama("primary", node).build(), TOOLS);

    assertThat(node.requests()).hasSize(4);
  }

  @ParameterizedTest
  @CsvSource({"524, GATEWAY_TIMEOUT", "504, GATEWAY_TIMEOUT", "408, GATEWAY_TIMEOUT"})
  void aGatewayThatHasWaitedInVainIsNotAskedAgain(int status, FailureKind kind) {
    Node node = loopback.node(OllamaReplies.status(status, "", ""));
    askOnce(node, kind);
  }

  @Test
  void aPageUnderHttp200IsNotAskedAgain() {
    askOnce(
        loopback.node(
            OllamaReplies.status(200, "text/html", "<html><title>Welcome</title></html>")),
        FailureKind.UNEXPECTED_RESPONSE);
  }

  private void askOnce(Node node, FailureKind kind) {
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .endpoint(Loopback.ollama("primary", node).retries(2).build())
                .endpoint(Endpoint.local("template", r -> "from the template").build()));

    assertThat(client.chat("x").attempts().get(0).failure()).contains(kind);
    assertThat(node.requests()).hasSize(1);
  }

  @Test
  void ngroksPageForBrowsersIsNoAnswerWhateverItsForm() {
    Node node =
        loopback.node(
            OllamaReplies.status(
                200, "text/plain", "visit the site", "ngrok-error-code: ERR_NGROK_6024"));
    askOnce(node, FailureKind.BOT_CHALLENGE);
  }
}
