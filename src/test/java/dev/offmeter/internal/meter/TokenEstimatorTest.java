// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.meter;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.ChatRequest;
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
}
