// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A text that grows is shown up to its last whole character. */
class GraphemeBoundariesTest {
  private static final Pattern CHARACTER = Pattern.compile("\\X");

  @ParameterizedTest
  @ValueSource(
      strings = {
        "Hi 😀!",
        "a👍🏽b",
        "👩‍👩‍👧‍👦 family",
        "🇩🇪🇫🇷🇪🇸.",
        "❤️ x",
        "नमस्ते दुनिया",
        "ก็ไม่",
        "한국어 텍스트",
        "각",
        "日本語のテキスト",
        "か\u3099く",
        "🏴󠁧󠁢󠁥󠁮󠁧󠁿!",
        "👩🏽‍🚀🇺🇳",
        "“Zoë” – naïve…",
        "مَرْحَبًا"
      })
  void noPieceBeginsInTheMiddleOfACharacter(String text) {
    int shown = 0;
    for (int length = 1; length < text.length(); length++) {
      int end = GraphemeBoundaries.end(text.substring(0, length), shown);
      assertThat(end).isBetween(shown, length);
      assertThat(isBoundary(text, end)).as("%s at %d of %d", text, end, length).isTrue();
      shown = end;
    }
  }

  private static boolean isBoundary(String text, int at) {
    Matcher characters = CHARACTER.matcher(text);
    int end = 0;
    while (end < at && characters.find()) {
      end = characters.end();
    }
    return end == at;
  }

  @ParameterizedTest
  @ValueSource(strings = {"a", "plain text.", "Zoë", "日本", "…", "Жук", "한국", "\n", "€ "})
  void nothingIsKeptBackThatHardlyGoesOn(String text) {
    assertThat(GraphemeBoundaries.end(text, 0)).isEqualTo(text.length());
  }

  @Test
  void onlyTheLastCharacterIsKeptBack() {
    assertThat(GraphemeBoundaries.end("Hi 😀", 0)).isEqualTo(3);
    assertThat(GraphemeBoundaries.end("Hi \ud83d", 0)).isEqualTo(3);
    assertThat(GraphemeBoundaries.end("🇩🇪🇫🇷", 0)).isEqualTo(4);
    assertThat(GraphemeBoundaries.end("Hi 😀", 3)).isEqualTo(3);
    assertThat(GraphemeBoundaries.end("", 0)).isZero();
  }

  @Test
  void everyCodePointIsKnown() {
    for (int point = 0x80; point <= Character.MAX_CODE_POINT; point += 0x3d) {
      String text = "a" + Character.toString(point) + Character.toString(point);

      assertThat(GraphemeBoundaries.end(text, 0)).isBetween(0, text.length());
    }
  }

  @Test
  void marksWithoutEndAreNotKeptBackForEver() {
    String marks = "x" + "\u0301".repeat(1000);

    assertThat(GraphemeBoundaries.end(marks, 0)).isEqualTo(marks.length());
  }
}
