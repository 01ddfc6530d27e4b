// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

/** A text that comes in pieces has no half characters. */
class SurrogateSafeTextTest {
  private static String of(String... pieces) {
    SurrogateSafeText text = new SurrogateSafeText();
    for (String piece : pieces) {
      text.append(piece);
    }
    text.finish();
    return text.toString();
  }

  @Test
  void halvesThatMeetAreOneCharacter() {
    assertThat(of("Hi \ud83d", "\ude00!")).isEqualTo("Hi 😀!");
    assertThat(of("😀", "\ud83d", "\ude00", "\ud83d\ude00")).isEqualTo("😀😀😀");
  }

  @Test
  void halvesThatDoNotBecomeTheReplacementCharacter() {
    assertThat(of("a\ud83d", "b")).isEqualTo("a\ufffdb");
    assertThat(of("a\ud83d")).isEqualTo("a\ufffd");
    assertThat(of("\ude00a")).isEqualTo("\ufffda");
    assertThat(of("\ud83d", "\ud83d\ude00", "\ude00")).isEqualTo("\ufffd😀\ufffd");
    assertThat(of("\ud83d\ud83d\ude00x\ud83dy")).isEqualTo("\ufffd😀x\ufffdy");
  }
}
