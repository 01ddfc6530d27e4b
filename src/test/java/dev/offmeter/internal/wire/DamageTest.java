// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import static dev.offmeter.FailureKind.ACCESS_DENIED;
import static dev.offmeter.FailureKind.MISSING_END_MARKER;
import static dev.offmeter.FailureKind.RESPONSE_TOO_LARGE;
import static dev.offmeter.FailureKind.STREAM_ERROR;
import static dev.offmeter.FailureKind.TRUNCATED;
import static dev.offmeter.FailureKind.UNEXPECTED_RESPONSE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import dev.offmeter.internal.AttemptException;
import dev.offmeter.testing.ProtocolReplies;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** A damaged reply of any protocol fails with the right kind, and never passes as an answer. */
class DamageTest {
  private static RecordingDeltaHandler hear(ProtocolReplies spoken, String reply) {
    return hear(spoken, ScriptedBody.of(reply));
  }

  private static RecordingDeltaHandler hear(ProtocolReplies spoken, ScriptedBody delivery) {
    return new RecordingDeltaHandler().listen(spoken.protocol(), delivery);
  }

  /** A reply that is cut is the server's, not a stranger's: its kind must say so. */
  @ParameterizedTest
  @EnumSource
  void aCutStreamIsCalledOne(ProtocolReplies spoken) {
    String first = spoken.textDelta("Dear");
    byte[] all = (first + spoken.stream(" Zoë 🚲", " true")).getBytes(StandardCharsets.UTF_8);
    for (int length = first.length(); length < all.length; length++) {
      RecordingDeltaHandler partialAnswer =
          hear(spoken, ScriptedBody.of(Arrays.copyOf(all, length)));
      if (partialAnswer.streamEnd == null) {
        assertThat(partialAnswer.failure.kind())
            .as("cut after " + length)
            .isIn(MISSING_END_MARKER, TRUNCATED);
      }
    }
  }

  @ParameterizedTest
  @EnumSource
  void aCutReplyThatDidNotStreamIsCalledOne(ProtocolReplies spoken) {
    String whole =
        spoken.completeReply("Zoë 🚲").replaceFirst("\\{", "{\"x\":[true,null,-1.5e3,{}],");
    byte[] all = whole.getBytes(StandardCharsets.UTF_8);
    for (int length = 1; length < all.length; length++) {
      hear(spoken, ScriptedBody.of(Arrays.copyOf(all, length))).expectFailure(TRUNCATED);
    }
  }

  @ParameterizedTest
  @EnumSource
  void nonsenseThatIsWholeIsNoCut(ProtocolReplies spoken) {
    hear(spoken, "{\"x\":oops}").expectFailure(UNEXPECTED_RESPONSE);
    hear(spoken, spoken.completeReply("hi").replace("\"hi\"", "'hi'"))
        .expectFailure(UNEXPECTED_RESPONSE);
    hear(spoken, spoken.stream("hi").replace("\"hi\"", "hi")).expectFailure(UNEXPECTED_RESPONSE);
  }

  @ParameterizedTest
  @EnumSource
  void eachPieceIsHandedOnBeforeTheNextIsAwaited(ProtocolReplies spoken) {
    RecordingDeltaHandler partialAnswer = new RecordingDeltaHandler();
    List<Integer> before = new ArrayList<>();
    ScriptedBody delivery =
        ScriptedBody.ofParts(
                spoken.textDelta("a"),
                spoken.textDelta("b"),
                spoken.textDelta("c"),
                spoken.end(false))
            .beforeEach(() -> before.add(partialAnswer.deltas.size()));

    assertThat(partialAnswer.listen(spoken.protocol(), delivery).expectAnswer()).isEqualTo("abc");
    assertThat(before).startsWith(0, 1, 2, 3);
  }

  /** Gemini's end is the end of the body. */
  @ParameterizedTest
  @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "GEMINI")
  void nothingIsAwaitedAfterTheEnd(ProtocolReplies spoken) {
    String[] parts = {spoken.textDelta("a"), spoken.end(false)};
    AtomicInteger reads = new AtomicInteger();
    ScriptedBody delivery =
        ScriptedBody.ofParts(parts)
            .beforeEach(
                () -> {
                  if (reads.incrementAndGet() > parts.length) {
                    fail("a server that keeps its connection open would hang the call");
                  }
                });

    assertThat(hear(spoken, delivery).expectAnswer()).isEqualTo("a");
  }

  @ParameterizedTest
  @EnumSource
  void anErrorIsOneHoweverItIsSplit(ProtocolReplies spoken) {
    String reply = spoken.textDelta("Par") + spoken.error("the engine died");
    for (int size : new int[] {1, 2, 3, 7, 1000}) {
      AttemptException failure =
          hear(spoken, ScriptedBody.of(reply).splitEvery(size)).expectFailure(STREAM_ERROR);
      assertThat(failure).hasMessage("the engine died");
    }
  }

  @ParameterizedTest
  @EnumSource
  void aLoginPageIsOneHoweverItIsSplit(ProtocolReplies spoken) {
    String page = "<html><a href=\"https://team.cloudflareaccess.com/cdn-cgi/access/login/x\">";
    for (int size : new int[] {1, 2, 3, 7, 1000}) {
      hear(spoken, ScriptedBody.of(page).splitEvery(size)).expectFailure(ACCESS_DENIED);
      hear(spoken, ScriptedBody.of("\ufeff \n" + page).splitEvery(size))
          .expectFailure(ACCESS_DENIED);
    }
  }

  @ParameterizedTest
  @EnumSource
  void deepNestingAndEndlessNumbersAreRefused(ProtocolReplies spoken) {
    String deep = "[".repeat(100_000) + "]".repeat(100_000);
    for (String value : List.of(deep, "9".repeat(100_000))) {
      for (String reply : List.of(spoken.stream("hi"), spoken.completeReply("hi"))) {
        hear(spoken, reply.replaceFirst("\\{", "{\"x\":" + value + ","))
            .expectFailure(RESPONSE_TOO_LARGE);
      }
    }
  }

  @ParameterizedTest
  @CsvSource({"OLLAMA, content", "OPENAI, content", "GEMINI, text", "ANTHROPIC, text"})
  void ofAFieldThatComesTwiceTheLastCountsThatSaysAnything(ProtocolReplies spoken, String name) {
    String once = "\"" + name + "\":\"hi\"";
    for (String reply : List.of(spoken.stream("hi"), spoken.completeReply("hi"))) {
      assertThat(reply).contains(once);
      for (String nothing : List.of("", ",\"" + name + "\":null", ",\"" + name + "\":\"\"")) {
        String twice = "\"" + name + "\":\"no\"," + once + nothing;
        assertThat(hear(spoken, reply.replace(once, twice)).expectAnswer()).isEqualTo("hi");
        assertThat(hear(spoken, reply.replace(once, once + "," + once)).expectAnswer())
            .isEqualTo("hi");
      }
    }
  }

  @ParameterizedTest
  @EnumSource
  void aTextOfAnotherTypeIsNoAnswer(ProtocolReplies spoken) {
    String[] pieces = {"a", "MARK"};
    for (String other : List.of("7", "true", "{\"a\":1}", "[7]", "[{\"text\":7}]")) {
      hear(spoken, spoken.stream(pieces).replace("\"MARK\"", other))
          .expectFailure(UNEXPECTED_RESPONSE);
      hear(spoken, spoken.completeReply("MARK").replace("\"MARK\"", other))
          .expectFailure(UNEXPECTED_RESPONSE);
    }
    assertThat(hear(spoken, spoken.stream(pieces).replace("\"MARK\"", "null")).expectAnswer())
        .isEqualTo("a");
  }

  /** A value of a wrong type may have been the answer, so it is not skipped in silence. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "OLLAMA | {\"message\":\"lost\",\"done\":false}",
        "OPENAI | {\"choices\":{\"a\":{\"delta\":{\"content\":\"lost\"}}}}",
        "OPENAI | {\"choices\":\"lost\"}",
        "OPENAI | {\"choices\":[\"lost\"]}",
        "OPENAI | {\"choices\":[[{\"delta\":{\"content\":\"lost\"}}]]}",
        "OPENAI | {\"choices\":[{\"delta\":\"lost\"}]}",
        "OPENAI | {\"choices\":[{\"message\":[\"lost\"]}]}",
        "GEMINI | {\"candidates\":{\"a\":{\"content\":{\"parts\":[{\"text\":\"lost\"}]}}}}",
        "GEMINI | {\"candidates\":[\"lost\"]}",
        "GEMINI | {\"candidates\":[{\"content\":\"lost\"}]}",
        "GEMINI | {\"candidates\":[{\"content\":[{\"parts\":[{\"text\":\"lost\"}]}]}]}",
        "GEMINI | {\"candidates\":[{\"content\":{\"parts\":\"lost\"}}]}",
        "GEMINI | {\"candidates\":[{\"content\":{\"parts\":{\"text\":\"lost\"}}}]}",
        "GEMINI | {\"candidates\":[{\"content\":{\"parts\":[\"lost\"]}}]}",
        "ANTHROPIC | {\"type\":\"message_start\",\"message\":\"lost\"}",
        "ANTHROPIC | {\"type\":\"content_block_start\",\"content_block\":\"lost\"}",
        "ANTHROPIC | {\"type\":\"content_block_delta\",\"delta\":\"lost\"}",
        "ANTHROPIC | {\"type\":\"content_block_delta\",\"delta\":[\"lost\"]}"
      })
  void textWhereNoneBelongsIsNotSkipped(ProtocolReplies spoken, String object) {
    String event = spoken == ProtocolReplies.OLLAMA ? object + "\n" : "data: " + object + "\n\n";

    AttemptException failure =
        hear(spoken, event + spoken.stream("hi")).expectFailure(UNEXPECTED_RESPONSE);

    assertThat(failure.message()).doesNotContain("lost");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{\"type\":\"message\",\"content\":\"lost\",\"stop_reason\":\"end_turn\"}",
        "{\"type\":\"message\",\"content\":[\"lost\"],\"stop_reason\":\"end_turn\"}"
      })
  void norIsItInAReplyThatDidNotStream(String whole) {
    hear(ProtocolReplies.ANTHROPIC, whole).expectFailure(UNEXPECTED_RESPONSE);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "OPENAI | {\"choices\":null}",
        "OPENAI | {\"choices\":[]}",
        "OPENAI | {\"choices\":[{\"index\":0,\"delta\":null}]}",
        "OPENAI | {\"choices\":[{\"index\":0}]}",
        "GEMINI | {\"candidates\":null}",
        "GEMINI | {\"candidates\":[]}",
        "GEMINI | {\"candidates\":[{}]}",
        "GEMINI | {\"candidates\":[{\"content\":null}]}",
        "GEMINI | {\"candidates\":[{\"content\":{\"parts\":null}}]}",
        "ANTHROPIC | {\"type\":null}",
        "ANTHROPIC | {\"type\":\"ping\"}",
        "ANTHROPIC | {\"type\":\"content_block_delta\",\"delta\":null}",
        "ANTHROPIC | {\"type\":\"content_block_start\",\"content_block\":null}"
      })
  void whatIsMissingOrNullIsSkipped(ProtocolReplies spoken, String object) {
    String event = "data: " + object + "\n\n";

    assertThat(hear(spoken, event + spoken.stream("hi")).expectAnswer()).isEqualTo("hi");
    AttemptException alone = hear(spoken, event).failure;
    assertThat(alone).isNotNull();
    assertThat(alone.kind()).isIn(MISSING_END_MARKER, UNEXPECTED_RESPONSE);
  }

  @ParameterizedTest
  @EnumSource
  void aBodyWithoutAnEndFillsNoMemory(ProtocolReplies spoken) {
    for (String start : List.of("data: ", ": ", "{\"x\":\"", "{\"x\":[", "x")) {
      ScriptedBody delivery = ScriptedBody.of(start + "1".repeat(300_000)).splitEvery(1000);
      AtomicInteger reads = new AtomicInteger();
      RecordingDeltaHandler partialAnswer =
          new RecordingDeltaHandler()
              .listen(
                  spoken.protocolWithLimits(20_000, 100_000),
                  delivery.beforeEach(reads::incrementAndGet));

      assertThat(partialAnswer.failure.kind()).isIn(RESPONSE_TOO_LARGE, UNEXPECTED_RESPONSE);
      assertThat(reads.get()).as("pieces of 1000 bytes").isLessThan(150);
    }
  }

  @ParameterizedTest
  @EnumSource
  void noFailureTellsWhatTheAnswerWas(ProtocolReplies spoken) {
    String reply = spoken.thinkingDelta("secret") + spoken.stream("secret ", "secret");
    for (int cut = 0; cut < reply.length(); cut++) {
      for (String rest : List.of("", "\"", "}", "\n\n{", "\n\n<html>", "\n\ndata: {\"")) {
        AttemptException failure = hear(spoken, reply.substring(0, cut) + rest).failure;
        if (failure != null) {
          assertThat(failure.message()).doesNotContain("secret");
        }
      }
    }
  }
}
