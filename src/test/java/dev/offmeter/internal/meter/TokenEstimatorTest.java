// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.meter;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.ChatRequest;
import dev.offmeter.Image;
import org.junit.jupiter.api.Test;

class TokenEstimatorTest {
  @Test
  void proseHasAtMostHalfATokenALetter() {
    assertThat(TokenEstimator.ofText("Dear Ms Kern")).isEqualTo(6);
  }

  @Test
  void everyDigitMayBeAToken() {
    assertThat(TokenEstimator.ofText("2026")).isEqualTo(4);
  }

  @Test
  void aCharacterOfAnotherScriptMayBeTwo() {
    assertThat(TokenEstimator.ofText("\u00fc\u4f60")).isEqualTo(4);
  }

  @Test
  void allThatIsSentIsCounted() {
    ChatRequest plain = ChatRequest.builder().user("aaaa").build();
    ChatRequest more =
        ChatRequest.builder()
            .system("bbbb")
            .user("aaaa")
            .tool("find", "finds an invoice", "{\"type\":\"object\"}")
            .build();

    assertThat(TokenEstimator.ofRequest(plain)).isEqualTo(34);
    assertThat(TokenEstimator.ofRequest(more))
        .isEqualTo(34 + 18 + 16 + 2 + TokenEstimator.ofText("finds an invoice") + 12);
  }

  @Test
  void anImageIsFiveThousandTokensAndFiftyThousandAtMost() {
    Image image =
        Image.of(new byte[] {(byte) 0xff, (byte) 0xd8, (byte) 0xff, 0, 0, 0}, "image/jpeg");
    ChatRequest plain = ChatRequest.builder().user("aaaa").build();
    ChatRequest twice = ChatRequest.builder().user("aaaa", image, image).build();

    assertThat(TokenEstimator.ofRequest(twice))
        .isEqualTo(TokenEstimator.ofRequest(plain) + 2 * 5000);
    assertThat(TokenEstimator.mostOfRequest(twice))
        .isEqualTo(TokenEstimator.mostOfRequest(plain) + 2 * 50_000);
  }
}
