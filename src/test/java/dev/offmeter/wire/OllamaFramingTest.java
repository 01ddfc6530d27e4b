// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.wire;

import static dev.offmeter.FailureKind.MISSING_END_MARKER;
import static dev.offmeter.FailureKind.RESPONSE_TOO_LARGE;
import static dev.offmeter.FailureKind.TRUNCATED;
import static dev.offmeter.FailureKind.UNEXPECTED_RESPONSE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import dev.offmeter.FinishReason;
import dev.offmeter.Usage;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** An answer is whole or it is none, however its bytes arrive. */
class OllamaFramingTest {
  private static final String LAST =
      "{\"model\":\"m\",\"message\":{\"content\":\" End.\"},\"done\":true,\"done_reason\":\"stop\","
          + "\"prompt_eval_count\":24,\"eval_count\":135}\n";

  /** Every kind of thing that a cut could fall into. */
  private static final String STREAM =
      line("{\"content\":\"\",\"thinking\":\"Überlegung 🤔\"}")
          + line("{\"role\":\"assistant\",\"content\":\"Gr\\u00fc\\u00dfe, \"}")
          + line("{\"content\":\"日本 🚲\\ud83d\\udeb2 \\\"x\\\"\\n\"}")
          + line("{\"content\":\"a < b\",\"tool_calls\":[{\"a\":[1.5e3,null,false]}]}")
          + LAST;

  private static final byte[] BYTES = STREAM.getBytes(StandardCharsets.UTF_8);
  private static final String TEXT = "Grüße, 日本 🚲🚲 \"x\"\na < b End.";

  private static String line(String message) {
    return "{\"model\":\"m\",\"created_at\":\"2026-11-21T09:17:27.2Z\",\"message\":"
        + message
        + ",\"done\":false}\n";
  }

  private static String piece(String text) {
    return "{\"message\":{\"content\":\"" + text + "\"},\"done\":false}\n";
  }

  private static void assertWhole(Heard heard) {
    assertThat(heard.answer()).isEqualTo(TEXT);
    assertThat(heard.thinking).hasToString("Überlegung 🤔");
    assertThat(heard.ending).isEqualTo(new Ending("m", new Usage(24, 135), FinishReason.STOP));
  }

  @Test
  void splitAnywhereItComesOutWhole() {
    assertWhole(Heard.from(Delivery.of(BYTES)));
    for (int position = 0; position <= BYTES.length; position++) {
      assertWhole(Heard.from(Delivery.of(BYTES).splitAt(position)));
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 5, 7, 64, 127})
  void inSmallPiecesItComesOutWhole(int size) {
    assertWhole(Heard.from(Delivery.of(BYTES).inPiecesOf(size)));
  }

  /** How a body may end that was cut. */
  enum Cut {
    CLEANLY,
    CLEANLY_IN_SMALL_PIECES,
    BROKEN,
    BROKEN_IN_SMALL_PIECES;

    Delivery at(int position) {
      Delivery delivery = Delivery.of(Arrays.copyOf(BYTES, position));
      boolean small = this == CLEANLY_IN_SMALL_PIECES || this == BROKEN_IN_SMALL_PIECES;
      Delivery sized = small ? delivery.inPiecesOf(1) : delivery;
      return isBroken() ? sized.thenBreaks() : sized;
    }

    boolean isBroken() {
      return this == BROKEN || this == BROKEN_IN_SMALL_PIECES;
    }
  }

  @ParameterizedTest
  @EnumSource
  void cutAnywhereItIsNeverTakenForWhole(Cut cut) {
    // The last line feed is the only byte that nothing depends on.
    int whole = BYTES.length - 1;
    for (int position = 0; position <= BYTES.length; position++) {
      Heard heard = Heard.from(cut.at(position));
      if (position >= whole) {
        assertWhole(heard);
      } else if (cut.isBroken()) {
        assertThat(heard.ending).as("cut at " + position).isNull();
        assertThat(heard.broken).as("cut at " + position).hasMessage("connection reset");
      } else {
        assertThat(heard.ending).as("cut at " + position).isNull();
        assertThat(heard.failure).as("cut at " + position).isNotNull();
        assertThat(heard.failure.kind())
            .as("cut at " + position)
            .isEqualTo(endsALine(position) ? MISSING_END_MARKER : TRUNCATED);
      }
    }
  }

  private static boolean endsALine(int position) {
    return position == 0 || BYTES[position - 1] == '\n' || BYTES[position] == '\n';
  }

  @Test
  void eachPieceIsHandedOnBeforeTheNextIsAwaited() {
    Heard heard = new Heard();
    List<Integer> heardBefore = new ArrayList<>();
    Delivery delivery =
        Delivery.of(piece("a") + piece("b") + piece("c") + LAST)
            .inLines()
            .beforeEach(() -> heardBefore.add(heard.pieces.size()));

    assertThat(heard.listen(Heard.OLLAMA, delivery).answer()).isEqualTo("abc End.");
    assertThat(heardBefore).startsWith(0, 1, 2, 3);
  }

  @Test
  void nothingIsAwaitedAfterTheLastLine() {
    String body = LAST.strip();
    for (int size : new int[] {1, 10, body.length()}) {
      AtomicInteger reads = new AtomicInteger();
      int expected = (body.length() + size - 1) / size;
      Delivery delivery =
          Delivery.of(body)
              .inPiecesOf(size)
              .beforeEach(
                  () -> {
                    if (reads.incrementAndGet() > expected) {
                      fail("a server that keeps its connection open would hang the call");
                    }
                  });

      assertThat(Heard.from(delivery).answer()).isEqualTo(" End.");
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "\n\n",
        "garbage",
        "<html>",
        "{\"error\":\"too late\"}",
        "{\"message\":{\"content\":\" More.\"},\"done\":false}",
        "{\"message\":{\"content\":\" More.\"},\"done\":true,\"done_reason\":\"length\"}",
        "{\"cut"
      })
  void whatFollowsTheLastLineIsIgnored(String rest) {
    for (String separator : new String[] {"", "\n", "\r\n"}) {
      String body = piece("a") + LAST.strip() + separator + rest;

      assertThat(Heard.from(body).answer()).isEqualTo("a End.");
      assertThat(Heard.from(Delivery.of(body).inPiecesOf(1)).answer()).isEqualTo("a End.");
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "\r\n", "\n\n\n", " \t\n", "\r\n\r\n"})
  void anyWhiteSpaceMayStandBetweenTheLines(String separator) {
    String body = separator + STREAM.replace("\n", separator) + separator;

    assertWhole(Heard.from(body));
    assertWhole(Heard.from(Delivery.of(body).inPiecesOf(1)));
  }

  @Test
  void anObjectMayStretchOverManyLines() {
    String pretty =
        """
        {
          "model" : "m",
          "message" : {
            "role" : "assistant",
            "content" : "Bern.",
            "thinking" : "Swiss capital"
          },
          "done" : true,
          "done_reason" : "stop",
          "prompt_eval_count" : 21,
          "eval_count" : 64
        }
        """;

    Heard heard = Heard.from(pretty);

    assertThat(heard.answer()).isEqualTo("Bern.");
    assertThat(heard.thinking).hasToString("Swiss capital");
    assertThat(heard.ending.usage()).isEqualTo(new Usage(21, 64));
  }

  @Test
  void theOrderOfFieldsDoesNotMatter() {
    String mixed =
        "{\"done\":false,\"message\":{\"thinking\":\"t\",\"content\":\"a\"}}\n"
            + "{\"done_reason\":\"length\",\"eval_count\":2,\"done\":true,"
            + "\"message\":{\"content\":\"b\"},\"model\":\"m\"}";

    Heard heard = Heard.from(mixed);

    assertThat(heard.answer()).isEqualTo("ab");
    assertThat(heard.pieces).containsExactly("t", "a", "b");
    assertThat(heard.ending).isEqualTo(new Ending("m", new Usage(0, 2), FinishReason.LENGTH));
  }

  private static String lineOf(int bytes) {
    String empty = piece("").strip();
    return empty.replace("\"\"", "\"" + "x".repeat(bytes - empty.length()) + "\"");
  }

  @ParameterizedTest
  @ValueSource(ints = {1024, 20_000, 1_000_000})
  void aLineMayBeAsLongAsAllowedAndNoLonger(int limit) {
    OllamaChat limited = Heard.limited(limit, 100L << 20);
    for (int size : new int[] {100, 1 << 20}) {
      for (String before : new String[] {"", piece("a"), piece("a").repeat(100)}) {
        Delivery fits = Delivery.of(before + lineOf(limit) + "\n" + LAST).inPiecesOf(size);
        Delivery over = Delivery.of(before + lineOf(limit + 1) + "\n" + LAST).inPiecesOf(size);

        assertThat(new Heard().listen(limited, fits).answer()).endsWith("x End.");
        assertThat(new Heard().listen(limited, over).failed(RESPONSE_TOO_LARGE))
            .hasMessageContaining("line")
            .hasMessageContaining(String.valueOf(limit));
      }
    }
  }

  @Test
  void manyLinesMayTogetherBeLongerThanOne() {
    OllamaChat limited = Heard.limited(1024, 100L << 20);

    assertThat(new Heard().listen(limited, Delivery.of(piece("x").repeat(50_000) + LAST)).answer())
        .hasSize(50_005);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 4096, 1 << 20})
  void anAnswerMayBeAsLongAsAllowedAndNoLonger(int size) {
    String body = piece("é").repeat(200) + LAST.strip();
    int bytes = body.getBytes(StandardCharsets.UTF_8).length;
    Delivery whole = Delivery.of(body).inPiecesOf(size);
    Delivery over = Delivery.of(body).inPiecesOf(size);

    assertThat(new Heard().listen(Heard.limited(1024, bytes), whole).answer()).hasSize(205);
    assertThat(new Heard().listen(Heard.limited(1024, bytes - 1), over).failed(RESPONSE_TOO_LARGE))
        .hasMessageContaining("answer")
        .hasMessageContaining(String.valueOf(bytes - 1));
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 4096, 1 << 20})
  void whatFollowsTheLastLineDoesNotCountAsAnswer(int size) {
    String body = piece("a").repeat(20) + LAST.strip();
    Delivery delivery = Delivery.of(body + "x".repeat(5000)).inPiecesOf(size);

    assertThat(new Heard().listen(Heard.limited(1024, body.length()), delivery).answer())
        .endsWith("a End.");
  }

  static Stream<Arguments> endless() {
    return Stream.of(
        arguments("{\"message\":{\"content\":\"", "x", 35),
        arguments(STREAM + "{\"x\":[", "1,", 35),
        arguments("", " ", 70),
        arguments("", "\n", 70),
        arguments("", piece("x"), 110),
        arguments("", "{\"x\":1}\n", 110),
        arguments("", "{}", 110));
  }

  @ParameterizedTest
  @MethodSource("endless")
  void aBodyWithoutEndIsLeftSoonAfterTheLimit(String start, String endless, int mostReads) {
    AtomicInteger reads = new AtomicInteger();
    String started = start.replace("\"done\":true", "\"done\":false");
    Delivery delivery =
        Delivery.of(started + endless.repeat(1_000_000 / endless.length()))
            .inPiecesOf(1000)
            .beforeEach(reads::incrementAndGet);

    new Heard().listen(Heard.limited(10_000, 100_000), delivery).failed(RESPONSE_TOO_LARGE);
    assertThat(reads).hasValueLessThan(mostReads);
  }

  @Test
  void aPageWithoutEndIsReadOnlySoFar() {
    AtomicInteger reads = new AtomicInteger();
    Delivery delivery =
        Delivery.of("<html><title>Endless</title>" + "x".repeat(1_000_000))
            .inPiecesOf(1000)
            .beforeEach(reads::incrementAndGet);

    assertThat(Heard.from(delivery).failed(UNEXPECTED_RESPONSE)).hasMessageContaining("Endless");
    assertThat(reads).hasValueLessThan(80);
  }
}
