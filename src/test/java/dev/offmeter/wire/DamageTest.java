// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.wire;

import static dev.offmeter.FailureKind.ACCESS_DENIED;
import static dev.offmeter.FailureKind.MISSING_END_MARKER;
import static dev.offmeter.FailureKind.RESPONSE_TOO_LARGE;
import static dev.offmeter.FailureKind.STREAM_ERROR;
import static dev.offmeter.FailureKind.TRUNCATED;
import static dev.offmeter.FailureKind.UNEXPECTED_RESPONSE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** What a damaged reply of any protocol is called, and what it may not do. */
class DamageTest {
  private static Heard hear(Spoken spoken, String reply) {
    return hear(spoken, Delivery.of(reply));
  }

  private static Heard hear(Spoken spoken, Delivery delivery) {
    return new Heard().listen(spoken.protocol(), delivery);
  }

  /** It is the server that died, not a stranger that answered. */
  @ParameterizedTest
  @EnumSource
  void aCutStreamIsCalledOne(Spoken spoken) {
    String first = spoken.piece("Dear");
    byte[] all = (first + spoken.stream(" Zoë 🚲", " true")).getBytes(StandardCharsets.UTF_8);
    for (int length = first.length(); length < all.length; length++) {
      Heard heard = hear(spoken, Delivery.of(Arrays.copyOf(all, length)));
      if (heard.ending == null) {
        assertThat(heard.failure.kind())
            .as("cut after " + length)
            .isIn(MISSING_END_MARKER, TRUNCATED);
      }
    }
  }

  @ParameterizedTest
  @EnumSource
  void aCutReplyThatDidNotStreamIsCalledOne(Spoken spoken) {
    String whole = spoken.whole("Zoë 🚲").replaceFirst("\\{", "{\"x\":[true,null,-1.5e3,{}],");
    byte[] all = whole.getBytes(StandardCharsets.UTF_8);
    for (int length = 1; length < all.length; length++) {
      hear(spoken, Delivery.of(Arrays.copyOf(all, length))).failed(TRUNCATED);
    }
  }

  @ParameterizedTest
  @EnumSource
  void nonsenseThatIsWholeIsNoCut(Spoken spoken) {
    hear(spoken, "{\"x\":oops}").failed(UNEXPECTED_RESPONSE);
    hear(spoken, spoken.whole("hi").replace("\"hi\"", "'hi'")).failed(UNEXPECTED_RESPONSE);
    hear(spoken, spoken.stream("hi").replace("\"hi\"", "hi")).failed(UNEXPECTED_RESPONSE);
  }

  @ParameterizedTest
  @EnumSource
  void eachPieceIsHandedOnBeforeTheNextIsAwaited(Spoken spoken) {
    Heard heard = new Heard();
    List<Integer> before = new ArrayList<>();
    Delivery delivery =
        Delivery.inParts(spoken.piece("a"), spoken.piece("b"), spoken.piece("c"), spoken.end(false))
            .beforeEach(() -> before.add(heard.pieces.size()));

    assertThat(heard.listen(spoken.protocol(), delivery).answer()).isEqualTo("abc");
    assertThat(before).startsWith(0, 1, 2, 3);
  }

  /** Gemini's end is the end of the body. */
  @ParameterizedTest
  @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "GEMINI")
  void nothingIsAwaitedAfterTheEnd(Spoken spoken) {
    String[] parts = {spoken.piece("a"), spoken.end(false)};
    AtomicInteger reads = new AtomicInteger();
    Delivery delivery =
        Delivery.inParts(parts)
            .beforeEach(
                () -> {
                  if (reads.incrementAndGet() > parts.length) {
                    fail("a server that keeps its connection open would hang the call");
                  }
                });

    assertThat(hear(spoken, delivery).answer()).isEqualTo("a");
  }

  @ParameterizedTest
  @EnumSource
  void anErrorIsOneHoweverItIsSplit(Spoken spoken) {
    String reply = spoken.piece("Par") + spoken.error("the engine died");
    for (int size : new int[] {1, 2, 3, 7, 1000}) {
      Failure failure = hear(spoken, Delivery.of(reply).inPiecesOf(size)).failed(STREAM_ERROR);
      assertThat(failure).hasMessage("the engine died");
    }
  }

  @ParameterizedTest
  @EnumSource
  void aLoginPageIsOneHoweverItIsSplit(Spoken spoken) {
    String page = "<html><a href=\"https://team.cloudflareaccess.com/cdn-cgi/access/login/x\">";
    for (int size : new int[] {1, 2, 3, 7, 1000}) {
      hear(spoken, Delivery.of(page).inPiecesOf(size)).failed(ACCESS_DENIED);
      hear(spoken, Delivery.of("\ufeff \n" + page).inPiecesOf(size)).failed(ACCESS_DENIED);
    }
  }

  @ParameterizedTest
  @EnumSource
  void deepNestingAndEndlessNumbersAreRefused(Spoken spoken) {
    String deep = "[".repeat(100_000) + "]".repeat(100_000);
    for (String value : List.of(deep, "9".repeat(100_000))) {
      for (String reply : List.of(spoken.stream("hi"), spoken.whole("hi"))) {
        hear(spoken, reply.replaceFirst("\\{", "{\"x\":" + value + ",")).failed(RESPONSE_TOO_LARGE);
      }
    }
  }

  @ParameterizedTest
  @CsvSource({"OLLAMA, content", "OPENAI, content", "GEMINI, text", "ANTHROPIC, text"})
  void ofAFieldThatComesTwiceTheLastCountsThatSaysAnything(Spoken spoken, String name) {
    String once = "\"" + name + "\":\"hi\"";
    for (String reply : List.of(spoken.stream("hi"), spoken.whole("hi"))) {
      assertThat(reply).contains(once);
      for (String nothing : List.of("", ",\"" + name + "\":null", ",\"" + name + "\":\"\"")) {
        String twice = "\"" + name + "\":\"no\"," + once + nothing;
        assertThat(hear(spoken, reply.replace(once, twice)).answer()).isEqualTo("hi");
        assertThat(hear(spoken, reply.replace(once, once + "," + once)).answer()).isEqualTo("hi");
      }
    }
  }

  @ParameterizedTest
  @EnumSource
  void aTextOfAnotherTypeIsNoAnswer(Spoken spoken) {
    String[] pieces = {"a", "MARK"};
    for (String other : List.of("7", "true", "{\"a\":1}", "[7]", "[{\"text\":7}]")) {
      hear(spoken, spoken.stream(pieces).replace("\"MARK\"", other)).failed(UNEXPECTED_RESPONSE);
      hear(spoken, spoken.whole("MARK").replace("\"MARK\"", other)).failed(UNEXPECTED_RESPONSE);
    }
    assertThat(hear(spoken, spoken.stream(pieces).replace("\"MARK\"", "null")).answer())
        .isEqualTo("a");
  }

  /** What would be skipped in silence may have been the answer. */
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
  void textWhereNoneBelongsIsNotSkipped(Spoken spoken, String object) {
    String event = spoken == Spoken.OLLAMA ? object + "\n" : "data: " + object + "\n\n";

    Failure failure = hear(spoken, event + spoken.stream("hi")).failed(UNEXPECTED_RESPONSE);

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
    hear(Spoken.ANTHROPIC, whole).failed(UNEXPECTED_RESPONSE);
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
  void whatIsMissingOrNullIsSkipped(Spoken spoken, String object) {
    String event = "data: " + object + "\n\n";

    assertThat(hear(spoken, event + spoken.stream("hi")).answer()).isEqualTo("hi");
    Failure alone = hear(spoken, event).failure;
    assertThat(alone).isNotNull();
    assertThat(alone.kind()).isIn(MISSING_END_MARKER, UNEXPECTED_RESPONSE);
  }

  @ParameterizedTest
  @EnumSource
  void aBodyWithoutAnEndFillsNoMemory(Spoken spoken) {
    for (String start : List.of("data: ", ": ", "{\"x\":\"", "{\"x\":[", "x")) {
      Delivery delivery = Delivery.of(start + "1".repeat(300_000)).inPiecesOf(1000);
      AtomicInteger reads = new AtomicInteger();
      Heard heard =
          new Heard()
              .listen(spoken.limited(20_000, 100_000), delivery.beforeEach(reads::incrementAndGet));

      assertThat(heard.failure.kind()).isIn(RESPONSE_TOO_LARGE, UNEXPECTED_RESPONSE);
      assertThat(reads.get()).as("pieces of 1000 bytes").isLessThan(150);
    }
  }

  @ParameterizedTest
  @EnumSource
  void noFailureTellsWhatTheAnswerWas(Spoken spoken) {
    String reply = spoken.thought("secret") + spoken.stream("secret ", "secret");
    for (int cut = 0; cut < reply.length(); cut++) {
      for (String rest : List.of("", "\"", "}", "\n\n{", "\n\n<html>", "\n\ndata: {\"")) {
        Failure failure = hear(spoken, reply.substring(0, cut) + rest).failure;
        if (failure != null) {
          assertThat(failure.message()).doesNotContain("secret");
        }
      }
    }
  }
}
