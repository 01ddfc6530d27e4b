// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire.ollama;

import static dev.offmeter.FailureKind.MISSING_END_MARKER;
import static dev.offmeter.FailureKind.RESPONSE_TOO_LARGE;
import static dev.offmeter.FailureKind.TRUNCATED;
import static dev.offmeter.FailureKind.UNEXPECTED_RESPONSE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import dev.offmeter.FinishReason;
import dev.offmeter.Usage;
import dev.offmeter.internal.wire.RecordingDeltaHandler;
import dev.offmeter.internal.wire.ScriptedBody;
import dev.offmeter.internal.wire.StreamEnd;
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

  private static void assertWhole(RecordingDeltaHandler partialAnswer) {
    assertThat(partialAnswer.expectAnswer()).isEqualTo(TEXT);
    assertThat(partialAnswer.thinking).hasToString("Überlegung 🤔");
    assertThat(partialAnswer.streamEnd)
        .isEqualTo(new StreamEnd("m", new Usage(24, 135), FinishReason.STOP));
  }

  @Test
  void splitAnywhereItComesOutWhole() {
    assertWhole(RecordingDeltaHandler.from(ScriptedBody.of(BYTES)));
    for (int position = 0; position <= BYTES.length; position++) {
      assertWhole(RecordingDeltaHandler.from(ScriptedBody.of(BYTES).splitAt(position)));
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 5, 7, 64, 127})
  void inSmallPiecesItComesOutWhole(int size) {
    assertWhole(RecordingDeltaHandler.from(ScriptedBody.of(BYTES).splitEvery(size)));
  }

  /** The ways in which a cut body may end. */
  enum Cut {
    CLEANLY,
    CLEANLY_IN_SMALL_PIECES,
    BROKEN,
    BROKEN_IN_SMALL_PIECES;

    ScriptedBody at(int position) {
      ScriptedBody delivery = ScriptedBody.of(Arrays.copyOf(BYTES, position));
      boolean small = this == CLEANLY_IN_SMALL_PIECES || this == BROKEN_IN_SMALL_PIECES;
      ScriptedBody sized = small ? delivery.splitEvery(1) : delivery;
      return isBroken() ? sized.thenReset() : sized;
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
      RecordingDeltaHandler partialAnswer = RecordingDeltaHandler.from(cut.at(position));
      if (position >= whole) {
        assertWhole(partialAnswer);
      } else if (cut.isBroken()) {
        assertThat(partialAnswer.streamEnd).as("cut at " + position).isNull();
        assertThat(partialAnswer.ioFailure).as("cut at " + position).hasMessage("connection reset");
      } else {
        assertThat(partialAnswer.streamEnd).as("cut at " + position).isNull();
        assertThat(partialAnswer.failure).as("cut at " + position).isNotNull();
        assertThat(partialAnswer.failure.kind())
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
    RecordingDeltaHandler partialAnswer = new RecordingDeltaHandler();
    List<Integer> heardBefore = new ArrayList<>();
    ScriptedBody delivery =
        ScriptedBody.of(piece("a") + piece("b") + piece("c") + LAST)
            .splitLines()
            .beforeEach(() -> heardBefore.add(partialAnswer.deltas.size()));

    assertThat(partialAnswer.listen(RecordingDeltaHandler.OLLAMA, delivery).expectAnswer())
        .isEqualTo("abc End.");
    assertThat(heardBefore).startsWith(0, 1, 2, 3);
  }

  @Test
  void nothingIsAwaitedAfterTheLastLine() {
    String body = LAST.strip();
    for (int size : new int[] {1, 10, body.length()}) {
      AtomicInteger reads = new AtomicInteger();
      int expected = (body.length() + size - 1) / size;
      ScriptedBody delivery =
          ScriptedBody.of(body)
              .splitEvery(size)
              .beforeEach(
                  () -> {
                    if (reads.incrementAndGet() > expected) {
                      fail("a server that keeps its connection open would hang the call");
                    }
                  });

      assertThat(RecordingDeltaHandler.from(delivery).expectAnswer()).isEqualTo(" End.");
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

      assertThat(RecordingDeltaHandler.from(body).expectAnswer()).isEqualTo("a End.");
      assertThat(RecordingDeltaHandler.from(ScriptedBody.of(body).splitEvery(1)).expectAnswer())
          .isEqualTo("a End.");
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "\r\n", "\n\n\n", " \t\n", "\r\n\r\n"})
  void anyWhiteSpaceMayStandBetweenTheLines(String separator) {
    String body = separator + STREAM.replace("\n", separator) + separator;

    assertWhole(RecordingDeltaHandler.from(body));
    assertWhole(RecordingDeltaHandler.from(ScriptedBody.of(body).splitEvery(1)));
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

    RecordingDeltaHandler partialAnswer = RecordingDeltaHandler.from(pretty);

    assertThat(partialAnswer.expectAnswer()).isEqualTo("Bern.");
    assertThat(partialAnswer.thinking).hasToString("Swiss capital");
    assertThat(partialAnswer.streamEnd.usage()).isEqualTo(new Usage(21, 64));
  }

  @Test
  void theOrderOfFieldsDoesNotMatter() {
    String mixed =
        "{\"done\":false,\"message\":{\"thinking\":\"t\",\"content\":\"a\"}}\n"
            + "{\"done_reason\":\"length\",\"eval_count\":2,\"done\":true,"
            + "\"message\":{\"content\":\"b\"},\"model\":\"m\"}";

    RecordingDeltaHandler partialAnswer = RecordingDeltaHandler.from(mixed);

    assertThat(partialAnswer.expectAnswer()).isEqualTo("ab");
    assertThat(partialAnswer.deltas).containsExactly("t", "a", "b");
    assertThat(partialAnswer.streamEnd)
        .isEqualTo(new StreamEnd("m", new Usage(0, 2).asNotReported(), FinishReason.LENGTH));
  }

  private static String lineOf(int bytes) {
    String empty = piece("").strip();
    return empty.replace("\"\"", "\"" + "x".repeat(bytes - empty.length()) + "\"");
  }

  @ParameterizedTest
  @ValueSource(ints = {1024, 20_000, 1_000_000})
  void aLineMayBeAsLongAsAllowedAndNoLonger(int limit) {
    OllamaChat limited = RecordingDeltaHandler.ollamaWithLimits(limit, 100L << 20);
    for (int size : new int[] {100, 1 << 20}) {
      for (String before : new String[] {"", piece("a"), piece("a").repeat(100)}) {
        ScriptedBody fits = ScriptedBody.of(before + lineOf(limit) + "\n" + LAST).splitEvery(size);
        ScriptedBody over =
            ScriptedBody.of(before + lineOf(limit + 1) + "\n" + LAST).splitEvery(size);

        assertThat(new RecordingDeltaHandler().listen(limited, fits).expectAnswer())
            .endsWith("x End.");
        assertThat(
                new RecordingDeltaHandler().listen(limited, over).expectFailure(RESPONSE_TOO_LARGE))
            .hasMessageContaining("line")
            .hasMessageContaining(String.valueOf(limit));
      }
    }
  }

  @Test
  void manyLinesMayTogetherBeLongerThanOne() {
    OllamaChat limited = RecordingDeltaHandler.ollamaWithLimits(1024, 100L << 20);

    assertThat(
            new RecordingDeltaHandler()
                .listen(limited, ScriptedBody.of(piece("x").repeat(50_000) + LAST))
                .expectAnswer())
        .hasSize(50_005);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 4096, 1 << 20})
  void anAnswerMayBeAsLongAsAllowedAndNoLonger(int size) {
    String body = piece("é").repeat(200) + LAST.strip();
    int bytes = body.getBytes(StandardCharsets.UTF_8).length;
    ScriptedBody whole = ScriptedBody.of(body).splitEvery(size);
    ScriptedBody over = ScriptedBody.of(body).splitEvery(size);

    assertThat(
            new RecordingDeltaHandler()
                .listen(RecordingDeltaHandler.ollamaWithLimits(1024, bytes), whole)
                .expectAnswer())
        .hasSize(205);
    assertThat(
            new RecordingDeltaHandler()
                .listen(RecordingDeltaHandler.ollamaWithLimits(1024, bytes - 1), over)
                .expectFailure(RESPONSE_TOO_LARGE))
        .hasMessageContaining("answer")
        .hasMessageContaining(String.valueOf(bytes - 1));
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 4096, 1 << 20})
  void whatFollowsTheLastLineDoesNotCountAsAnswer(int size) {
    String body = piece("a").repeat(20) + LAST.strip();
    ScriptedBody delivery = ScriptedBody.of(body + "x".repeat(5000)).splitEvery(size);

    assertThat(
            new RecordingDeltaHandler()
                .listen(RecordingDeltaHandler.ollamaWithLimits(1024, body.length()), delivery)
                .expectAnswer())
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
    ScriptedBody delivery =
        ScriptedBody.of(started + endless.repeat(1_000_000 / endless.length()))
            .splitEvery(1000)
            .beforeEach(reads::incrementAndGet);

    new RecordingDeltaHandler()
        .listen(RecordingDeltaHandler.ollamaWithLimits(10_000, 100_000), delivery)
        .expectFailure(RESPONSE_TOO_LARGE);
    assertThat(reads).hasValueLessThan(mostReads);
  }

  @Test
  void aPageWithoutEndIsReadOnlySoFar() {
    AtomicInteger reads = new AtomicInteger();
    ScriptedBody delivery =
        ScriptedBody.of("<html><title>Endless</title>" + "x".repeat(1_000_000))
            .splitEvery(1000)
            .beforeEach(reads::incrementAndGet);

    assertThat(RecordingDeltaHandler.from(delivery).expectFailure(UNEXPECTED_RESPONSE))
        .hasMessageContaining("Endless");
    assertThat(reads).hasValueLessThan(80);
  }
}
