// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import static dev.offmeter.FailureKind.CONTENT_FILTERED;
import static dev.offmeter.FailureKind.CONTEXT_OVERFLOW;
import static dev.offmeter.FailureKind.MISSING_END_MARKER;
import static dev.offmeter.FailureKind.STREAM_ERROR;
import static dev.offmeter.FailureKind.UNEXPECTED_RESPONSE;
import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse.ToolCall;
import dev.offmeter.FailureKind;
import dev.offmeter.FinishReason;
import dev.offmeter.Usage;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.testing.ProtocolReplies;
import okhttp3.Headers;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Answers of single servers that differ from the others of their protocol are read too. */
class ServerQuirksTest {
  private static RecordingDeltaHandler openAi(String... events) {
    return hear(ProtocolReplies.OPENAI, events);
  }

  private static RecordingDeltaHandler hear(ProtocolReplies spoken, String... events) {
    StringBuilder reply = new StringBuilder();
    for (String event : events) {
      reply.append("data: ").append(event).append("\n\n");
    }
    ChatRequest request = ChatRequest.builder().user("x").tool("pay", "pays", "{}").build();
    return new RecordingDeltaHandler(request)
        .listen(spoken.protocol(), ScriptedBody.of(reply.toString()));
  }

  private static String delta(String delta) {
    return "{\"choices\":[{\"index\":0,\"delta\":{" + delta + "},\"finish_reason\":null}]}";
  }

  private static String finish(String reason) {
    return "{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"" + reason + "\"}]}";
  }

  private static final String HI = delta("\"content\":\"hi\"");

  @Test
  void doneIsNoSuccessWithoutAFinishReason() {
    openAi(HI, "[DONE]").expectFailure(MISSING_END_MARKER);
  }

  @Test
  void aFinishReasonIsSuccessWithoutDone() {
    assertThat(openAi(HI, finish("stop")).expectAnswer()).isEqualTo("hi");
  }

  @Test
  void anErrorAfterTheFinishReasonIsNoSuccess() {
    openAi(HI, finish("stop"), "{\"error\":{\"message\":\"boom\"}}", "[DONE]")
        .expectFailure(STREAM_ERROR);
  }

  @Test
  void ollamasCompatibleApiSwallowsAnErrorAndStops() {
    openAi(HI, delta("\"role\":\"assistant\",\"content\":\"\"")).expectFailure(MISSING_END_MARKER);
  }

  @ParameterizedTest
  @CsvSource({
    "stop, STOP",
    "eos_token, STOP",
    "stop_sequence, STOP",
    "length, LENGTH",
    "STOP, STOP",
    "model_length, LENGTH"
  })
  void theseReasonsMakeAnAnswerWhole(String reason, FinishReason meaning) {
    assertThat(openAi(HI, finish(reason), "[DONE]").streamEnd.finishReason()).isEqualTo(meaning);
  }

  @ParameterizedTest
  @CsvSource({
    "content_filter, CONTENT_FILTERED",
    "abort, STREAM_ERROR",
    "error, STREAM_ERROR",
    "upstream_error, STREAM_ERROR",
    "content-filtered, CONTENT_FILTERED",
    "context_length_exceeded, CONTEXT_OVERFLOW",
    "novelty, MODEL_STOPPED"
  })
  void theseReasonsDoNot(String reason, FailureKind kind) {
    openAi(HI, finish(reason), "[DONE]").expectFailure(kind);
  }

  @ParameterizedTest
  @ValueSource(strings = {"reasoning", "reasoning_content"})
  void reasoningHasTwoNames(String name) {
    RecordingDeltaHandler partialAnswer =
        openAi(delta("\"content\":null,\"" + name + "\":\"hm\""), HI, finish("stop"), "[DONE]");

    assertThat(partialAnswer.expectAnswer()).isEqualTo("hi");
    assertThat(partialAnswer.thinking).hasToString("hm");
  }

  @Test
  void reasoningUnderBothNamesIsTakenOnce() {
    RecordingDeltaHandler partialAnswer =
        openAi(delta("\"reasoning\":\"hm\",\"reasoning_content\":\"hm\""), HI, finish("stop"));

    assertThat(partialAnswer.thinking).hasToString("hm");
  }

  @Test
  void usageComesInAChunkWithoutChoicesOrInTheLast() {
    String usage = "\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}";
    assertThat(
            openAi(HI, finish("stop"), "{\"choices\":[]," + usage + "}", "[DONE]")
                .streamEnd
                .usage())
        .isEqualTo(new Usage(3, 2));
    String last = finish("stop").replace("{\"choices\"", "{" + usage + ",\"choices\"");
    assertThat(openAi(HI, last, "[DONE]").streamEnd.usage()).isEqualTo(new Usage(3, 2));
    assertThat(openAi(HI, finish("stop"), "{\"choices\":[],\"usage\":null}").streamEnd.usage())
        .isEqualTo(Usage.NONE);
  }

  @Test
  void onlyTheFirstChoiceIsRead() {
    String second = HI.replace("\"index\":0", "\"index\":1").replace("hi", "no");

    assertThat(openAi(HI, second, finish("stop")).expectAnswer()).isEqualTo("hi");
  }

  @Test
  void aModelsOwnRefusalIsOne() {
    AttemptException failure =
        openAi(delta("\"refusal\":\"I will not\"")).expectFailure(CONTENT_FILTERED);

    assertThat(failure.message()).doesNotContain("will not");
  }

  @Test
  void toolCallsMayComeAsObjectsWithoutAnIndexAndWithoutArguments() {
    RecordingDeltaHandler partialAnswer =
        openAi(
            delta(
                "\"tool_calls\":[{\"id\":\"a\",\"function\":{\"name\":\"pay\","
                    + "\"arguments\":{\"n\":1}}},{\"id\":\"b\",\"function\":{\"name\":\"pay\","
                    + "\"arguments\":\"\"}}]"),
            finish("tool_calls"),
            "[DONE]");

    assertThat(partialAnswer.expectAnswer()).isEmpty();
    assertThat(partialAnswer.toolCalls)
        .containsExactly(new ToolCall("a", "pay", "{\"n\":1}"), new ToolCall("b", "pay", "{}"));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "\"tool_calls\":{}",
        "\"content\":[{\"type\":\"novelty\",\"text\":\"hi\"}]",
        "\"content\":42"
      })
  void whatIsNotAsItShouldBeIsNoAnswer(String delta) {
    openAi(delta(delta), finish("stop"), "[DONE]").expectFailure(UNEXPECTED_RESPONSE);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"arguments\":\"{}\"}",
        "{\"name\":\"pay\",\"arguments\":\"{\\\"n\\\"\"}",
        "{\"name\":\"pay\",\"arguments\":\"[]\"}",
        "{\"name\":\"pay\",\"arguments\":7}"
      })
  void aToolCallThatIsNoneIsTheModelsFault(String function) {
    String call = "\"tool_calls\":[{\"index\":0,\"function\":" + function + "}]";

    openAi(delta(call), finish("stop"), "[DONE]").expectFailure(FailureKind.MODEL_STOPPED);
  }

  @Test
  void anotherIdIsAnotherCallWhateverItsNumber() {
    RecordingDeltaHandler partialAnswer =
        openAi(
            delta(
                "\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"lock\","
                    + "\"arguments\":\"{}\"}}]"),
            delta(
                "\"tool_calls\":[{\"index\":0,\"id\":\"b\",\"function\":{\"name\":\"alarm\","
                    + "\"arguments\":\"\"}}]"),
            finish("tool_calls"));

    assertThat(partialAnswer.toolCalls)
        .containsExactly(new ToolCall("a", "lock", "{}"), new ToolCall("b", "alarm", "{}"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "{\\\"a\\\":"})
  void aToolCallThatIsCutAtTheLimitIsNone(String arguments) {
    AttemptException failure =
        openAi(
                delta(
                    "\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"delete\","
                        + "\"arguments\":\""
                        + arguments
                        + "\"}}]"),
                finish("length"))
            .expectFailure(FailureKind.FORMAT_MISMATCH);
    assertThat(failure).hasMessageContaining("raise maxTokens");
  }

  @Test
  void anAnswerIsNotMadeOfAStreamAndAWholeReply() {
    String whole = ProtocolReplies.OPENAI.completeReply("pay");
    for (String before : new String[] {"data: " + HI + "\n", "data: " + HI + "\n\n"}) {
      new RecordingDeltaHandler()
          .listen(ProtocolReplies.OPENAI.protocol(), ScriptedBody.of(before + whole))
          .expectFailure(UNEXPECTED_RESPONSE);
    }
    openAi("\"text\"", HI, finish("stop")).expectFailure(UNEXPECTED_RESPONSE);
  }

  @Test
  void aNumberBeyondMeasureHidesNothing() {
    openAi("{\"choices\":[],\"n\":1e99999999999}").expectFailure(MISSING_END_MARKER);
    String beside = HI.replaceFirst("\\{", "{\"n\":1e99999999999,\"m\":[NaN,-Infinity,.5,007],");
    assertThat(openAi(beside, finish("stop")).expectAnswer()).isEqualTo("hi");
    AttemptException failure =
        ProtocolReplies.OPENAI
            .protocol()
            .refused(
                new ErrorResponse(
                    401,
                    Headers.EMPTY,
                    "{\"error\":{\"message\":\"bad key\",\"n\":1e99999999999}}"));
    assertThat(failure.kind()).isEqualTo(FailureKind.UNAUTHORIZED);
  }

  @Test
  void aTreeOfManySmallValuesIsTooLarge() {
    String many = "{\"choices\":[],\"x\":[" + "[],".repeat(150_000) + "[]]}";

    openAi(many).expectFailure(FailureKind.RESPONSE_TOO_LARGE);
    new RecordingDeltaHandler()
        .listen(ProtocolReplies.OPENAI.protocol(), ScriptedBody.of(many))
        .expectFailure(FailureKind.RESPONSE_TOO_LARGE);
  }

  @Test
  void aBlockedPromptIsSaidInTheFirstChunkOfGemini() {
    AttemptException failure =
        hear(
                ProtocolReplies.GEMINI,
                "{\"promptFeedback\":{\"blockReason\":\"PROHIBITED_CONTENT\"},"
                    + "\"usageMetadata\":{\"promptTokenCount\":3}}")
            .expectFailure(CONTENT_FILTERED);

    assertThat(failure.message()).isEqualTo("the prompt was blocked: PROHIBITED_CONTENT");
  }

  @ParameterizedTest
  @CsvSource({
    "SAFETY, CONTENT_FILTERED",
    "BLOCKLIST, CONTENT_FILTERED",
    "PROHIBITED_CONTENT, CONTENT_FILTERED",
    "SPII, CONTENT_FILTERED",
    "IMAGE_SAFETY, CONTENT_FILTERED",
    "RECITATION, MODEL_STOPPED",
    "LANGUAGE, MODEL_STOPPED",
    "OTHER, MODEL_STOPPED",
    "MALFORMED_FUNCTION_CALL, MODEL_STOPPED",
    "FINISH_REASON_UNSPECIFIED, MISSING_END_MARKER",
    "SOMETHING_NEW, MODEL_STOPPED"
  })
  void geminiEndsForManyReasons(String reason, FailureKind kind) {
    String chunk =
        "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Par\"}]},\"finishReason\":\""
            + reason
            + "\"}]}";
    hear(ProtocolReplies.GEMINI, chunk).expectFailure(kind);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"candidates\":[{\"content\":{\"role\":\"model\"},\"finishReason\":\"MAX_TOKENS\"}]}",
        "{\"candidates\":[{\"finishReason\":\"MAX_TOKENS\",\"index\":0}]}"
      })
  void geminisThinkingMayLeaveNothingForTheAnswer(String chunk) {
    RecordingDeltaHandler partialAnswer = hear(ProtocolReplies.GEMINI, chunk);

    assertThat(partialAnswer.expectAnswer()).isEmpty();
    assertThat(partialAnswer.streamEnd.finishReason()).isEqualTo(FinishReason.LENGTH);
    assertThat(partialAnswer.streamEnd.atOwnLimit()).isTrue();
  }

  @Test
  void geminisChunksMayComeAsOneArray() {
    String array =
        "[{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Par\"}]}}]}\n,\n"
            + "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"is\"}]},"
            + "\"finishReason\":\"STOP\"}]}]";

    assertThat(
            new RecordingDeltaHandler()
                .listen(ProtocolReplies.GEMINI.protocol(), ScriptedBody.of(array))
                .expectAnswer())
        .isEqualTo("Paris");
  }

  @Test
  void geminiCountsItsThoughtsApart() {
    RecordingDeltaHandler partialAnswer =
        hear(
            ProtocolReplies.GEMINI,
            "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"hi\"}]},\"finishReason\":"
                + "\"STOP\"}],\"usageMetadata\":{\"promptTokenCount\":9,"
                + "\"cachedContentTokenCount\":4,\"candidatesTokenCount\":2,"
                + "\"thoughtsTokenCount\":40,\"totalTokenCount\":51}}");

    assertThat(partialAnswer.streamEnd.usage())
        .isEqualTo(new Usage(9, 42).withCache(4, 0).withThinking(40));
  }

  private static RecordingDeltaHandler anthropic(String stop, String... between) {
    String[] events = new String[between.length + 3];
    events[0] = "{\"type\":\"message_start\",\"message\":{\"model\":\"m\",\"usage\":{}}}";
    System.arraycopy(between, 0, events, 1, between.length);
    events[between.length + 1] =
        "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":" + stop + "}}";
    events[between.length + 2] = "{\"type\":\"message_stop\"}";
    return hear(ProtocolReplies.ANTHROPIC, events);
  }

  private static final String PING = "{\"type\":\"ping\"}";
  private static final String TEXT =
      "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\","
          + "\"text\":\"hi\"}}";

  @ParameterizedTest
  @CsvSource({"end_turn, STOP", "stop_sequence, STOP", "tool_use, STOP", "max_tokens, LENGTH"})
  void anthropicEndsWellForThese(String reason, FinishReason meaning) {
    RecordingDeltaHandler partialAnswer =
        anthropic("\"" + reason + "\"", PING, TEXT, "{\"type\":\"novelty\"}");

    assertThat(partialAnswer.expectAnswer()).isEqualTo("hi");
    assertThat(partialAnswer.streamEnd.finishReason()).isEqualTo(meaning);
  }

  @ParameterizedTest
  @CsvSource({
    "\"refusal\", CONTENT_FILTERED",
    "\"model_context_window_exceeded\", CONTEXT_OVERFLOW",
    "\"pause_turn\", MODEL_STOPPED",
    "\"novelty\", MODEL_STOPPED",
    "null, MISSING_END_MARKER"
  })
  void anthropicEndsBadlyForThese(String reason, FailureKind kind) {
    anthropic(reason, TEXT).expectFailure(kind);
  }

  @Test
  void aRealLlamaServersRepliesAreRead() {
    RecordingDeltaHandler stream = recorded("chat-stream-usage");
    assertThat(stream.expectAnswer()).isEqualTo(" river at blue says");
    assertThat(stream.streamEnd.usage().inputTokens()).isEqualTo(21);
    assertThat(stream.streamEnd.usage().outputTokens()).isEqualTo(4);
    assertThat(stream.streamEnd.usage().computeTime()).isPositive();
    assertThat(stream.streamEnd.finishReason()).isEqualTo(FinishReason.LENGTH);
    assertThat(stream.streamEnd.model()).isEqualTo("tiny");
    assertThat(recorded("chat").expectAnswer()).isNotBlank();
    assertThat(recorded("json-schema").expectAnswer()).startsWith("{").endsWith("}");
    assertThat(recorded("json-schema-cut").streamEnd.finishReason()).isEqualTo(FinishReason.LENGTH);
  }

  private static RecordingDeltaHandler recorded(String name) {
    String body = RecordedReply.read("llama-server", name).body();
    return new RecordingDeltaHandler()
        .listen(ProtocolReplies.OPENAI.protocol(), ScriptedBody.of(body));
  }

  @Test
  void aContextThatIsFullIsTheOnlyMeaningOfItsName() {
    assertThat(anthropic("\"model_context_window_exceeded\"", TEXT).failure.kind())
        .isEqualTo(CONTEXT_OVERFLOW);
  }
}
