// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import java.time.Duration;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Thinking that stands in the text. */
class ThinkTagSplitterTest {
  private static RecordingDeltaHandler parted(String... pieces) {
    RecordingDeltaHandler partialAnswer = new RecordingDeltaHandler();
    ThinkTagSplitter tags = new ThinkTagSplitter(partialAnswer);
    Stream.of(pieces).filter(piece -> !piece.isEmpty()).forEach(tags::content);
    tags.end();
    return partialAnswer;
  }

  static Stream<Arguments> texts() {
    return Stream.of(
        arguments("plain", "plain", ""),
        arguments(" leading and trailing ", " leading and trailing ", ""),
        arguments("<think>why</think>answer", "answer", "why"),
        arguments("<think>\nwhy\n</think>\n\n answer ", "answer ", "\nwhy\n"),
        arguments("<think></think>answer", "answer", ""),
        arguments("<think>\n\n</think>\n\nanswer", "answer", "\n\n"),
        arguments("<think>a</think>b<think>c</think>d", "bd", "ac"),
        arguments("<think>a</think> <think>b</think> c", "c", "ab"),
        arguments("before <think>a</think> after", "before after", "a"),
        arguments("why</think>answer", "answer", "why"),
        arguments("\nwhy\n</think>\n\nanswer", "answer", "\nwhy\n"),
        arguments("a</think>b</think>c", "c", "ab"),
        arguments("</think>answer", "answer", ""),
        arguments("<think>why</think>", "", "why"),
        arguments("<think>why</think>\n \n", "", "why"),
        arguments("<think>never closed", "", "never closed"),
        arguments("<think>a <b> & 1 < 2 </thin k></think>x", "x", "a <b> & 1 < 2 </thin k>"),
        arguments("<think>a<think>b</think>c", "c", "ab"),
        arguments("<think>why</think>x < y", "x < y", "why"),
        arguments("a < b", "a < b", ""),
        arguments("a <b>bold</b> <<< >>>", "a <b>bold</b> <<< >>>", ""),
        arguments("if (a<think) {}", "if (a<think) {}", ""),
        arguments("<thinking>no</thinking>", "<thinking>no</thinking>", ""),
        arguments("<Think>no</Think>", "<Think>no</Think>", ""),
        arguments("< think>no</ think>", "< think>no</ think>", ""),
        arguments("</thi", "</thi", ""),
        arguments("x<thi", "x<thi", ""),
        arguments("x<", "x<", ""),
        arguments("x</", "x</", ""),
        arguments("<think>x</thi", "", "x</thi"),
        arguments("<<think>a</think>b", "<b", "a"),
        arguments("<thi<think>a</think>b", "<thib", "a"),
        arguments("</<think>a</</think>b", "</b", "a</"),
        arguments("<think>🤔</think>🚲 <", "🚲 <", "🤔"));
  }

  @ParameterizedTest
  @MethodSource("texts")
  void partsThinkingFromTheAnswer(String content, String text, String thinking) {
    RecordingDeltaHandler partialAnswer = parted(content);

    assertThat(partialAnswer.text).hasToString(text);
    assertThat(partialAnswer.thinking).hasToString(thinking);
  }

  @ParameterizedTest
  @MethodSource("texts")
  void splitAnywhereItComesOutTheSame(String content, String text, String thinking) {
    for (int first = 0; first <= content.length(); first++) {
      for (int second = first; second <= content.length(); second++) {
        RecordingDeltaHandler partialAnswer =
            parted(
                content.substring(0, first),
                content.substring(first, second),
                content.substring(second));

        assertThat(partialAnswer.text).as("at %d and %d", first, second).hasToString(text);
        assertThat(partialAnswer.thinking).as("at %d and %d", first, second).hasToString(thinking);
      }
    }
    assertThat(parted(content.split("")).text).hasToString(text);
  }

  @Test
  void onlyWhatMayBecomeATagIsHeldBack() {
    RecordingDeltaHandler partialAnswer = new RecordingDeltaHandler();
    ThinkTagSplitter tags = new ThinkTagSplitter(partialAnswer);

    tags.content("a < b");
    assertThat(partialAnswer.text).hasToString("a < b");
    tags.content("c<th");
    assertThat(partialAnswer.text).hasToString("a < bc");
    tags.content("e");
    assertThat(partialAnswer.text).hasToString("a < bc<the");
    tags.content("<think>so");
    assertThat(partialAnswer.thinking).hasToString("so");
  }

  @Test
  void takesThinkingOutOfTheContent() {
    assertThat(
            RecordingDeltaHandler.from(
                content("<thi") + content("nk>why</th") + content("ink>\\n\\n4") + last()))
        .satisfies(partialAnswer -> assertThat(partialAnswer.expectAnswer()).isEqualTo("4"))
        .satisfies(partialAnswer -> assertThat(partialAnswer.thinking).hasToString("why"));
  }

  @Test
  void whatLookedLikeATagAtTheEndIsText() {
    assertThat(RecordingDeltaHandler.from(content("a ") + content("<thi") + last()).expectAnswer())
        .isEqualTo("a <thi");
  }

  private static String content(String text) {
    return "{\"message\":{\"content\":\"" + text + "\"},\"done\":false}\n";
  }

  private static String last() {
    return "{\"message\":{\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\"}";
  }

  /** A model in a loop must not hold the caller's thread. */
  @Test
  void tagsWithoutNumberCostTheirLengthOnly() {
    String looping = "<think>a</think>b".repeat(400_000);

    assertTimeoutPreemptively(
        Duration.ofSeconds(20),
        () -> assertThat(parted(looping).text).hasToString("b".repeat(400_000)));
    assertTimeoutPreemptively(
        Duration.ofSeconds(20),
        () -> assertThat(parted("<".repeat(3_000_000)).text).hasSize(3_000_000));
  }
}
