// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.wire;

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
import okhttp3.Headers;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** In what the answers of single servers differ from the others of their protocol. */
class QuirksTest {
  private static Heard openAi(String... events) {
    return hear(Spoken.OPENAI, events);
  }

  private static Heard hear(Spoken spoken, String... events) {
    StringBuilder reply = new StringBuilder();
    for (String event : events) {
      reply.append("data: ").append(event).append("\n\n");
    }
    ChatRequest request = ChatRequest.builder().user("x").tool("pay", "pays", "{}").build();
    return new Heard(request).listen(spoken.protocol(), Delivery.of(reply.toString()));
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
    openAi(HI, "[DONE]").failed(MISSING_END_MARKER);
  }

  @Test
  void aFinishReasonIsSuccessWithoutDone() {
    assertThat(openAi(HI, finish("stop")).answer()).isEqualTo("hi");
  }

  @Test
  void anErrorAfterTheFinishReasonIsNoSuccess() {
    openAi(HI, finish("stop"), "{\"error\":{\"message\":\"boom\"}}", "[DONE]").failed(STREAM_ERROR);
  }

  @Test
  void ollamasCompatibleApiSwallowsAnErrorAndStops() {
    openAi(HI, delta("\"role\":\"assistant\",\"content\":\"\"")).failed(MISSING_END_MARKER);
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
    assertThat(openAi(HI, finish(reason), "[DONE]").ending.finishReason()).isEqualTo(meaning);
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
    openAi(HI, finish(reason), "[DONE]").failed(kind);
  }

  @ParameterizedTest
  @ValueSource(strings = {"reasoning", "reasoning_content"})
  void reasoningHasTwoNames(String name) {
    Heard heard =
        openAi(delta("\"content\":null,\"" + name + "\":\"hm\""), HI, finish("stop"), "[DONE]");

    assertThat(heard.answer()).isEqualTo("hi");
    assertThat(heard.thinking).hasToString("hm");
  }

  @Test
  void reasoningUnderBothNamesIsTakenOnce() {
    Heard heard =
        openAi(delta("\"reasoning\":\"hm\",\"reasoning_content\":\"hm\""), HI, finish("stop"));

    assertThat(heard.thinking).hasToString("hm");
  }

  @Test
  void usageComesInAChunkWithoutChoicesOrInTheLast() {
    String usage = "\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}";
    assertThat(
            openAi(HI, finish("stop"), "{\"choices\":[]," + usage + "}", "[DONE]").ending.usage())
        .isEqualTo(new Usage(3, 2));
    String last = finish("stop").replace("{\"choices\"", "{" + usage + ",\"choices\"");
    assertThat(openAi(HI, last, "[DONE]").ending.usage()).isEqualTo(new Usage(3, 2));
    assertThat(openAi(HI, finish("stop"), "{\"choices\":[],\"usage\":null}").ending.usage())
        .isEqualTo(Usage.NONE);
  }

  @Test
  void onlyTheFirstChoiceIsRead() {
    String second = HI.replace("\"index\":0", "\"index\":1").replace("hi", "no");

    assertThat(openAi(HI, second, finish("stop")).answer()).isEqualTo("hi");
  }

  @Test
  void aModelsOwnRefusalIsOne() {
    Failure failure = openAi(delta("\"refusal\":\"I will not\"")).failed(CONTENT_FILTERED);

    assertThat(failure.message()).doesNotContain("will not");
  }

  @Test
  void toolCallsMayComeAsObjectsWithoutAnIndexAndWithoutArguments() {
    Heard heard =
        openAi(
            delta(
                "\"tool_calls\":[{\"id\":\"a\",\"function\":{\"name\":\"pay\","
                    + "\"arguments\":{\"n\":1}}},{\"id\":\"b\",\"function\":{\"name\":\"pay\","
                    + "\"arguments\":\"\"}}]"),
            finish("tool_calls"),
            "[DONE]");

    assertThat(heard.answer()).isEmpty();
    assertThat(heard.toolCalls)
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
    openAi(delta(delta), finish("stop"), "[DONE]").failed(UNEXPECTED_RESPONSE);
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

    openAi(delta(call), finish("stop"), "[DONE]").failed(FailureKind.MODEL_STOPPED);
  }

  @Test
  void anotherIdIsAnotherCallWhateverItsNumber() {
    Heard heard =
        openAi(
            delta(
                "\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"lock\","
                    + "\"arguments\":\"{}\"}}]"),
            delta(
                "\"tool_calls\":[{\"index\":0,\"id\":\"b\",\"function\":{\"name\":\"alarm\","
                    + "\"arguments\":\"\"}}]"),
            finish("tool_calls"));

    assertThat(heard.toolCalls)
        .containsExactly(new ToolCall("a", "lock", "{}"), new ToolCall("b", "alarm", "{}"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "{\\\"a\\\":"})
  void aToolCallThatIsCutAtTheLimitIsNone(String arguments) {
    Failure failure =
        openAi(
                delta(
                    "\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"delete\","
                        + "\"arguments\":\""
                        + arguments
                        + "\"}}]"),
                finish("length"))
            .failed(FailureKind.FORMAT_MISMATCH);
    assertThat(failure).hasMessageContaining("raise maxTokens");
  }

  @Test
  void anAnswerIsNotMadeOfAStreamAndAWholeReply() {
    String whole = Spoken.OPENAI.whole("pay");
    for (String before : new String[] {"data: " + HI + "\n", "data: " + HI + "\n\n"}) {
      new Heard()
          .listen(Spoken.OPENAI.protocol(), Delivery.of(before + whole))
          .failed(UNEXPECTED_RESPONSE);
    }
    openAi("\"text\"", HI, finish("stop")).failed(UNEXPECTED_RESPONSE);
  }

  @Test
  void aNumberBeyondMeasureHidesNothing() {
    openAi("{\"choices\":[],\"n\":1e99999999999}").failed(MISSING_END_MARKER);
    String beside = HI.replaceFirst("\\{", "{\"n\":1e99999999999,\"m\":[NaN,-Infinity,.5,007],");
    assertThat(openAi(beside, finish("stop")).answer()).isEqualTo("hi");
    Failure failure =
        Spoken.OPENAI
            .protocol()
            .refused(
                new Reply(
                    401,
                    Headers.EMPTY,
                    "{\"error\":{\"message\":\"bad key\",\"n\":1e99999999999}}"));
    assertThat(failure.kind()).isEqualTo(FailureKind.UNAUTHORIZED);
  }

  @Test
  void aTreeOfManySmallValuesIsTooLarge() {
    String many = "{\"choices\":[],\"x\":[" + "[],".repeat(150_000) + "[]]}";

    openAi(many).failed(FailureKind.RESPONSE_TOO_LARGE);
    new Heard()
        .listen(Spoken.OPENAI.protocol(), Delivery.of(many))
        .failed(FailureKind.RESPONSE_TOO_LARGE);
  }

  @Test
  void aBlockedPromptIsSaidInTheFirstChunkOfGemini() {
    Failure failure =
        hear(
                Spoken.GEMINI,
                "{\"promptFeedback\":{\"blockReason\":\"PROHIBITED_CONTENT\"},"
                    + "\"usageMetadata\":{\"promptTokenCount\":3}}")
            .failed(CONTENT_FILTERED);

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
    hear(Spoken.GEMINI, chunk).failed(kind);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"candidates\":[{\"content\":{\"role\":\"model\"},\"finishReason\":\"MAX_TOKENS\"}]}",
        "{\"candidates\":[{\"finishReason\":\"MAX_TOKENS\",\"index\":0}]}"
      })
  void geminisThinkingMayLeaveNothingForTheAnswer(String chunk) {
    Heard heard = hear(Spoken.GEMINI, chunk);

    assertThat(heard.answer()).isEmpty();
    assertThat(heard.ending.finishReason()).isEqualTo(FinishReason.LENGTH);
    assertThat(heard.ending.atOwnLimit()).isTrue();
  }

  @Test
  void geminisChunksMayComeAsOneArray() {
    String array =
        "[{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Par\"}]}}]}\n,\n"
            + "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"is\"}]},"
            + "\"finishReason\":\"STOP\"}]}]";

    assertThat(new Heard().listen(Spoken.GEMINI.protocol(), Delivery.of(array)).answer())
        .isEqualTo("Paris");
  }

  @Test
  void geminiCountsItsThoughtsApart() {
    Heard heard =
        hear(
            Spoken.GEMINI,
            "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"hi\"}]},\"finishReason\":"
                + "\"STOP\"}],\"usageMetadata\":{\"promptTokenCount\":9,"
                + "\"cachedContentTokenCount\":4,\"candidatesTokenCount\":2,"
                + "\"thoughtsTokenCount\":40,\"totalTokenCount\":51}}");

    assertThat(heard.ending.usage()).isEqualTo(new Usage(9, 42));
  }

  private static Heard anthropic(String stop, String... between) {
    String[] events = new String[between.length + 3];
    events[0] = "{\"type\":\"message_start\",\"message\":{\"model\":\"m\",\"usage\":{}}}";
    System.arraycopy(between, 0, events, 1, between.length);
    events[between.length + 1] =
        "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":" + stop + "}}";
    events[between.length + 2] = "{\"type\":\"message_stop\"}";
    return hear(Spoken.ANTHROPIC, events);
  }

  private static final String PING = "{\"type\":\"ping\"}";
  private static final String TEXT =
      "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\","
          + "\"text\":\"hi\"}}";

  @ParameterizedTest
  @CsvSource({"end_turn, STOP", "stop_sequence, STOP", "tool_use, STOP", "max_tokens, LENGTH"})
  void anthropicEndsWellForThese(String reason, FinishReason meaning) {
    Heard heard = anthropic("\"" + reason + "\"", PING, TEXT, "{\"type\":\"novelty\"}");

    assertThat(heard.answer()).isEqualTo("hi");
    assertThat(heard.ending.finishReason()).isEqualTo(meaning);
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
    anthropic(reason, TEXT).failed(kind);
  }

  @Test
  void aRealLlamaServersRepliesAreRead() {
    Heard stream = recorded("chat-stream-usage");
    assertThat(stream.answer()).isEqualTo(" river at blue says");
    assertThat(stream.ending.usage()).isEqualTo(new Usage(21, 4));
    assertThat(stream.ending.finishReason()).isEqualTo(FinishReason.LENGTH);
    assertThat(stream.ending.model()).isEqualTo("tiny");
    assertThat(recorded("chat").answer()).isNotBlank();
    assertThat(recorded("json-schema").answer()).startsWith("{").endsWith("}");
    assertThat(recorded("json-schema-cut").ending.finishReason()).isEqualTo(FinishReason.LENGTH);
  }

  private static Heard recorded(String name) {
    String body = Recorded.read("llama-server", name).body();
    return new Heard().listen(Spoken.OPENAI.protocol(), Delivery.of(body));
  }

  @Test
  void aContextThatIsFullIsTheOnlyMeaningOfItsName() {
    assertThat(anthropic("\"model_context_window_exceeded\"", TEXT).failure.kind())
        .isEqualTo(CONTEXT_OVERFLOW);
  }
}
