// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A text is found again whatever was done to it on the way. */
class EscapedTextFinderTest {
  private static final String SAID = "Zoë owes 1,042.50 EUR & is \"ill\"\nuntil May";

  @ParameterizedTest
  @ValueSource(
      strings = {
        "failed at: Zoë owes 1,042.50 EUR",
        "Zo\\u00eb owes 1,042.50 EUR",
        "zoe owes 1 042 50 eur",
        "Zo&euml; owes 1,042.50 EUR",
        "Zo&#235; owes 1,042.50 EUR",
        "Zo%C3%AB%20owes%201%2C042.50%20EUR",
        "Z\u200bo\u00ebo\u0308wes 1\u00ad042.50 EUR & is",
        "EUR & is \\\"ill\\\"\\nuntil May",
        "EUR &amp; is &quot;ill&quot; until May"
      })
  void anEchoIsFound(String echo) {
    assertThat(
            EscapedTextFinder.isContained(
                EscapedTextFinder.plain(echo), EscapedTextFinder.plain(SAID), 16))
        .isTrue();
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "Zoë owes", "model not found", "EUR & is ill today", "1,042.50"})
  void aFewLettersAreACoincidence(String words) {
    assertThat(
            EscapedTextFinder.isContained(
                EscapedTextFinder.plain(words), EscapedTextFinder.plain(SAID), 16))
        .isFalse();
  }

  @Test
  void aFewCharactersOfChineseSayMuch() {
    String said = EscapedTextFinder.plain("王伟欠我们一千欧元，他生病了");

    assertThat(EscapedTextFinder.isContained(EscapedTextFinder.plain("错误: 王伟欠我们一千"), said, 16))
        .isTrue();
    assertThat(EscapedTextFinder.isContained(EscapedTextFinder.plain("错误: 王伟欠"), said, 16))
        .isFalse();
  }

  @Test
  void aShortTextIsFoundWhole() {
    assertThat(
            EscapedTextFinder.isContained(
                EscapedTextFinder.plain("no: Zoë Kern!"), EscapedTextFinder.plain("zoe kern."), 16))
        .isFalse();
    assertThat(
            EscapedTextFinder.isContained(
                EscapedTextFinder.plain("no: Zoë Kerner!"),
                EscapedTextFinder.plain("zoe kerner"),
                16))
        .isTrue();
  }

  @Test
  void anyTextIsReadInNoTime() {
    for (String part : new String[] {"%41", "&#65;", "\\u0041", "a", "\\\\", "&a"}) {
      assertTimeoutPreemptively(
          Duration.ofSeconds(10), () -> EscapedTextFinder.plain(part.repeat(80_000)).length());
    }
  }
}
