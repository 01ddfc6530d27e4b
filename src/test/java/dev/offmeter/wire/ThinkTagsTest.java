// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.wire;

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
class ThinkTagsTest {
  private static Heard parted(String... pieces) {
    Heard heard = new Heard();
    ThinkTags tags = new ThinkTags(heard);
    Stream.of(pieces).filter(piece -> !piece.isEmpty()).forEach(tags::content);
    tags.end();
    return heard;
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
    Heard heard = parted(content);

    assertThat(heard.text).hasToString(text);
    assertThat(heard.thinking).hasToString(thinking);
  }

  @ParameterizedTest
  @MethodSource("texts")
  void splitAnywhereItComesOutTheSame(String content, String text, String thinking) {
    for (int first = 0; first <= content.length(); first++) {
      for (int second = first; second <= content.length(); second++) {
        Heard heard =
            parted(
                content.substring(0, first),
                content.substring(first, second),
                content.substring(second));

        assertThat(heard.text).as("at %d and %d", first, second).hasToString(text);
        assertThat(heard.thinking).as("at %d and %d", first, second).hasToString(thinking);
      }
    }
    assertThat(parted(content.split("")).text).hasToString(text);
  }

  @Test
  void onlyWhatMayBecomeATagIsHeldBack() {
    Heard heard = new Heard();
    ThinkTags tags = new ThinkTags(heard);

    tags.content("a < b");
    assertThat(heard.text).hasToString("a < b");
    tags.content("c<th");
    assertThat(heard.text).hasToString("a < bc");
    tags.content("e");
    assertThat(heard.text).hasToString("a < bc<the");
    tags.content("<think>so");
    assertThat(heard.thinking).hasToString("so");
  }

  @Test
  void takesThinkingOutOfTheContent() {
    assertThat(
            Heard.from(content("<thi") + content("nk>why</th") + content("ink>\\n\\n4") + last()))
        .satisfies(heard -> assertThat(heard.answer()).isEqualTo("4"))
        .satisfies(heard -> assertThat(heard.thinking).hasToString("why"));
  }

  @Test
  void whatLookedLikeATagAtTheEndIsText() {
    assertThat(Heard.from(content("a ") + content("<thi") + last()).answer()).isEqualTo("a <thi");
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
