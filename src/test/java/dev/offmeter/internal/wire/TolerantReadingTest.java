// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import static dev.offmeter.FailureKind.CONTENT_FILTERED;
import static dev.offmeter.FailureKind.CONTEXT_OVERFLOW;
import static dev.offmeter.FailureKind.MISSING_END_MARKER;
import static dev.offmeter.FailureKind.MODEL_STOPPED;
import static dev.offmeter.FailureKind.STREAM_ERROR;
import static dev.offmeter.FailureKind.UNEXPECTED_RESPONSE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import ch.qos.logback.classic.Level;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse.ToolCall;
import dev.offmeter.Dialect;
import dev.offmeter.FailureKind;
import dev.offmeter.FinishReason;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.wire.anthropic.AnthropicChat;
import dev.offmeter.internal.wire.openai.OpenAiChat;
import dev.offmeter.testing.LoggedEvents;
import dev.offmeter.testing.ProtocolReplies;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import okhttp3.HttpUrl;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** An answer is lost only for a reason that makes its text doubtful. */
class TolerantReadingTest {
  private static final String WHOLE = "A whole answer.";

  @RegisterExtension final LoggedEvents log = new LoggedEvents(Level.WARN);

  private static RecordingDeltaHandler hear(ProtocolReplies spoken, String reply) {
    return new RecordingDeltaHandler().listen(spoken.protocol(), ScriptedBody.of(reply));
  }

  private static String sse(String json) {
    return "data: " + json + "\n\n";
  }

  /** Returns one chunk: a piece, and the end if there is a word for it. */
  private static String chunk(ProtocolReplies spoken, String text, @Nullable String reason) {
    String end = reason == null ? "null" : "\"" + reason + "\"";
    return switch (spoken) {
      case OLLAMA ->
          "{\"message\":{\"content\":\""
              + text
              + "\"},\"done\":"
              + (reason != null)
              + (reason == null ? "" : ",\"done_reason\":" + end)
              + "}\n";
      case OPENAI ->
          sse(
              "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\""
                  + text
                  + "\"},\"finish_reason\":"
                  + end
                  + "}]}");
      case GEMINI ->
          sse(
              "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\""
                  + text
                  + "\"}]},\"finishReason\":"
                  + end
                  + "}]}");
      default ->
          sse(
                  "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":"
                      + "\"text_delta\",\"text\":\""
                      + text
                      + "\"}}")
              + (reason == null ? "" : anthropicEnd(reason));
    };
  }

  private static String anthropicEnd(String reason) {
    return sse("{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"" + reason + "\"}}")
        + sse("{\"type\":\"message_stop\"}");
  }

  private static String chunks(ProtocolReplies spoken, String... pieces) {
    StringBuilder reply = new StringBuilder();
    for (int i = 0; i < pieces.length; i++) {
      reply.append(chunk(spoken, pieces[i], i == pieces.length - 1 ? "stop" : null));
    }
    return reply.toString();
  }

  @ParameterizedTest
  @EnumSource
  void aLastPieceThatRepeatsEverythingAddsNothing(ProtocolReplies spoken) {
    for (String[] pieces :
        new String[][] {
          {"A whole", " answer.", WHOLE},
          {"A ", "whole", " answer.", WHOLE},
          {"A", " whole answer.", WHOLE, ""},
          {"A", " whole answer.", WHOLE, "\\n"}
        }) {
      assertThat(hear(spoken, chunks(spoken, pieces)).expectAnswer()).isEqualTo(WHOLE);
    }
  }

  @ParameterizedTest
  @EnumSource
  void piecesThatEachHoldAllBeforeThemAreOneText(ProtocolReplies spoken) {
    for (String[] pieces :
        new String[][] {
          {"A whole", "A whole answer", WHOLE},
          {"A", "A whole", "A whole answer", "A whole answer", WHOLE, WHOLE},
          {"A w", "A whole an", "A whole answ", "A whole answer", WHOLE, ""}
        }) {
      assertThat(hear(spoken, chunks(spoken, pieces)).expectAnswer()).isEqualTo(WHOLE);
    }
    hear(spoken, chunks(spoken, "A whole", "A whole answer", WHOLE, " Or two."))
        .expectFailure(UNEXPECTED_RESPONSE);
  }

  @ParameterizedTest
  @EnumSource
  void whereNothingTellsTheTextIsDoubtful(ProtocolReplies spoken) {
    hear(spoken, chunks(spoken, "A whole", "A whole answer.")).expectFailure(UNEXPECTED_RESPONSE);
    hear(spoken, chunks(spoken, "Hello!", "Hello!", "")).expectFailure(UNEXPECTED_RESPONSE);
    hear(spoken, chunks(spoken, WHOLE, WHOLE, "")).expectFailure(UNEXPECTED_RESPONSE);
  }

  @ParameterizedTest
  @EnumSource
  void textThatRepeatsItselfIsLeftAsItIs(ProtocolReplies spoken) {
    for (String[] pieces :
        new String[][] {
          {"ha", "haha", "hahaha"},
          {"ha", "ha", "ha"},
          {"ha", "haha", "hahaha", "hahahaha", "hahahahaha!"},
          {"* ", "* * ", "* * * "},
          {"1", "10", "100"},
          {"no", "no"},
          {"still ", "still ", "still ", "still "},
          {"very much ", "very much ", "very much ", "so."},
          {"I will not talk. ", "I will not talk. ", "I will not talk. ", "So."},
          {"The", "There", " is"},
          {"Row, row, row your boat. ", "Row, row, row your boat. ", "Gently."},
          {" ", " A", " b"},
          {"", "", "x"},
          {"Mississippi ", "Mississippi ", "Mississippi River"},
          {"test", " test", " test"},
          {"word ", "word ", "word ", "word ", "and an end"}
        }) {
      assertThat(hear(spoken, chunks(spoken, pieces)).expectAnswer())
          .isEqualTo(String.join("", pieces));
    }
  }

  @ParameterizedTest
  @EnumSource
  void whatIsHeldBackIsSoonShown(ProtocolReplies spoken) {
    for (String[] pieces : new String[][] {{"still ", "still "}, {"ha", "haha", "haha", "haha"}}) {
      String reply = chunk(spoken, pieces[0], null);
      for (int i = 0; i < 40; i++) {
        reply += chunk(spoken, pieces[1 + i % (pieces.length - 1)], null);
      }
      RecordingDeltaHandler partialAnswer = hear(spoken, reply);

      partialAnswer.expectFailure(MISSING_END_MARKER);
      assertThat(partialAnswer.deltas).hasSize(41);
    }
  }

  private static String openAi(String choice) {
    return sse("{\"choices\":[{\"index\":0," + choice + "}]}");
  }

  private static String message(String text) {
    return "\"message\":{\"role\":\"assistant\",\"content\":\"" + text + "\"}";
  }

  private static String delta(String text) {
    return "\"delta\":{\"content\":\"" + text + "\"}";
  }

  private static final String STOP = ",\"finish_reason\":\"stop\"";
  private static final String PIECES = openAi(delta("A whole")) + openAi(delta(" answer."));

  static Stream<String> snapshots() {
    return Stream.of(
        PIECES + openAi(message(WHOLE) + STOP),
        PIECES + openAi("\"delta\":{}" + STOP) + openAi(message(WHOLE) + STOP),
        PIECES + openAi(message("\\n" + WHOLE + " ") + STOP),
        PIECES + openAi(message("<think>hm</think>" + WHOLE) + STOP),
        PIECES + openAi("\"delta\":{}" + STOP) + openAi(delta(WHOLE)),
        PIECES + openAi("\"delta\":{}," + message(WHOLE) + STOP),
        openAi(delta("A whole")) + openAi(delta(" answer.") + "," + message(WHOLE) + STOP),
        openAi(delta("A whole") + "," + message("A whole"))
            + openAi(delta(" answer.") + "," + message(WHOLE) + STOP),
        openAi(delta("A whole") + "," + message("A whole"))
            + openAi(delta(" answer.") + "," + message(" answer.") + STOP),
        openAi(message(WHOLE) + STOP) + openAi(message(WHOLE) + STOP),
        openAi(message(WHOLE)) + PIECES + openAi("\"delta\":{}" + STOP),
        openAi(message("A whole")) + openAi(message(" answer.") + STOP),
        openAi(message("A whole")) + openAi(message(WHOLE)) + openAi(message(WHOLE) + STOP),
        PIECES + "\n" + ProtocolReplies.OPENAI.completeReply(WHOLE),
        ProtocolReplies.OPENAI.completeReply(WHOLE)
            + "\n"
            + ProtocolReplies.OPENAI.completeReply(WHOLE));
  }

  @ParameterizedTest
  @MethodSource("snapshots")
  void aSnapshotBesideDeltasAddsNothing(String reply) {
    assertThat(hear(ProtocolReplies.OPENAI, reply).expectAnswer()).isEqualTo(WHOLE);
  }

  static Stream<String> twoTexts() {
    return Stream.of(
        PIECES + openAi(message("Another answer.") + STOP),
        PIECES + openAi("\"delta\":{}" + STOP) + openAi(message("Another.") + STOP),
        PIECES + openAi("\"delta\":{}" + STOP) + openAi(delta(" More.")),
        openAi("\"delta\":{}" + STOP) + openAi(delta("Late.")),
        openAi(message(WHOLE) + STOP) + openAi(message("Another.") + STOP),
        openAi(message(WHOLE)) + openAi(delta("A whole")) + openAi("\"delta\":{}" + STOP));
  }

  @ParameterizedTest
  @MethodSource("twoTexts")
  void twoDifferentTextsAreDoubtful(String reply) {
    hear(ProtocolReplies.OPENAI, reply).expectFailure(UNEXPECTED_RESPONSE);
  }

  private static String block(String text) {
    return sse(
        "{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\","
            + "\"text\":\""
            + text
            + "\"}}");
  }

  @Test
  void aBlockMayBeginWithItsText() {
    String end = sse("{\"type\":\"content_block_stop\",\"index\":0}") + anthropicEnd("end_turn");
    String pieces =
        chunk(ProtocolReplies.ANTHROPIC, "A whole", null)
            + chunk(ProtocolReplies.ANTHROPIC, " answer.", null);

    assertThat(hear(ProtocolReplies.ANTHROPIC, block(WHOLE) + end).expectAnswer()).isEqualTo(WHOLE);
    assertThat(hear(ProtocolReplies.ANTHROPIC, block(WHOLE) + pieces + end).expectAnswer())
        .isEqualTo(WHOLE);
    assertThat(hear(ProtocolReplies.ANTHROPIC, block("A whole") + pieces + end).expectAnswer())
        .isEqualTo(WHOLE);
    String rest = chunk(ProtocolReplies.ANTHROPIC, " answer.", null);
    assertThat(hear(ProtocolReplies.ANTHROPIC, block("A whole") + rest + end).expectAnswer())
        .isEqualTo(WHOLE);
    assertThat(hear(ProtocolReplies.ANTHROPIC, pieces + anthropicWhole(WHOLE)).expectAnswer())
        .isEqualTo(WHOLE);
    hear(ProtocolReplies.ANTHROPIC, pieces + anthropicWhole("Another."))
        .expectFailure(UNEXPECTED_RESPONSE);
    hear(
            ProtocolReplies.ANTHROPIC,
            block(WHOLE) + chunk(ProtocolReplies.ANTHROPIC, "A whole", null) + end)
        .expectFailure(UNEXPECTED_RESPONSE);
  }

  private static String anthropicWhole(String text) {
    return sse(ProtocolReplies.ANTHROPIC.completeReply(text));
  }

  @ParameterizedTest
  @EnumSource
  void whatCarriesNothingIsSkippedAnywhere(ProtocolReplies spoken) {
    String[] frames =
        spoken == ProtocolReplies.OLLAMA
            ? new String[] {"null\n", "{}\n", "[]\n", "\"\"\n", ": ping\n", "event: ping\n", "\n\n"}
            : new String[] {
              sse("null"),
              sse(""),
              "data:\n\n",
              sse("\"\""),
              sse("{}"),
              sse("[]"),
              sse("ping"),
              sse(": keep-alive"),
              ": comment\n\n",
              "event: ping\ndata: {\"type\":\"ping\"}\n\n",
              "event: ping\n\n",
              sse("{\"choices\":[null],\"candidates\":[null]}"),
              "event: keepalive\ndata: 12:30\n\n",
              "id: 7\nretry: 3\n\n",
              "{}\n\n",
              "null\n\n",
              "\n\n\n"
            };
    for (String frame : frames) {
      for (String shown : List.of(frame, frame.replace("\n", "\r\n"))) {
        String reply =
            shown
                + spoken.textDelta("A whole")
                + shown
                + shown
                + spoken.textDelta(" answer.")
                + shown
                + spoken.end(false);
        for (int size : new int[] {1, 1000}) {
          RecordingDeltaHandler partialAnswer =
              new RecordingDeltaHandler()
                  .listen(spoken.protocol(), ScriptedBody.of(reply).splitEvery(size));
          assertThat(partialAnswer.expectAnswer()).as(frame).isEqualTo(WHOLE);
        }
        assertThat(hear(spoken, shown + shown).failure.kind())
            .isIn(UNEXPECTED_RESPONSE, MISSING_END_MARKER);
      }
    }
  }

  @ParameterizedTest
  @EnumSource(value = ProtocolReplies.class, names = "OLLAMA", mode = EnumSource.Mode.EXCLUDE)
  void aNewObjectBeginsAnEventWithoutABlankLine(ProtocolReplies spoken) {
    String reply = spoken.stream("A whole", " answer.");
    for (String other :
        List.of(
            reply.replace("\n\n", "\n"),
            reply.replace("\n\n", "\r\n"),
            reply.replace("\n\nevent", "\nevent"),
            reply.replace("\n\ndata: [DONE]", "\ndata: [DONE]"),
            reply.replace("\n\ndata: [DONE]", "[DONE]"),
            reply.replaceAll("\n\n(event: \\w+\n)?data: \\{", "{"),
            reply.replaceAll("(?m)^data: ", ""))) {
      assertThat(hear(spoken, other).expectAnswer()).as(other).isEqualTo(WHOLE);
    }
  }

  @ParameterizedTest
  @EnumSource(value = ProtocolReplies.class, names = "OLLAMA", mode = EnumSource.Mode.EXCLUDE)
  void oneEventMayStandInSeveralLines(ProtocolReplies spoken) {
    String reply = spoken.stream("A {whole}", " [answer].");
    for (String comma : List.of(",\ndata: ", "\r\ndata:,", ",\ndata:\ndata: ")) {
      assertThat(hear(spoken, reply.replaceAll(",(?=\")", comma)).expectAnswer())
          .isEqualTo("A {whole} [answer].");
    }
  }

  @Test
  void objectsMayFollowEachOtherInOneLine() {
    String reply = ProtocolReplies.OLLAMA.stream("A whole", " answer.").replace("\n", "");

    assertThat(hear(ProtocolReplies.OLLAMA, reply).expectAnswer()).isEqualTo(WHOLE);
  }

  @ParameterizedTest
  @EnumSource
  void nothingAfterTheEndTakesTheAnswerBack(ProtocolReplies spoken) {
    String reply = chunks(spoken, "A whole", " answer.");
    String junk = "data: {\"cut\n\n";
    for (String tail :
        List.of(
            "",
            junk,
            "data: junk\n\n",
            "garbage\n",
            "<html><title>502</title></html>",
            "{\"cut",
            "x".repeat(100_000),
            "data: " + "x".repeat(100_000) + "\n\n",
            sse("7"),
            sse("{\"deep\":" + "[".repeat(5000)),
            chunk(spoken, "", ""),
            chunk(spoken, "\\n", null))) {
      for (ScriptedBody delivery :
          List.of(ScriptedBody.of(reply + tail), ScriptedBody.of(reply + tail).thenReset())) {
        RecordingDeltaHandler partialAnswer =
            new RecordingDeltaHandler().listen(spoken.protocolWithLimits(20_000, 50_000), delivery);
        assertThat(partialAnswer.expectAnswer()).isEqualTo(WHOLE);
      }
    }
  }

  /** Nothing is read behind the end of Ollama's and Anthropic's replies. */
  @ParameterizedTest
  @EnumSource(
      value = ProtocolReplies.class,
      names = {"OPENAI", "GEMINI"})
  void anErrorAfterTheEndDoes(ProtocolReplies spoken) {
    hear(spoken, chunks(spoken, WHOLE) + spoken.error("boom")).expectFailure(STREAM_ERROR);
    hear(spoken, chunks(spoken, WHOLE) + "event: error\ndata: boom\n\n")
        .expectFailure(STREAM_ERROR);
    hear(spoken, chunks(spoken, WHOLE) + chunk(spoken, "", "error")).expectFailure(STREAM_ERROR);
  }

  @Test
  void aStopReasonEndsTheTextOfAnthropic() {
    String reply = chunks(ProtocolReplies.ANTHROPIC, WHOLE);
    String cut = reply.substring(0, reply.indexOf("data: {\"type\":\"message_stop"));

    assertThat(hear(ProtocolReplies.ANTHROPIC, cut).expectAnswer()).isEqualTo(WHOLE);
    hear(ProtocolReplies.ANTHROPIC, cut + ProtocolReplies.ANTHROPIC.error("boom"))
        .expectFailure(STREAM_ERROR);
  }

  @ParameterizedTest
  @EnumSource
  void manyWordsMeanTheEnd(ProtocolReplies spoken) {
    for (String word :
        List.of(
            "stop",
            "STOP",
            "Stop",
            "eos",
            "eos_token",
            "end_turn",
            "endTurn",
            "END",
            "complete",
            "completed",
            "done",
            "stop_sequence",
            "finished",
            "success",
            "tool_calls",
            "tool_use",
            "function_call",
            "FUNCTION-CALL")) {
      RecordingDeltaHandler partialAnswer = hear(spoken, chunk(spoken, WHOLE, word));
      assertThat(partialAnswer.expectAnswer()).as(word).isEqualTo(WHOLE);
      assertThat(partialAnswer.streamEnd.finishReason()).as(word).isEqualTo(FinishReason.STOP);
    }
    for (String word :
        List.of(
            "length",
            "max_tokens",
            "MAX_TOKENS",
            "maxTokens",
            "model_length",
            "max_length",
            "max_output_tokens",
            "token_limit",
            "max_new_tokens",
            "max_completion_tokens")) {
      assertThat(hear(spoken, chunk(spoken, WHOLE, word)).streamEnd.finishReason())
          .as(word)
          .isEqualTo(FinishReason.LENGTH);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "content_filter, CONTENT_FILTERED",
    "content-filtered, CONTENT_FILTERED",
    "ContentFilter, CONTENT_FILTERED",
    "SAFETY, CONTENT_FILTERED",
    "PROHIBITED_CONTENT, CONTENT_FILTERED",
    "BLOCKLIST, CONTENT_FILTERED",
    "SPII, CONTENT_FILTERED",
    "guardrail_intervened, CONTENT_FILTERED",
    "moderation, CONTENT_FILTERED",
    "refusal, CONTENT_FILTERED",
    "context_length_exceeded, CONTEXT_OVERFLOW",
    "model_context_window_exceeded, CONTEXT_OVERFLOW",
    "MAX_CONTEXT_LENGTH, CONTEXT_OVERFLOW",
    "error, STREAM_ERROR",
    "ABORTED, STREAM_ERROR",
    "network_error, STREAM_ERROR",
    "upstream-error, STREAM_ERROR",
    "timeout, STREAM_ERROR",
    "cancelled, STREAM_ERROR",
    "failed, STREAM_ERROR",
    "insufficient_system_resource, STREAM_ERROR",
    "novelty, MODEL_STOPPED",
    "MALFORMED_RESPONSE, MODEL_STOPPED",
    "repetition, MODEL_STOPPED"
  })
  void otherWordsMeanAFailure(String word, FailureKind kind) {
    for (ProtocolReplies spoken : ProtocolReplies.values()) {
      AttemptException failure = hear(spoken, chunk(spoken, WHOLE, word)).expectFailure(kind);
      if (!word.equals("refusal")) {
        assertThat(failure).hasMessageEndingWith(": " + word);
      }
    }
  }

  @Test
  void aWordThatIsNoneIsNotShown() {
    for (String word : List.of("Dear Ms Kern, we owe", "x".repeat(60), "a\\u0007b")) {
      assertThat(
              hear(ProtocolReplies.OPENAI, chunk(ProtocolReplies.OPENAI, WHOLE, word))
                  .expectFailure(MODEL_STOPPED))
          .hasMessage("the model stopped for an unknown reason");
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "\"native_finish_reason\":\"network_error\" | STREAM_ERROR",
        "\"native_finish_reason\":\"SAFETY\" | CONTENT_FILTERED",
        "\"stop_reason\":\"abort\" | STREAM_ERROR",
        "\"finish_details\":{\"type\":\"error\"} | STREAM_ERROR",
        "\"error\":{\"message\":\"upstream died\"} | STREAM_ERROR",
        "\"error\":\"upstream died\" | STREAM_ERROR",
        "\"native_finish_reason\":\"context_length_exceeded\" | CONTEXT_OVERFLOW"
      })
  void aSecondFieldThatSpeaksOfAnErrorOutweighsStop(String field, FailureKind kind) {
    hear(ProtocolReplies.OPENAI, openAi(delta(WHOLE) + STOP + "," + field)).expectFailure(kind);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "\"native_finish_reason\":\"completed\"",
        "\"native_finish_reason\":\"novelty\"",
        "\"native_finish_reason\":null",
        "\"stop_reason\":128009",
        "\"finish_details\":{\"type\":\"stop\"}",
        "\"error\":null",
        "\"error\":{}",
        "\"error\":false"
      })
  void aSecondFieldThatDoesNotSpeakOfOneChangesNothing(String field) {
    RecordingDeltaHandler partialAnswer =
        hear(ProtocolReplies.OPENAI, openAi(delta(WHOLE) + STOP + "," + field));

    assertThat(partialAnswer.expectAnswer()).isEqualTo(WHOLE);
    assertThat(partialAnswer.streamEnd.finishReason()).isEqualTo(FinishReason.STOP);
  }

  @Test
  void theStopSequenceThatWasFoundIsNoReason() {
    ChatRequest request = ChatRequest.builder().user("x").stop("error").build();
    String reply = openAi(delta(WHOLE) + STOP + ",\"stop_reason\":\"error\"");

    assertThat(
            new RecordingDeltaHandler(request)
                .listen(ProtocolReplies.OPENAI.protocol(), ScriptedBody.of(reply))
                .expectAnswer())
        .isEqualTo(WHOLE);
  }

  private static Protocol withEnoughMarker(ProtocolReplies spoken) {
    ProtocolDescriptor.ServerConfig server =
        new ProtocolDescriptor.ServerConfig(
            HttpUrl.get("http://localhost:1"),
            "m",
            Map.of(),
            null,
            Dialect.GENERIC,
            ProtocolDescriptor.RequestVariant.STANDARD,
            1 << 20,
            1 << 20,
            true);
    return spoken == ProtocolReplies.OPENAI ? new OpenAiChat(server) : new AnthropicChat(server);
  }

  private static String withoutReason(ProtocolReplies spoken) {
    String marker =
        spoken == ProtocolReplies.OPENAI ? "data: [DONE]\n\n" : sse("{\"type\":\"message_stop\"}");
    return chunk(spoken, WHOLE, null) + marker;
  }

  @ParameterizedTest
  @EnumSource(
      value = ProtocolReplies.class,
      names = {"OPENAI", "ANTHROPIC"})
  void anEndMarkerIsEnoughWhereThatIsSet(ProtocolReplies spoken) {
    Protocol protocol = withEnoughMarker(spoken);

    assertThat(
            new RecordingDeltaHandler()
                .listen(protocol, ScriptedBody.of(withoutReason(spoken)))
                .expectAnswer())
        .isEqualTo(WHOLE);
    new RecordingDeltaHandler()
        .listen(protocol, ScriptedBody.of(chunk(spoken, WHOLE, null)))
        .expectFailure(MISSING_END_MARKER);
    new RecordingDeltaHandler()
        .listen(protocol, ScriptedBody.of(spoken.error("boom") + withoutReason(spoken)))
        .expectFailure(STREAM_ERROR);
  }

  @ParameterizedTest
  @EnumSource(
      value = ProtocolReplies.class,
      names = {"OPENAI", "ANTHROPIC"})
  void anEndMarkerIsEnoughOfAServerThatNeverGivesAReason(ProtocolReplies spoken) {
    Protocol protocol = spoken.protocol();
    String reply = withoutReason(spoken);

    new RecordingDeltaHandler()
        .listen(protocol, ScriptedBody.of(reply))
        .expectFailure(MISSING_END_MARKER);
    assertThat(new RecordingDeltaHandler().listen(protocol, ScriptedBody.of(reply)).expectAnswer())
        .isEqualTo(WHOLE);
    assertThat(new RecordingDeltaHandler().listen(protocol, ScriptedBody.of(reply)).expectAnswer())
        .isEqualTo(WHOLE);
    assertThat(log.messages())
        .as("said once")
        .singleElement()
        .asString()
        .contains("gives no finish reason", "endMarkerIsEnough(true)");
    new RecordingDeltaHandler()
        .listen(protocol, ScriptedBody.of(chunk(spoken, WHOLE, null)))
        .expectFailure(MISSING_END_MARKER);
    assertThat(
            new RecordingDeltaHandler()
                .listen(protocol, ScriptedBody.of(chunk(spoken, WHOLE, "stop")))
                .expectAnswer())
        .isEqualTo(WHOLE);
    new RecordingDeltaHandler()
        .listen(protocol, ScriptedBody.of(reply))
        .expectFailure(MISSING_END_MARKER);
  }

  @Test
  void anEndMarkerIsNotEnoughAfterAnErrorACutOrAReason() {
    Protocol protocol = ProtocolReplies.OPENAI.protocol();
    String bare = withoutReason(ProtocolReplies.OPENAI);
    String error = ProtocolReplies.OPENAI.textDelta("Par") + ProtocolReplies.OPENAI.error("boom");
    for (String other : List.of(error, error, chunk(ProtocolReplies.OPENAI, WHOLE, null))) {
      assertThat(new RecordingDeltaHandler().listen(protocol, ScriptedBody.of(other)).streamEnd)
          .isNull();
    }
    new RecordingDeltaHandler()
        .listen(protocol, ScriptedBody.of(bare))
        .expectFailure(MISSING_END_MARKER);
    new RecordingDeltaHandler()
        .listen(protocol, ScriptedBody.of(chunk(ProtocolReplies.OPENAI, "Par", null)))
        .expectFailure(MISSING_END_MARKER);
    new RecordingDeltaHandler()
        .listen(protocol, ScriptedBody.of(bare))
        .expectFailure(MISSING_END_MARKER);
    assertThat(
            new RecordingDeltaHandler()
                .listen(protocol, ScriptedBody.of(bare).thenReset())
                .streamEnd)
        .isNull();
    new RecordingDeltaHandler()
        .listen(protocol, ScriptedBody.of(chunk(ProtocolReplies.OPENAI, WHOLE, "stop")))
        .expectAnswer();
    new RecordingDeltaHandler()
        .listen(protocol, ScriptedBody.of(bare))
        .expectFailure(MISSING_END_MARKER);
    new RecordingDeltaHandler()
        .listen(protocol, ScriptedBody.of(bare))
        .expectFailure(MISSING_END_MARKER);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "[{\"type\":\"text\",\"text\":\"A whole\"},{\"type\":\"text\",\"text\":\" answer.\"}]",
        "[\"A whole\",\" answer.\"]",
        "[{\"type\":\"thinking\",\"thinking\":[{\"type\":\"text\",\"text\":\"hm\"}]},"
            + "{\"type\":\"text\",\"text\":\"A whole answer.\"}]",
        "[{\"type\":\"reference\",\"reference_ids\":[1]},{\"text\":\"A whole answer.\"}]",
        "{\"type\":\"text\",\"text\":\"A whole answer.\"}",
        "[{\"type\":\"text\",\"text\":{\"value\":\"A whole answer.\"}}]"
      })
  void contentMayComeInParts(String content) {
    String ollama = "{\"message\":{\"content\":" + content + "},\"done\":true}";
    String openAi = openAi("\"delta\":{\"content\":" + content + "}" + STOP);
    String whole = openAi("\"message\":{\"content\":" + content + "}" + STOP);

    assertThat(hear(ProtocolReplies.OLLAMA, ollama).expectAnswer()).isEqualTo(WHOLE);
    assertThat(hear(ProtocolReplies.OPENAI, openAi).expectAnswer()).isEqualTo(WHOLE);
    assertThat(hear(ProtocolReplies.OPENAI, whole).expectAnswer()).isEqualTo(WHOLE);
  }

  @ParameterizedTest
  @EnumSource
  void noFieldThatIsNotReadCostsTheAnswer(ProtocolReplies spoken) {
    for (String field :
        List.of(
            "\"x\":NaN",
            "\"x\":[Infinity,-Infinity,.5,007,{\"y\":NaN}]",
            "\"x\":1e99999999999",
            "\"x\":1,\"x\":2,\"x\":null",
            "\"model\":7,\"id\":[1],\"created\":{}",
            "\"modelVersion\":{},\"usage\":[],\"usageMetadata\":\"no\",\"eval_count\":\"no\"",
            "\"usage\":\"no\",\"system_fingerprint\":false")) {
      for (String reply :
          List.of(spoken.stream("A whole", " answer."), spoken.completeReply(WHOLE))) {
        String other = reply.replaceAll("(?m)^(data: )?\\{", "$1{" + field + ",");
        assertThat(hear(spoken, other).expectAnswer()).as(field).isEqualTo(WHOLE);
      }
    }
  }

  @Test
  void theChoiceMayHaveAnyNumber() {
    for (String index : List.of("1", "\"0\"", "null", "{}", "7.5")) {
      String reply =
          (openAi(delta("A whole")) + openAi(delta(" answer.") + STOP))
              .replace("\"index\":0", "\"index\":" + index);
      assertThat(hear(ProtocolReplies.OPENAI, reply).expectAnswer()).isEqualTo(WHOLE);
    }
  }

  private static RecordingDeltaHandler calls(String... deltas) {
    StringBuilder reply = new StringBuilder();
    for (String calls : deltas) {
      reply.append(openAi("\"delta\":{\"tool_calls\":[" + calls + "]}"));
    }
    reply.append(openAi("\"delta\":{},\"finish_reason\":\"tool_calls\""));
    return called(ProtocolReplies.OPENAI, reply.toString());
  }

  private static RecordingDeltaHandler called(ProtocolReplies spoken, String reply) {
    ChatRequest request = ChatRequest.builder().user("x").tool("pay", "pays", "{}").build();
    return new RecordingDeltaHandler(request).listen(spoken.protocol(), ScriptedBody.of(reply));
  }

  private static String call(String more, String arguments) {
    return "{\"index\":0," + more + "\"function\":{\"arguments\":\"" + arguments + "\"}}";
  }

  private static String named(String id, String name, String arguments) {
    return "{\"index\":0,\"id\":\""
        + id
        + "\",\"function\":{\"name\":\""
        + name
        + "\",\"arguments\":\""
        + arguments
        + "\"}}";
  }

  private static final String ONE = "{\\\"n\\\":1}";
  private static final String TWO = "{\\\"n\\\":2}";

  @Test
  void argumentsMayComeAsWholeObjectsOneAfterTheOther() {
    ToolCall one = new ToolCall("a", "pay", "{\"n\":1}");
    for (String placeholder : List.of("{}", " { } ", "")) {
      assertThat(calls(named("a", "pay", placeholder), call("", ONE)).toolCalls)
          .containsExactly(one);
      assertThat(calls(named("a", "pay", ONE), call("", placeholder)).toolCalls)
          .containsExactly(one);
    }
    assertThat(calls(named("a", "pay", "{}"), call("", "{\\\"n"), call("", "\\\":1}")).toolCalls)
        .containsExactly(one);
    assertThat(calls(named("a", "pay", ONE), named("a", "pay", ONE)).toolCalls)
        .containsExactly(one);
    assertThat(calls(named("a", "pay", ONE), named("b", "pay", TWO)).toolCalls).hasSize(2);
    assertThat(calls(named("", "pay", ONE), named("", "lock", TWO)).toolCalls).hasSize(2);
    calls(named("a", "pay", ONE), call("", TWO)).expectFailure(MODEL_STOPPED);
  }

  @Test
  void ollamasPlaceholdersAreKnownByTheirNumber() {
    String first = numbered(0, "pay", "{}");
    ToolCall one = new ToolCall("", "pay", "{\"n\":1}");
    ToolCall none = new ToolCall("", "pay", "{}");
    String end = ProtocolReplies.OLLAMA.end(false);

    assertThat(
            called(ProtocolReplies.OLLAMA, first + numbered(0, "pay", "{\"n\":1}") + end).toolCalls)
        .containsExactly(one);
    assertThat(
            called(ProtocolReplies.OLLAMA, first + numbered(1, "pay", "{\"n\":1}") + end).toolCalls)
        .containsExactly(none, one);
    String both = numbered(0, "pay", "{\"n\":1}") + numbered(0, "pay", "{\"n\":2}");
    assertThat(called(ProtocolReplies.OLLAMA, both + end).toolCalls).hasSize(2);
  }

  private static String numbered(int index, String name, String arguments) {
    return ProtocolReplies.OLLAMA
        .toolCall(name, arguments)
        .replace("{\"name\"", "{\"index\":" + index + ",\"name\"");
  }

  @Test
  void aSnapshotOfToolCallsAddsNone() {
    String made = named("a", "pay", ONE).replace("\"index\":0,", "");
    String deltas = openAi("\"delta\":{\"tool_calls\":[" + named("a", "pay", ONE) + "]}");
    String end = "\"message\":{\"content\":null,\"tool_calls\":[" + made + "]}";

    assertThat(called(ProtocolReplies.OPENAI, deltas + openAi(end + STOP)).toolCalls).hasSize(1);
    called(ProtocolReplies.OPENAI, deltas + openAi(end.replace(":1", ":2") + STOP))
        .expectFailure(MODEL_STOPPED);
  }

  @Test
  void aToolCallThatIsNoneIsTheModelsFaultInAllProtocols() {
    called(
            ProtocolReplies.OLLAMA,
            ProtocolReplies.OLLAMA.toolCall("pay", "[1]") + ProtocolReplies.OLLAMA.end(false))
        .expectFailure(MODEL_STOPPED);
    called(
            ProtocolReplies.OLLAMA,
            ProtocolReplies.OLLAMA.toolCall("", "{}") + ProtocolReplies.OLLAMA.end(false))
        .expectFailure(MODEL_STOPPED);
    called(
            ProtocolReplies.GEMINI,
            ProtocolReplies.GEMINI.toolCall("pay", "[1]") + ProtocolReplies.GEMINI.end(false))
        .expectFailure(MODEL_STOPPED);
    called(
            ProtocolReplies.ANTHROPIC,
            ProtocolReplies.ANTHROPIC.toolCall("pay", "{1}") + ProtocolReplies.ANTHROPIC.end(false))
        .expectFailure(MODEL_STOPPED);
    called(
            ProtocolReplies.OPENAI,
            ProtocolReplies.OPENAI.toolCall("pay", "{\"n\":") + ProtocolReplies.OPENAI.end(false))
        .expectFailure(MODEL_STOPPED);
  }

  @Test
  void anOverflowAndAFilterAreKnownInEveryField() {
    hear(
            ProtocolReplies.OPENAI,
            openAi(delta("x") + ",\"finish_reason\":\"context_window_exceeded\""))
        .expectFailure(CONTEXT_OVERFLOW);
    hear(
            ProtocolReplies.OPENAI,
            openAi(delta("x") + ",\"finish_reason\":{\"type\":\"content_filter\"}"))
        .expectFailure(CONTENT_FILTERED);
  }

  @ParameterizedTest
  @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "OLLAMA")
  void whatKeepsAConnectionOpenTakesNoPieceWithItForWantOfABlankLine(ProtocolReplies spoken) {
    String reply = spoken.textDelta("A whole") + spoken.textDelta(" answer.") + spoken.end(false);
    for (String between :
        List.of(
            "event: ping\ndata: {\"type\":\"ping\"}\n",
            "event: ping\ndata: {}\nevent: message\n",
            "event: ping\n",
            "data: ping\n",
            "data:  \n",
            "data:\n",
            ": alive\n")) {
      String single = between + reply.replace("\n\n", "\n" + between);
      assertThat(hear(spoken, single).expectAnswer()).as(single).isEqualTo(WHOLE);
    }
  }

  @ParameterizedTest
  @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "OLLAMA")
  void anErrorIsNamedBehindAPieceForWantOfABlankLine(ProtocolReplies spoken) {
    String error = "event: error\ndata: {\"message\":\"prompt is too long\"}\n";
    String reply = spoken.textDelta("A whole").replace("\n\n", "\n") + error;
    hear(spoken, reply).expectFailure(CONTEXT_OVERFLOW);
    hear(spoken, reply + "event: done\ndata: {}\n").expectFailure(CONTEXT_OVERFLOW);
  }

  @ParameterizedTest
  @EnumSource
  void aWordThatIsSaidTwiceIsNoSnapshot(ProtocolReplies spoken) {
    for (List<String> words :
        List.of(
            List.of("Hello", " Hello"),
            List.of("good", "bye", " goodbye"),
            List.of("  ", "  paid", "\\n", "    paid", "\\n", "    paid"))) {
      StringBuilder reply = new StringBuilder();
      words.forEach(word -> reply.append(spoken.textDelta(word)));
      assertThat(hear(spoken, reply + spoken.end(false)).expectAnswer())
          .isEqualTo(String.join("", words).replace("\\n", "\n"));
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "FinishReason.STOP",
        "FINISH_REASON_STOP",
        "FinishReasonStop",
        "StopReason.END_TURN",
        "</s>",
        "<|eot_id|>",
        "<|im_end|>",
        "<|endoftext|>",
        "'stop'",
        "eosFound",
        "stopped_by_eos"
      })
  void theEndMayBeNamedWithItsTypeOrByItsToken(String reason) {
    for (ProtocolReplies spoken : ProtocolReplies.values()) {
      assertThat(hear(spoken, chunk(spoken, WHOLE, reason)).expectAnswer()).isEqualTo(WHOLE);
    }
  }

  @Test
  void aBlockedPromptHasAReasonForIt() {
    for (String reason : List.of("", "BLOCK_REASON_UNSPECIFIED")) {
      String first = sse("{\"promptFeedback\":{\"blockReason\":\"" + reason + "\"}}");
      assertThat(
              hear(ProtocolReplies.GEMINI, first + chunk(ProtocolReplies.GEMINI, WHOLE, "STOP"))
                  .expectAnswer())
          .isEqualTo(WHOLE);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"[null]", "{}", "[]", "[\"\"]", "[{}]"})
  void contentThatIsNothingSaysNothing(String content) {
    String nothing = sse("{\"choices\":[{\"index\":0,\"delta\":{\"content\":" + content + "}}]}");
    assertThat(
            hear(ProtocolReplies.OPENAI, nothing + chunk(ProtocolReplies.OPENAI, WHOLE, "stop"))
                .expectAnswer())
        .isEqualTo(WHOLE);
  }

  @Test
  void argumentsInManyPiecesAreReadOnce() {
    StringBuilder reply = new StringBuilder();
    for (int i = 0; i < 20_000; i++) {
      String more = i == 0 ? "{\\\"a\\\":[" : i == 19_999 ? "{}]}" : "{},";
      reply.append(
          sse(
              "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":"
                  + "{\"name\":\"list\",\"arguments\":\""
                  + more
                  + "\"}}]}}]}"));
    }
    ChatRequest request = ChatRequest.builder().user("x").tool("list", "lists", "{}").build();
    ScriptedBody delivery =
        ScriptedBody.of(reply + ProtocolReplies.OPENAI.end(false).replace("stop", "tool_calls"))
            .splitEvery(8192);
    assertTimeoutPreemptively(
        Duration.ofSeconds(5),
        () ->
            new RecordingDeltaHandler(request)
                .listen(ProtocolReplies.OPENAI.protocol(), delivery)
                .expectAnswer());
  }

  @ParameterizedTest
  @EnumSource
  void aSnapshotOfATextThatRepeatsItselfIsNotAddedToIt(ProtocolReplies spoken) {
    String line = "Please pay the invoice.";
    String whole = line + "\\n" + line + "\\n";
    String reply =
        spoken.textDelta("Please pay ")
            + spoken.textDelta("the invoice.")
            + spoken.textDelta("\\n")
            + spoken.textDelta(line)
            + spoken.textDelta("\\n");
    RecordingDeltaHandler partialAnswer = hear(spoken, reply + chunk(spoken, whole, "stop"));
    assertThat(partialAnswer.expectAnswer().strip()).isEqualTo(line + "\n" + line);
    partialAnswer = hear(spoken, reply + spoken.textDelta(whole) + spoken.end(false));
    assertThat(partialAnswer.expectAnswer().strip()).isEqualTo(line + "\n" + line);
  }

  /** A line that has lost its beginning on the way may have been the answer. */
  @ParameterizedTest
  @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "OLLAMA")
  void jsonInALineThatIsNoDataIsNotSkipped(ProtocolReplies spoken) {
    String good = spoken.stream("one", "two", "three");
    int second = good.indexOf("data: ", good.indexOf("one"));
    for (String damaged : List.of("dat: ", "xdata: ", "", "event: ", "da]")) {
      String reply = good.substring(0, second) + damaged + "x" + good.substring(second + 6);
      hear(spoken, reply).expectFailure(UNEXPECTED_RESPONSE);
    }
    String rest = good.substring(0, second) + "data: :\"rest\"}\n\n" + good.substring(second);
    hear(spoken, rest).expectFailure(UNEXPECTED_RESPONSE);
    String behind = good + "dat: {}\n\n";
    assertThat(hear(spoken, behind).expectAnswer()).isEqualTo("onetwothree");
  }

  /** WHATWG HTML, section 9.2: a carriage return alone ends a line as well. */
  @ParameterizedTest
  @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "OLLAMA")
  void aLineMayEndWithACarriageReturn(ProtocolReplies spoken) {
    String reply = chunks(spoken, "A ", "whole ", "answer.");

    for (String said :
        new String[] {
          reply.replace("\n", "\r"),
          reply.replace("\n\n", "\r\n\r"),
          reply.replace("\n", "\r\r\n"),
          "\r" + reply,
          reply.replace("data:", "\rdata:"),
          reply.replace("data:", ": ping\rdata:"),
          reply.replace("data:", "id: 7\rdata:"),
          reply.replace("data:", "retry: 7\r\rdata:")
        }) {
      for (int size : new int[] {1, 7, 10_000}) {
        ScriptedBody delivery = ScriptedBody.of(said).splitEvery(size);
        RecordingDeltaHandler partialAnswer =
            new RecordingDeltaHandler().listen(spoken.protocol(), delivery);
        assertThat(partialAnswer.expectAnswer()).as(said).isEqualTo(WHOLE);
      }
    }
  }

  @Test
  void manyCarriageReturnsTakeNoLongTime() {
    String returns = "\r".repeat(900_000) + "\n";
    ScriptedBody delivery =
        ScriptedBody.of(returns + chunks(ProtocolReplies.OPENAI, WHOLE)).splitEvery(8192);
    assertTimeoutPreemptively(
        Duration.ofSeconds(5),
        () ->
            new RecordingDeltaHandler()
                .listen(ProtocolReplies.OPENAI.protocol(), delivery)
                .expectAnswer());
  }

  @Test
  void norIsItInACommentBetweenLinesOfJson() {
    String good = ProtocolReplies.OLLAMA.stream("one", "two");
    String damaged = good.replace("\n{", "\n:");

    hear(ProtocolReplies.OLLAMA, damaged).expectFailure(UNEXPECTED_RESPONSE);
    hear(ProtocolReplies.OLLAMA, "e}\n" + good).expectFailure(UNEXPECTED_RESPONSE);
    assertThat(hear(ProtocolReplies.OLLAMA, good.replace("\n{", "\n: ping\n{")).expectAnswer())
        .isEqualTo("onetwo");
  }

  @ParameterizedTest
  @EnumSource
  void aNumberBeyondMeasureIsNoMissingText(ProtocolReplies spoken) {
    for (String number : List.of("1e400", "1e99999999999", "-1e99999999999")) {
      String reply = spoken.stream("one", "MARK", "three").replace("\"MARK\"", number);

      hear(spoken, reply).expectFailure(UNEXPECTED_RESPONSE);
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"OPENAI", "GEMINI"})
  void anIndexThatIsNoNumberMakesNoOtherAnswer(ProtocolReplies spoken) {
    for (String index : List.of("true", "null", "{}", "\"x\"")) {
      String one = spoken.textDelta("two").replace("\"index\":0", "\"index\":" + index);
      String reply = spoken.textDelta("one") + one + spoken.end(false);

      assertThat(hear(spoken, reply).expectAnswer()).isEqualTo("onetwo");
    }
  }
}
