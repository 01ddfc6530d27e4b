// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.wire;

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
import java.nio.charset.StandardCharsets;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What every protocol must do with what its servers say. */
class ContractTest {
  private static final String ANSWER = "Dear Zoë 🚲,\n\npay \"now\".";
  private static final String[] PIECES = {"Dear Zo", "ë 🚲", ",\\n\\n", "pay \\\"now\\\"."};

  private static Heard hear(Spoken spoken, String reply) {
    return new Heard().listen(spoken.protocol(), Delivery.of(reply));
  }

  @ParameterizedTest
  @EnumSource(Spoken.class)
  void aStreamIsReadWholeHoweverItIsSplit(Spoken spoken) {
    String reply = spoken.stream(PIECES);
    int length = reply.getBytes(StandardCharsets.UTF_8).length;
    for (int size : new int[] {1, 2, 3, 7, 1000, length}) {
      Delivery delivery = Delivery.of(reply).inPiecesOf(size);
      assertThat(new Heard().listen(spoken.protocol(), delivery).answer()).isEqualTo(ANSWER);
    }
    for (int position = 1; position < length; position++) {
      Delivery delivery = Delivery.of(reply).splitAt(position);
      assertThat(new Heard().listen(spoken.protocol(), delivery).answer()).isEqualTo(ANSWER);
    }
  }

  @ParameterizedTest
  @EnumSource(Spoken.class)
  void eachPieceIsHandedOnAsItComes(Spoken spoken) {
    assertThat(hear(spoken, spoken.stream("a", "b", "c")).pieces).containsExactly("a", "b", "c");
  }

  @ParameterizedTest
  @EnumSource(Spoken.class)
  void theEndTellsModelTokensAndReason(Spoken spoken) {
    Ending ending = hear(spoken, spoken.stream("hi")).ending;

    assertThat(ending.model()).isEqualTo("m");
    assertThat(ending.usage()).isEqualTo(new Usage(3, 2));
    assertThat(ending.finishReason()).isEqualTo(FinishReason.STOP);
    assertThat(hear(spoken, spoken.piece("hi") + spoken.end(true)).ending.finishReason())
        .isEqualTo(FinishReason.LENGTH);
  }

  @ParameterizedTest
  @EnumSource(Spoken.class)
  void aReplyThatIsNotStreamedIsAStreamOfOne(Spoken spoken) {
    for (String space : new String[] {"", "\n", " \r\n"}) {
      Heard heard = hear(spoken, space + spoken.whole("hi") + space);
      assertThat(heard.answer()).isEqualTo("hi");
      assertThat(heard.ending.usage()).isEqualTo(new Usage(3, 2));
      assertThat(heard.ending.model()).isEqualTo("m");
    }
  }

  @ParameterizedTest
  @EnumSource(Spoken.class)
  void lineEndsMayBeThoseOfWindows(Spoken spoken) {
    String reply = spoken.stream("a", "b").replace("\n", "\r\n");

    assertThat(hear(spoken, reply).answer()).isEqualTo("ab");
  }

  @ParameterizedTest
  @EnumSource(value = Spoken.class, names = "OLLAMA", mode = EnumSource.Mode.EXCLUDE)
  void commentsAndUnknownFieldsBetweenEventsAreSkipped(Spoken spoken) {
    String ping = ": ping\n\n:\n\nid: 7\nretry: 10\n\n";
    String reply = ping + spoken.piece("a") + ping + spoken.piece("b") + ping + spoken.end(false);

    assertThat(hear(spoken, reply).answer()).isEqualTo("ab");
  }

  @ParameterizedTest
  @EnumSource(Spoken.class)
  void withoutItsEndMarkerAnAnswerIsIncomplete(Spoken spoken) {
    hear(spoken, spoken.piece("Par") + spoken.piece("is")).failed(MISSING_END_MARKER);
  }

  @ParameterizedTest
  @EnumSource(Spoken.class)
  void cutAnywhereItIsNoAnswer(Spoken spoken) {
    String reply = spoken.stream("Dear", " Zoe");
    int whole = wholeFrom(spoken, reply);
    for (int length = 0; length < whole; length++) {
      Heard heard = hear(spoken, reply.substring(0, length));
      assertThat(heard.ending).as("cut after " + length).isNull();
      assertThat(heard.failure.kind()).isIn(MISSING_END_MARKER, TRUNCATED, UNEXPECTED_RESPONSE);
      Delivery breaking = Delivery.of(reply.substring(0, length)).thenBreaks();
      assertThat(new Heard().listen(spoken.protocol(), breaking).ending).isNull();
    }
  }

  /** From where on the end marker has come: what follows is a count, or nothing. */
  private static int wholeFrom(Spoken spoken, String reply) {
    return switch (spoken) {
      case OPENAI -> reply.indexOf("\"finish_reason\":\"stop\"");
      case GEMINI -> reply.indexOf("\"finishReason\":\"STOP\"");
      case ANTHROPIC -> reply.indexOf("\"stop_reason\":\"end_turn\"");
      default -> reply.lastIndexOf('}');
    };
  }

  @ParameterizedTest
  @EnumSource(Spoken.class)
  void anErrorIsAFailureWhereverItComes(Spoken spoken) {
    for (String before : new String[] {"", spoken.piece("Par"), spoken.piece("Par") + "\n"}) {
      Failure failure = hear(spoken, before + spoken.error("out of memory")).failed(STREAM_ERROR);
      assertThat(failure.message()).isEqualTo("out of memory");
    }
  }

  @ParameterizedTest
  @EnumSource(Spoken.class)
  void anErrorThatStandsAloneAsJsonIsOneToo(Spoken spoken) {
    String alone = "{\n  \"error\": {\n    \"message\": \"boom\"\n  }\n}\n";

    assertThat(hear(spoken, alone).failed(STREAM_ERROR).message()).isEqualTo("boom");
    hear(spoken, spoken.piece("Par") + alone).failed(STREAM_ERROR);
  }

  @ParameterizedTest
  @EnumSource(Spoken.class)
  void thinkingIsKeptApart(Spoken spoken) {
    Heard heard = hear(spoken, spoken.thought("hm") + spoken.piece("hi") + spoken.end(false));

    assertThat(heard.answer()).isEqualTo("hi");
    assertThat(heard.thinking).hasToString("hm");
  }

  @ParameterizedTest
  @EnumSource(Spoken.class)
  void toolCallsComeWhole(Spoken spoken) {
    ChatRequest request = ChatRequest.builder().user("x").tool("pay", "pays", "{}").build();
    String reply = spoken.call("pay", "{\"sum\":12.50}") + spoken.end(false);

    Heard heard = new Heard(request).listen(spoken.protocol(), Delivery.of(reply).inPiecesOf(5));
    heard.answer();
    assertThat(heard.toolCalls).containsExactly(new ToolCall("", "pay", "{\"sum\":12.50}"));
    Heard unasked = hear(spoken, reply);
    unasked.answer();
    assertThat(unasked.toolCalls).isEmpty();
  }

  @ParameterizedTest
  @EnumSource(Spoken.class)
  void whatIsNoReplyIsNoAnswer(Spoken spoken) {
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
      hear(spoken, body).failed(UNEXPECTED_RESPONSE);
    }
    hear(spoken, "").failed(MISSING_END_MARKER);
    hear(spoken, " \n\n").failed(MISSING_END_MARKER);
  }

  @ParameterizedTest
  @EnumSource(Spoken.class)
  void theReplyOfAnotherProtocolIsNoAnswer(Spoken spoken) {
    for (Spoken other : Spoken.values()) {
      if (other != spoken) {
        assertThat(hear(spoken, other.stream("hi")).ending).as(other.name()).isNull();
        assertThat(hear(spoken, other.whole("hi")).ending).as(other.name()).isNull();
      }
    }
  }

  @ParameterizedTest
  @EnumSource(Spoken.class)
  void lineAndAnswerHaveTheirLimits(Spoken spoken) {
    String reply = spoken.stream("x".repeat(100_000));

    limited(spoken, 20_000, 1 << 20, reply).failed(RESPONSE_TOO_LARGE);
    limited(spoken, 1 << 20, 50_000, reply).failed(RESPONSE_TOO_LARGE);
    limited(spoken, 1 << 20, 50_000, spoken.whole("x".repeat(100_000))).failed(RESPONSE_TOO_LARGE);
    assertThat(limited(spoken, 1 << 20, 1 << 20, reply).answer()).hasSize(100_000);
    String endless = spoken.piece("y".repeat(900)).repeat(100);
    limited(spoken, 1 << 20, 50_000, endless).failed(RESPONSE_TOO_LARGE);
  }

  private static Heard limited(Spoken spoken, long line, long answer, String reply) {
    return new Heard().listen(spoken.limited(line, answer), Delivery.of(reply));
  }

  @ParameterizedTest
  @EnumSource(Spoken.class)
  void textThatIsNotUtf8IsNoAnswer(Spoken spoken) {
    byte[] bytes = spoken.stream("hi?").getBytes(StandardCharsets.ISO_8859_1);
    for (int i = 0; i < bytes.length; i++) {
      if (bytes[i] == '?') {
        bytes[i] = (byte) 0xff;
      }
    }
    new Heard().listen(spoken.protocol(), Delivery.of(bytes)).failed(UNEXPECTED_RESPONSE);
  }

  @ParameterizedTest
  @EnumSource(Spoken.class)
  void aByteOrderMarkIsSkipped(Spoken spoken) {
    assertThat(hear(spoken, "\ufeff" + spoken.stream("hi")).answer()).isEqualTo("hi");
  }

  @ParameterizedTest
  @EnumSource(Spoken.class)
  void noDamageMakesAnotherAnswerOfIt(Spoken spoken) {
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
      Heard heard = hear(spoken, damaged.toString());
      if (heard.failure != null) {
        assertThat(heard.failure.kind()).isIn(allowed);
        assertThat(heard.failure.message()).doesNotContain("canary");
      } else {
        assertThat(heard.broken).isNull();
        assertThat(heard.ending).isNotNull();
      }
    }
  }
}
