// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire.ollama;

import static dev.offmeter.FailureKind.ACCESS_DENIED;
import static dev.offmeter.FailureKind.CONTEXT_OVERFLOW;
import static dev.offmeter.FailureKind.MISSING_END_MARKER;
import static dev.offmeter.FailureKind.RESPONSE_TOO_LARGE;
import static dev.offmeter.FailureKind.STREAM_ERROR;
import static dev.offmeter.FailureKind.TRUNCATED;
import static dev.offmeter.FailureKind.UNEXPECTED_RESPONSE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import dev.offmeter.ChatRequest;
import dev.offmeter.FailureKind;
import dev.offmeter.FinishReason;
import dev.offmeter.Usage;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.wire.RecordedReply;
import dev.offmeter.internal.wire.RecordingDeltaHandler;
import dev.offmeter.internal.wire.ScriptedBody;
import dev.offmeter.internal.wire.StreamEnd;
import dev.offmeter.testing.ProtocolReplies;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The body of an HTTP 200 is read as an answer or as a failure. */
class OllamaReplyTest {
  private static final String STOP =
      "{\"message\":{\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\"}";

  private static RecordingDeltaHandler recorded(String name) {
    return RecordingDeltaHandler.from(RecordedReply.read(name).body());
  }

  private static String piece(String content) {
    return "{\"message\":{\"content\":" + content + "},\"done\":false}\n";
  }

  private static String last(String fields) {
    return "{\"message\":{\"content\":\"hi\"},\"done\":true,\"done_reason\":\"stop\","
        + fields
        + "}";
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      ignoreLeadingAndTrailingWhitespace = true,
      value = {
        "0.24-chat-stream | ' three' | tiny | STOP | 24 | 2",
        "0.32-chat-stream | ' three' | tiny | STOP | 24 | 2",
        "0.32-chat | ' three' | tiny | STOP | 24 | 2",
        "0.32-chat-length | ' three that night day and old as three two is two a "
            + "day and light river in for it river' | tiny-slow | LENGTH | 24 | 20",
        "0.24-think-stream | 'large in' | tiny-think | STOP | 24 | 10",
        "0.32-think-stream | 'light two light that green runs that green a' | "
            + "tiny-think | LENGTH | 24 | 16",
        "0.24-think-tags | 'large in' | tiny-think | STOP | 24 | 10",
        "0.32-think-tags | 'light two light that green runs that green a' | "
            + "tiny-think | LENGTH | 24 | 16"
      })
  void readsWhatAServerSent(
      String name, String text, String model, FinishReason reason, int input, int output) {
    RecordingDeltaHandler partialAnswer = recorded(name);

    assertThat(partialAnswer.expectAnswer()).isEqualTo(text);
    Usage usage = partialAnswer.streamEnd.usage();
    assertThat(usage.computeTime()).isPositive();
    assertThat(usage.loadTime()).isPositive();
    assertThat(partialAnswer.streamEnd)
        .isEqualTo(
            new StreamEnd(
                model,
                new Usage(input, output).withTimes(usage.computeTime(), usage.loadTime()),
                reason));
  }

  @ParameterizedTest
  @CsvSource({
    "0.24-think-stream, 'Let me think about this.\n'",
    "0.32-think-stream, 'Let me think about this.\n'",
    "0.32-think-tags, '\nLet me think about this.\n'",
    "0.24-think-tags, '\nLet me think about this.\n'",
    "0.32-think-cut, Let me think",
    "0.32-chat-stream, ''"
  })
  void keepsThinkingApart(String name, String thinking) {
    assertThat(recorded(name).thinking).hasToString(thinking);
  }

  /** The reply reader accepts an answer without text; {@code AnswerValidator} rejects it. */
  @ParameterizedTest
  @CsvSource({
    "0.32-think-cut, LENGTH, 3",
    "0.32-tools-stream, STOP, 5",
    "0.32-think-tools-stream, STOP, 10"
  })
  void anAnswerMayEndWithoutText(String name, FinishReason reason, int tokens) {
    RecordingDeltaHandler partialAnswer = recorded(name);

    assertThat(partialAnswer.expectAnswer()).isEmpty();
    assertThat(partialAnswer.streamEnd.finishReason()).isEqualTo(reason);
    assertThat(partialAnswer.streamEnd.usage().outputTokens()).isEqualTo(tokens);
  }

  @ParameterizedTest
  @ValueSource(strings = {"0.24-error-after-tokens", "0.32-error-after-tokens"})
  void anErrorAfterTheFirstTokensFailsTheAnswer(String name) {
    RecordingDeltaHandler partialAnswer = recorded(name);

    assertThat(partialAnswer.expectFailure(STREAM_ERROR))
        .hasMessage("an error was encountered while running the model: unexpected EOF");
    assertThat(partialAnswer.text).hasToString(" three that night day");
  }

  @ParameterizedTest
  @ValueSource(strings = {"load", "unload"})
  void aStatusReportIsNoAnswer(String reason) {
    assertThat(recorded("0.32-" + reason).expectFailure(UNEXPECTED_RESPONSE))
        .hasMessageContaining(reason);
  }

  static Stream<Arguments> errors() {
    return Stream.of(
        arguments("\"boom\"", STREAM_ERROR, "boom"),
        arguments("\" boom\\n\"", STREAM_ERROR, "boom"),
        arguments("{\"message\":\"boom\",\"code\":500}", STREAM_ERROR, "boom"),
        arguments("{\"code\":500}", STREAM_ERROR, "an error without a message"),
        arguments("\"{\\\"error\\\":{\\\"message\\\":\\\"boom\\\"}}\"", STREAM_ERROR, "boom"),
        arguments("\"{not json}\"", STREAM_ERROR, "{not json}"),
        arguments("17", STREAM_ERROR, "an error without a message"),
        arguments("\"\"", STREAM_ERROR, ""),
        arguments(
            "\"the input length exceeds the context length\"", CONTEXT_OVERFLOW, "input length"),
        arguments(
            "\"{\\\"error\\\":{\\\"code\\\":400,\\\"message\\\":\\\"6019 tokens\\\","
                + "\\\"type\\\":\\\"exceed_context_size_error\\\"}}\"",
            CONTEXT_OVERFLOW,
            "6019 tokens"));
  }

  @ParameterizedTest
  @MethodSource("errors")
  void anErrorObjectIsAFailureInEveryShape(String error, FailureKind kind, String message) {
    String line = "{\"error\":" + error + "}";

    assertThat(RecordingDeltaHandler.from(line).expectFailure(kind)).hasMessageContaining(message);
    assertThat(RecordingDeltaHandler.from(piece("\"Par\"") + line).expectFailure(kind))
        .hasMessageContaining(message);
    // An error outweighs an end marker beside it.
    RecordingDeltaHandler.from("{\"done\":true,\"done_reason\":\"stop\",\"error\":" + error + "}")
        .expectFailure(kind);
  }

  @Test
  void aNullErrorIsNone() {
    assertThat(RecordingDeltaHandler.from(last("\"error\":null")).expectAnswer()).isEqualTo("hi");
  }

  @Test
  void aNullErrorHidesNone() {
    assertThat(
            RecordingDeltaHandler.from(last("\"error\":\"boom\",\"error\":null"))
                .expectFailure(STREAM_ERROR))
        .hasMessage("boom");
    assertThat(
            RecordingDeltaHandler.from("{\"error\":\"boom\"}\n" + last("\"error\":null"))
                .expectFailure(STREAM_ERROR))
        .hasMessage("boom");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{\"message\":{\"content\":\"a\"},\"message\":{\"content\":\"b\"}} | b",
        "{\"message\":{\"content\":\"a\"},\"message\":{\"role\":\"assistant\"}} | a",
        "{\"message\":{\"content\":\"a\"},\"message\":null} | a",
        "{\"message\":{\"content\":\"a\",\"content\":\"b\"}} | b",
        "{\"message\":{\"content\":\"a\",\"role\":\"assistant\",\"content\":\"\"}} | a",
        "{\"message\":{\"thinking\":\"a\",\"content\":\"b\",\"thinking\":null}} | b"
      })
  void ofAFieldThatComesTwiceTheLastCountsThatSaysAnything(String line, String text) {
    assertThat(RecordingDeltaHandler.from(line + "\n" + STOP).expectAnswer()).isEqualTo(text);
  }

  @Test
  void aTextInEachLineIsNotTwice() {
    String both = "{\"message\":{\"thinking\":\"t\",\"content\":\"a\"},\"done\":false}\n";

    assertThat(RecordingDeltaHandler.from(both + both + STOP).expectAnswer()).isEqualTo("aa");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"message\":{\"role\":\"assistant\",\"content\":\"Par\"},\"done\":false}",
        "{\"message\":{\"content\":\"Par\"},"
            + "\"done\":false}\n{\"message\":{\"content\":\"is\"},\"done\":false}\n",
        "{\"message\":{\"content\":\"Paris\"}}",
        "{\"model\":\"\",\"created_at\":\"0001-01-01T00:00:00Z\","
            + "\"message\":{\"role\":\"\",\"content\":\"\"},\"done\":false}"
      })
  void withoutItsEndMarkerAnAnswerIsIncomplete(String reply) {
    RecordingDeltaHandler.from(reply).expectFailure(MISSING_END_MARKER);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "\"done\":true",
        "\"done\":true,\"done_reason\":\"\"",
        "\"done\":true,\"done_reason\":null",
        "\"done\":true,\"done_reason\":17",
        "\"done\":true,\"done_reason\":\"STOP\"",
        "\"done\":\"true\",\"done_reason\":\"stop\"",
        "\"done\":1,\"done_reason\":\"stop\"",
        "\"done\":null,\"done_reason\":\"stop\"",
        "\"done\":{},\"done_reason\":\"stop\"",
        "\"done_reason\":\"stop\""
      })
  void eitherHalfOfTheEndMarkerIsEnoughAtTheEndOfTheBody(String marker) {
    String last = "{\"message\":{\"content\":\"is\"}," + marker + "}";

    assertThat(RecordingDeltaHandler.from(piece("\"Par\"") + last).expectAnswer())
        .isEqualTo("Paris");
    if (!marker.startsWith("\"done\":true")) {
      RecordingDeltaHandler broken =
          new RecordingDeltaHandler()
              .listen(RecordingDeltaHandler.OLLAMA, ScriptedBody.of(last + "\n").thenReset());
      assertThat(broken.streamEnd).isNull();
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "[{\"type\":\"text\",\"text\":\"hi\"}]",
        "{\"text\":\"hi\"}",
        "[\"h\",\"i\"]",
        "\"hi\",\"thinking\":true",
        "\"hi\",\"thinking\":{\"a\":NaN}"
      })
  void contentMayComeInPartsAndThinkingInAnyShape(String content) {
    assertThat(RecordingDeltaHandler.from(piece(content) + STOP).expectAnswer()).isEqualTo("hi");
  }

  @Test
  void thinkingThatEndsTwiceLeavesNoClearAnswer() {
    String content = "<think>They want </think> gone. Threaten.</think>Dear customer";

    RecordingDeltaHandler.from(piece("\"" + content + "\"") + STOP)
        .expectFailure(MISSING_END_MARKER);
    assertThat(RecordingDeltaHandler.from(piece("\"why</think>Dear\"") + STOP).expectAnswer())
        .isEqualTo("Dear");
  }

  @Test
  void theReasonOfAnEarlierLineEndsNothing() {
    String early = "{\"message\":{\"content\":\"Par\"},\"done\":false,\"done_reason\":\"stop\"}\n";

    RecordingDeltaHandler.from(early + piece("\"is\"")).expectFailure(MISSING_END_MARKER);
    assertThat(
            RecordingDeltaHandler.from(early + "{\"message\":{\"content\":\"is\"},\"done\":true}")
                .expectAnswer())
        .isEqualTo("Paris");
  }

  @Test
  void anEndMarkerInsideAnotherFieldEndsNothing() {
    RecordingDeltaHandler.from(
            "{\"message\":{\"content\":\"Par\",\"done\":true,\"done_reason\":\"stop\"}}")
        .expectFailure(MISSING_END_MARKER);
    RecordingDeltaHandler.from(
            "{\"message\":{\"content\":\"P\"},\"x\":{\"done\":true,\"done_reason\":\"stop\"}}")
        .expectFailure(MISSING_END_MARKER);
    RecordingDeltaHandler.from("{\"message\":{\"content\":\"P\"},\"done\":{\"done\":true}}")
        .expectFailure(MISSING_END_MARKER);
    RecordingDeltaHandler.from("{\"message\":{\"content\":\"P\"},\"done\":[true]}")
        .expectFailure(MISSING_END_MARKER);
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "\n", "\r\n\r\n", "   "})
  void anEmptyBodyIsIncomplete(String body) {
    RecordingDeltaHandler.from(body).expectFailure(MISSING_END_MARKER);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{}",
        "{}\n{}\n",
        "[]",
        "[" + "{\"error\":{\"message\":\"quota\"}}" + "]",
        "null",
        "true",
        "42",
        "\"Ollama is running\"",
        "Ollama is running",
        "404 page not found",
        "hello",
        "data: {\"choices\":[]}\n\ndata: [DONE]\n\n",
        "{\"status\":\"ok\"}",
        "{\"id\":\"chatcmpl-1\",\"choices\":[{\"message\":{\"content\":\"hi\"},"
            + "\"finish_reason\":\"stop\"}]}",
        "{\"models\":[]}",
        "{\"model\":\"m\",\"response\":\"hi\"}",
        "{\"message\":\"ok\"}",
        "{\"message\":[\"ok\"]}",
        "{\"message\":true}",
        "{\"message\":{\"content\":42},\"done\":true,\"done_reason\":\"stop\"}",
        "{\"message\":{\"content\":\"hi\"} \"done\":true}",
        "{message:{}}",
        "{\"message\":{\"content\":\"raw \n line break\"},\"done\":true,\"done_reason\":\"stop\"}",
        "}{",
        "\u0000\u0000"
      })
  void anythingElseIsNoAnswer(String body) {
    RecordingDeltaHandler.from(body).expectFailure(UNEXPECTED_RESPONSE);
  }

  @Test
  void aWrongLineAfterGoodOnesIsNoAnswerEither() {
    RecordingDeltaHandler.from(piece("\"Par\"") + "<html></html>")
        .expectFailure(UNEXPECTED_RESPONSE);
    RecordingDeltaHandler.from(piece("\"Par\"") + piece("7") + STOP)
        .expectFailure(UNEXPECTED_RESPONSE);
    RecordingDeltaHandler.from(piece("\"Par\"") + "[7]\n" + STOP)
        .expectFailure(UNEXPECTED_RESPONSE);
    RecordingDeltaHandler.from(piece("\"Par\"") + "\nevents: x\n" + STOP)
        .expectFailure(UNEXPECTED_RESPONSE);
    RecordingDeltaHandler.from(piece("\"Par\"") + "\nrunning\n" + STOP)
        .expectFailure(UNEXPECTED_RESPONSE);
  }

  @Test
  void aNullTextIsAnEmptyOne() {
    assertThat(
            RecordingDeltaHandler.from(
                    "{\"message\":null}\n" + piece("null") + piece("\"hi\"") + STOP)
                .expectAnswer())
        .isEqualTo("hi");
  }

  @ParameterizedTest
  @ValueSource(strings = {" ", "\\n", "\\t \\u2003"})
  void blankTextIsHandedOnAsItIs(String blank) {
    assertThat(RecordingDeltaHandler.from(piece("\"" + blank + "\"") + STOP).expectAnswer())
        .isBlank()
        .isNotEmpty();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "\"eval_count\":3,\"prompt_eval_count\":2 | 2 | 3",
        "\"eval_count\":0 | 0 | 0",
        "\"eval_count\":-5,\"prompt_eval_count\":null | 0 | 0",
        "\"eval_count\":\"3\",\"prompt_eval_count\":[1] | 0 | 0",
        "\"eval_count\":{\"a\":1},\"prompt_eval_count\":7 | 7 | 0",
        "\"eval_count\":9999999999,\"prompt_eval_count\":7 | 7 | 0",
        "\"eval_count\":99999999999999999999999999,\"prompt_eval_count\":1 | 1 | 0",
        "\"eval_count\":3.0,\"prompt_eval_count\":1e1 | 10 | 3",
        "\"x\":1 | 0 | 0"
      })
  void noCountCostsTheAnswer(String fields, int input, int output) {
    RecordingDeltaHandler partialAnswer = RecordingDeltaHandler.from(last(fields));

    assertThat(partialAnswer.expectAnswer()).isEqualTo("hi");
    Usage usage = partialAnswer.streamEnd.usage();
    assertThat(usage.inputTokens()).isEqualTo(input);
    assertThat(usage.outputTokens()).isEqualTo(output);
    assertThat(usage.reported()).isEqualTo(input > 0 && output > 0);
  }

  @Test
  void aLineWithoutTextAddsNone() {
    String reply =
        piece("\"hi\"")
            + "{\"message\":{\"role\":\"assistant\"},\"done\":false}\n"
            + "{\"message\":{\"thinking\":\"t\"},\"done\":false}\n"
            + "{\"created_at\":\"2026-11-21T09:17:27Z\",\"done\":false}\n"
            + "{\"done\":true,\"done_reason\":\"stop\"}\n";

    RecordingDeltaHandler partialAnswer = RecordingDeltaHandler.from(reply);

    assertThat(partialAnswer.expectAnswer()).isEqualTo("hi");
    assertThat(partialAnswer.thinking).hasToString("t");
  }

  @Test
  void reportsTheModelThatTheServerNames() {
    assertThat(RecordingDeltaHandler.from("{\"model\":\"other\"}\n" + STOP).streamEnd.model())
        .isEqualTo("other");
    assertThat(RecordingDeltaHandler.from(STOP).streamEnd.model()).isEmpty();
    assertThat(RecordingDeltaHandler.from(last("\"model\":null")).streamEnd.model()).isEmpty();
  }

  @Test
  void fieldsThatAreNotKnownAreSkipped() {
    String known =
        "\"logprobs\":[{\"token\":\"hi\",\"top\":[1,{\"done\":true}]}],\"remote_host\":\"x\"";

    assertThat(RecordingDeltaHandler.from(last(known)).expectAnswer()).isEqualTo("hi");
    assertThat(
            RecordingDeltaHandler.from(
                    "{\"message\":{\"tool_calls\":[{\"content\":\"no\"}],\"content\":\"hi\","
                        + "\"images\":[{\"thinking\":1}]},\"done\":true,"
                        + "\"done_reason\":\"length\"}")
                .expectAnswer())
        .isEqualTo("hi");
  }

  static Stream<Arguments> pages() {
    return Stream.of(
        arguments(
            "<!DOCTYPE html><html><head><title>Login</title></head>",
            UNEXPECTED_RESPONSE,
            "\"Login\""),
        arguments("<html><body>no title</body></html>", UNEXPECTED_RESPONSE, "an HTML page"),
        arguments("\n \t\r\n<html><title>Home</title>", UNEXPECTED_RESPONSE, "\"Home\""),
        arguments("\ufeff<html><title>Marked</title>", UNEXPECTED_RESPONSE, "\"Marked\""),
        arguments("<?xml version=\"1.0\"?><Error/>", UNEXPECTED_RESPONSE, "an HTML page"),
        arguments("<", UNEXPECTED_RESPONSE, "an HTML page"),
        arguments(
            "<!DOCTYPE html><title>Sign in</title><form action=\"/cdn-cgi/access/callback\">",
            ACCESS_DENIED,
            "service token"),
        arguments(
            " <html><a href=\"https://team.cloudflareaccess.com/cdn-cgi/access/login/x\">",
            ACCESS_DENIED,
            "service token"),
        arguments(
            "<html>" + "x".repeat(40_000) + "/cdn-cgi/access/login</html>",
            ACCESS_DENIED,
            "service token"));
  }

  @ParameterizedTest
  @MethodSource("pages")
  void aPageIsNamedHoweverItArrives(String page, FailureKind kind, String message) {
    for (int size : new int[] {1, 2, 1000, 1 << 20}) {
      AttemptException failure =
          RecordingDeltaHandler.from(ScriptedBody.of(page).splitEvery(size)).expectFailure(kind);

      assertThat(failure).hasMessageContaining(message);
      assertThat(failure.status()).isEqualTo(200);
      assertThat(failure.message().length()).isLessThan(200);
    }
  }

  @Test
  void aJsonReplyThatMentionsAccessIsNoPage() {
    assertThat(
            RecordingDeltaHandler.from(piece("\"<a href='/cdn-cgi/access/'>\"") + STOP)
                .expectAnswer())
        .isEqualTo("<a href='/cdn-cgi/access/'>");
  }

  @Test
  void textThatIsNotUtf8IsNoAnswer() {
    byte[][] wrong = {
      {(byte) 0xc3, 0x28},
      {(byte) 0xff},
      {(byte) 0x80},
      {(byte) 0xf8, (byte) 0x88},
      {(byte) 0xe2, 0x28, (byte) 0xa1}
    };
    for (byte[] bytes : wrong) {
      String text = new String(bytes, StandardCharsets.ISO_8859_1);
      byte[] reply = last("\"x\":1").replace("hi", text).getBytes(StandardCharsets.ISO_8859_1);

      RecordingDeltaHandler.from(ScriptedBody.of(reply)).expectFailure(UNEXPECTED_RESPONSE);
    }
  }

  static Stream<Arguments> oddByteOrders() {
    return Stream.of(
        arguments(new byte[] {0, 0, (byte) 0xff, (byte) 0xfe, '{', '}'}),
        arguments(new byte[] {(byte) 0xfe, (byte) 0xff, 0, 0, '{', '}'}),
        arguments(new byte[] {0, '{', 0, 0, 0, '}', 0, 0}),
        arguments(new byte[] {0, 0, 0, '{', 0x7f, 0, 0, 0}));
  }

  @ParameterizedTest
  @MethodSource("oddByteOrders")
  void anUnknownEncodingIsNotTakenForABrokenConnection(byte[] body) {
    RecordingDeltaHandler.from(ScriptedBody.of(body)).expectFailure(UNEXPECTED_RESPONSE);
  }

  @Test
  void aByteOrderMarkIsSkipped() {
    assertThat(RecordingDeltaHandler.from("\ufeff" + last("\"x\":1")).expectAnswer())
        .isEqualTo("hi");
    assertThat(
            RecordingDeltaHandler.from(ScriptedBody.of("\ufeff" + last("\"x\":1")).splitEvery(1))
                .expectAnswer())
        .isEqualTo("hi");
  }

  @Test
  void deepNestingIsRefusedBeforeItHurts() {
    assertThat(RecordingDeltaHandler.from(last("\"x\":" + nested(500))).expectAnswer())
        .isEqualTo("hi");
    RecordingDeltaHandler.from(last("\"x\":" + nested(100_000))).expectFailure(RESPONSE_TOO_LARGE);
    RecordingDeltaHandler.from("{\"error\":" + nested(100_000) + "}")
        .expectFailure(RESPONSE_TOO_LARGE);
    RecordingDeltaHandler.from("{\"message\":{\"x\":" + nested(100_000) + "}}")
        .expectFailure(RESPONSE_TOO_LARGE);
    RecordingDeltaHandler.from(nested(100_000)).expectFailure(RESPONSE_TOO_LARGE);
  }

  private static String nested(int depth) {
    return "[".repeat(depth) + "]".repeat(depth);
  }

  private static final ChatRequest TOOLS =
      ChatRequest.builder().user("hello").tool("f", "does", "{}").build();

  @Test
  void aTreeOfManySmallValuesIsTooLargeWhereverItStands() {
    for (String value : List.of("{}", "[]", "1.1", "\"\"", "null", "{\"a\":[]}")) {
      String many = "[" + (value + ",").repeat(200_001) + value + "]";
      RecordingDeltaHandler.from("{\"error\":" + many + "}").expectFailure(RESPONSE_TOO_LARGE);
      RecordingDeltaHandler.from("{\"message\":{\"content\":" + many + "}}")
          .expectFailure(RESPONSE_TOO_LARGE);
      RecordingDeltaHandler.from("{\"message\":{\"detail\":" + many + "}}")
          .expectFailure(RESPONSE_TOO_LARGE);
      String call = ProtocolReplies.OLLAMA.toolCall("f", "{\"a\":" + many + "}");
      new RecordingDeltaHandler(TOOLS)
          .listen(ProtocolReplies.OLLAMA.protocol(), ScriptedBody.of(call))
          .expectFailure(RESPONSE_TOO_LARGE);
    }
  }

  @ParameterizedTest
  @EnumSource(ProtocolReplies.class)
  void toolCallsWithoutNumberAreTooLarge(ProtocolReplies spoken) {
    String number = (spoken == ProtocolReplies.OPENAI ? "\"tool_calls\":[{" : "") + "\"index\":";
    boolean counted = spoken == ProtocolReplies.OPENAI || spoken == ProtocolReplies.ANTHROPIC;
    StringBuilder calls = new StringBuilder();
    for (int i = 0; i <= 1000; i++) {
      calls.append(
          spoken.toolCall("f", "{\"a\":1}").replace(number + "0", number + (counted ? i : 0)));
    }
    new RecordingDeltaHandler(TOOLS)
        .listen(spoken.protocol(), ScriptedBody.of(calls.toString()))
        .expectFailure(RESPONSE_TOO_LARGE);
  }

  @Test
  void severalTreesInOneLineAreCountedTogether() {
    String many = "[" + "[],".repeat(120_000) + "[]]";
    RecordingDeltaHandler.from("{\"error\":" + many + ",\"detail\":" + many + "}")
        .expectFailure(RESPONSE_TOO_LARGE);
  }

  @Test
  void aNumberWithoutEndIsRefused() {
    RecordingDeltaHandler.from(last("\"x\":" + "9".repeat(100_000)))
        .expectFailure(RESPONSE_TOO_LARGE);
    RecordingDeltaHandler.from(last("\"eval_count\":" + "9".repeat(100_000)))
        .expectFailure(RESPONSE_TOO_LARGE);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{",
        "{\"message\":{\"content\":\"Par",
        "{\"message\":{\"content\":\"Par\"},\"done\":",
        "{\"message\":{\"content\":\"Par\"},\"done\":true,\"done_reason\":\"stop\"",
        "{\"message\":{\"content\":\"Par\\u00"
      })
  void aLineThatBreaksOffIsACutAnswer(String reply) {
    RecordingDeltaHandler.from(reply).expectFailure(TRUNCATED);
    RecordingDeltaHandler.from(piece("\"x\"") + reply).expectFailure(TRUNCATED);
  }
}
