// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import static dev.offmeter.FailureKind.EMPTY_ANSWER;
import static dev.offmeter.FailureKind.MISSING_END_MARKER;
import static dev.offmeter.FailureKind.RESPONSE_TOO_LARGE;
import static dev.offmeter.FailureKind.STREAM_ERROR;
import static dev.offmeter.FailureKind.TRUNCATED;
import static dev.offmeter.FailureKind.UNEXPECTED_RESPONSE;
import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse.ToolCall;
import dev.offmeter.FailureKind;
import dev.offmeter.FinishReason;
import dev.offmeter.Usage;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.testing.ProtocolReplies;
import java.nio.charset.StandardCharsets;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Every protocol treats its servers' replies alike. */
class ContractTest {
  private static final String ANSWER = "Dear Zoë 🚲,\n\npay \"now\".";
  private static final String[] PIECES = {"Dear Zo", "ë 🚲", ",\\n\\n", "pay \\\"now\\\"."};

  private static RecordingDeltaHandler hear(ProtocolReplies spoken, String reply) {
    return new RecordingDeltaHandler().listen(spoken.protocol(), ScriptedBody.of(reply));
  }

  @ParameterizedTest
  @EnumSource(ProtocolReplies.class)
  void aStreamIsReadWholeHoweverItIsSplit(ProtocolReplies spoken) {
    String reply = spoken.stream(PIECES);
    int length = reply.getBytes(StandardCharsets.UTF_8).length;
    for (int size : new int[] {1, 2, 3, 7, 1000, length}) {
      ScriptedBody delivery = ScriptedBody.of(reply).splitEvery(size);
      assertThat(new RecordingDeltaHandler().listen(spoken.protocol(), delivery).expectAnswer())
          .isEqualTo(ANSWER);
    }
    for (int position = 1; position < length; position++) {
      ScriptedBody delivery = ScriptedBody.of(reply).splitAt(position);
      assertThat(new RecordingDeltaHandler().listen(spoken.protocol(), delivery).expectAnswer())
          .isEqualTo(ANSWER);
    }
  }

  @ParameterizedTest
  @EnumSource(ProtocolReplies.class)
  void eachPieceIsHandedOnAsItComes(ProtocolReplies spoken) {
    assertThat(hear(spoken, spoken.stream("a", "b", "c")).deltas).containsExactly("a", "b", "c");
  }

  @ParameterizedTest
  @EnumSource(ProtocolReplies.class)
  void theEndTellsModelTokensAndReason(ProtocolReplies spoken) {
    StreamEnd streamEnd = hear(spoken, spoken.stream("hi")).streamEnd;

    assertThat(streamEnd.model()).isEqualTo("m");
    assertThat(streamEnd.usage().inputTokens()).isEqualTo(3);
    assertThat(streamEnd.usage().outputTokens()).isEqualTo(2);
    assertThat(streamEnd.finishReason()).isEqualTo(FinishReason.STOP);
    assertThat(hear(spoken, spoken.textDelta("hi") + spoken.end(true)).streamEnd.finishReason())
        .isEqualTo(FinishReason.LENGTH);
  }

  @ParameterizedTest
  @EnumSource(ProtocolReplies.class)
  void aReplyThatIsNotStreamedIsAStreamOfOne(ProtocolReplies spoken) {
    for (String space : new String[] {"", "\n", " \r\n"}) {
      RecordingDeltaHandler partialAnswer =
          hear(spoken, space + spoken.completeReply("hi") + space);
      assertThat(partialAnswer.expectAnswer()).isEqualTo("hi");
      assertThat(partialAnswer.streamEnd.usage()).isEqualTo(new Usage(3, 2));
      assertThat(partialAnswer.streamEnd.model()).isEqualTo("m");
    }
  }

  @ParameterizedTest
  @EnumSource(ProtocolReplies.class)
  void lineEndsMayBeThoseOfWindows(ProtocolReplies spoken) {
    String reply = spoken.stream("a", "b").replace("\n", "\r\n");

    assertThat(hear(spoken, reply).expectAnswer()).isEqualTo("ab");
  }

  @ParameterizedTest
  @EnumSource(value = ProtocolReplies.class, names = "OLLAMA", mode = EnumSource.Mode.EXCLUDE)
  void commentsAndUnknownFieldsBetweenEventsAreSkipped(ProtocolReplies spoken) {
    String ping = ": ping\n\n:\n\nid: 7\nretry: 10\n\n";
    String reply =
        ping + spoken.textDelta("a") + ping + spoken.textDelta("b") + ping + spoken.end(false);

    assertThat(hear(spoken, reply).expectAnswer()).isEqualTo("ab");
  }

  @ParameterizedTest
  @EnumSource(ProtocolReplies.class)
  void withoutItsEndMarkerAnAnswerIsIncomplete(ProtocolReplies spoken) {
    hear(spoken, spoken.textDelta("Par") + spoken.textDelta("is"))
        .expectFailure(MISSING_END_MARKER);
  }

  @ParameterizedTest
  @EnumSource(ProtocolReplies.class)
  void cutAnywhereItIsNoAnswer(ProtocolReplies spoken) {
    String reply = spoken.stream("Dear", " Zoe");
    int whole = wholeFrom(spoken, reply);
    for (int length = 0; length < whole; length++) {
      RecordingDeltaHandler partialAnswer = hear(spoken, reply.substring(0, length));
      assertThat(partialAnswer.streamEnd).as("cut after " + length).isNull();
      assertThat(partialAnswer.failure.kind())
          .isIn(MISSING_END_MARKER, TRUNCATED, UNEXPECTED_RESPONSE);
      ScriptedBody breaking = ScriptedBody.of(reply.substring(0, length)).thenReset();
      assertThat(new RecordingDeltaHandler().listen(spoken.protocol(), breaking).streamEnd)
          .isNull();
    }
  }

  /** Returns the position from which on the end marker has come: a count follows, or nothing. */
  private static int wholeFrom(ProtocolReplies spoken, String reply) {
    return switch (spoken) {
      case OPENAI -> reply.indexOf("\"finish_reason\":\"stop\"");
      case GEMINI -> reply.indexOf("\"finishReason\":\"STOP\"");
      case ANTHROPIC -> reply.indexOf("\"stop_reason\":\"end_turn\"");
      default -> reply.lastIndexOf('}');
    };
  }

  @ParameterizedTest
  @EnumSource(ProtocolReplies.class)
  void anErrorIsAFailureWhereverItComes(ProtocolReplies spoken) {
    for (String before :
        new String[] {"", spoken.textDelta("Par"), spoken.textDelta("Par") + "\n"}) {
      AttemptException failure =
          hear(spoken, before + spoken.error("out of memory")).expectFailure(STREAM_ERROR);
      assertThat(failure.message()).isEqualTo("out of memory");
    }
  }

  @ParameterizedTest
  @EnumSource(ProtocolReplies.class)
  void anErrorThatStandsAloneAsJsonIsOneToo(ProtocolReplies spoken) {
    String alone = "{\n  \"error\": {\n    \"message\": \"boom\"\n  }\n}\n";

    assertThat(hear(spoken, alone).expectFailure(STREAM_ERROR).message()).isEqualTo("boom");
    hear(spoken, spoken.textDelta("Par") + alone).expectFailure(STREAM_ERROR);
  }

  @ParameterizedTest
  @EnumSource(ProtocolReplies.class)
  void thinkingIsKeptApart(ProtocolReplies spoken) {
    RecordingDeltaHandler partialAnswer =
        hear(spoken, spoken.thinkingDelta("hm") + spoken.textDelta("hi") + spoken.end(false));

    assertThat(partialAnswer.expectAnswer()).isEqualTo("hi");
    assertThat(partialAnswer.thinking).hasToString("hm");
  }

  @ParameterizedTest
  @EnumSource(ProtocolReplies.class)
  void toolCallsComeWhole(ProtocolReplies spoken) {
    ChatRequest request = ChatRequest.builder().user("x").tool("pay", "pays", "{}").build();
    String reply = spoken.toolCall("pay", "{\"sum\":12.50}") + spoken.end(false);

    RecordingDeltaHandler partialAnswer =
        new RecordingDeltaHandler(request)
            .listen(spoken.protocol(), ScriptedBody.of(reply).splitEvery(5));
    partialAnswer.expectAnswer();
    assertThat(partialAnswer.toolCalls).containsExactly(new ToolCall("", "pay", "{\"sum\":12.50}"));
    RecordingDeltaHandler unasked = hear(spoken, reply);
    unasked.expectAnswer();
    assertThat(unasked.toolCalls).isEmpty();
  }

  @ParameterizedTest
  @EnumSource(ProtocolReplies.class)
  void whatIsNoReplyIsNoAnswer(ProtocolReplies spoken) {
    String[] bodies = {
      "<!DOCTYPE html><title>Sign in</title>",
      "Ollama is running",
      "404 page not found",
      "{}",
      "{\"status\":\"ok\"}",
      "[]",
      "[[]]",
      "null",
      "42",
      "{\"models\":[]}",
      "}{",
      "\u0000"
    };
    for (String body : bodies) {
      hear(spoken, body).expectFailure(UNEXPECTED_RESPONSE);
    }
    hear(spoken, "").expectFailure(MISSING_END_MARKER);
    hear(spoken, " \n\n").expectFailure(MISSING_END_MARKER);
  }

  @ParameterizedTest
  @EnumSource(ProtocolReplies.class)
  void theReplyOfAnotherProtocolIsNoAnswer(ProtocolReplies spoken) {
    for (ProtocolReplies other : ProtocolReplies.values()) {
      if (other != spoken) {
        assertThat(hear(spoken, other.stream("hi")).streamEnd).as(other.name()).isNull();
        assertThat(hear(spoken, other.completeReply("hi")).streamEnd).as(other.name()).isNull();
      }
    }
  }

  @ParameterizedTest
  @EnumSource(ProtocolReplies.class)
  void lineAndAnswerHaveTheirLimits(ProtocolReplies spoken) {
    String reply = spoken.stream("x".repeat(100_000));

    limited(spoken, 20_000, 1 << 20, reply).expectFailure(RESPONSE_TOO_LARGE);
    limited(spoken, 1 << 20, 50_000, reply).expectFailure(RESPONSE_TOO_LARGE);
    limited(spoken, 1 << 20, 50_000, spoken.completeReply("x".repeat(100_000)))
        .expectFailure(RESPONSE_TOO_LARGE);
    assertThat(limited(spoken, 1 << 20, 1 << 20, reply).expectAnswer()).hasSize(100_000);
    String endless = spoken.textDelta("y".repeat(900)).repeat(100);
    limited(spoken, 1 << 20, 50_000, endless).expectFailure(RESPONSE_TOO_LARGE);
  }

  private static RecordingDeltaHandler limited(
      ProtocolReplies spoken, long line, long answer, String reply) {
    return new RecordingDeltaHandler()
        .listen(spoken.protocolWithLimits(line, answer), ScriptedBody.of(reply));
  }

  @ParameterizedTest
  @EnumSource(ProtocolReplies.class)
  void textThatIsNotUtf8IsNoAnswer(ProtocolReplies spoken) {
    byte[] bytes = spoken.stream("hi?").getBytes(StandardCharsets.ISO_8859_1);
    for (int i = 0; i < bytes.length; i++) {
      if (bytes[i] == '?') {
        bytes[i] = (byte) 0xff;
      }
    }
    new RecordingDeltaHandler()
        .listen(spoken.protocol(), ScriptedBody.of(bytes))
        .expectFailure(UNEXPECTED_RESPONSE);
  }

  @ParameterizedTest
  @EnumSource(ProtocolReplies.class)
  void aByteOrderMarkIsSkipped(ProtocolReplies spoken) {
    assertThat(hear(spoken, "\ufeff" + spoken.stream("hi")).expectAnswer()).isEqualTo("hi");
  }

  @ParameterizedTest
  @EnumSource(ProtocolReplies.class)
  void noDamageMakesAnotherAnswerOfIt(ProtocolReplies spoken) {
    Set<FailureKind> allowed =
        Set.of(
            MISSING_END_MARKER,
            TRUNCATED,
            UNEXPECTED_RESPONSE,
            STREAM_ERROR,
            RESPONSE_TOO_LARGE,
            EMPTY_ANSWER,
            FailureKind.MODEL_STOPPED,
            FailureKind.CONTENT_FILTERED);
    String reply = spoken.stream("canary one", " canary two", " canary three");
    Random random = new Random(42);
    for (int round = 0; round < 3_000; round++) {
      StringBuilder damaged = new StringBuilder(reply);
      int from = random.nextInt(reply.length());
      int to = Math.min(reply.length(), from + 1 + random.nextInt(30));
      damaged.delete(from, to);
      RecordingDeltaHandler partialAnswer = hear(spoken, damaged.toString());
      if (partialAnswer.failure != null) {
        assertThat(partialAnswer.failure.kind()).isIn(allowed);
        assertThat(partialAnswer.failure.message()).doesNotContain("canary");
      } else {
        assertThat(partialAnswer.ioFailure).isNull();
        assertThat(partialAnswer.streamEnd).isNotNull();
      }
    }
  }
}
