// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.ChatRequest;
import org.junit.jupiter.api.Test;

/** The estimate is never more than a request can have, whatever the tokenizer. */
class TokenEstimateTest {
  private static long least(ChatRequest.Builder request) {
    return TokenEstimate.leastTokensBeyond(0, request.build());
  }

  private static ChatRequest.Builder user(String text) {
    return ChatRequest.builder().user(text);
  }

  @Test
  void aTokenIsCountedForEvery128LettersAndDigits() {
    assertThat(least(user("x".repeat(128)))).isEqualTo(1);
    assertThat(least(user("7".repeat(129)))).isEqualTo(2);
    assertThat(least(user("\u6f22".repeat(1280)))).isEqualTo(10);
  }

  @Test
  void spacesAndSignsThatMayBeOneTokenOrNoneAreNotCounted() {
    assertThat(least(user(" ".repeat(100_000) + "x" + "\n".repeat(100_000)))).isEqualTo(1);
    assertThat(least(user("-".repeat(100_000) + "x"))).isEqualTo(1);
    assertThat(least(user("\u200b".repeat(100_000) + "x"))).isEqualTo(1);
  }

  @Test
  void messagesThatATemplateMayDropAreNotCounted() {
    ChatRequest.Builder request =
        ChatRequest.builder()
            .system("s".repeat(100_000))
            .user("u".repeat(128))
            .assistant("<think>" + "a".repeat(100_000) + "</think>")
            .user("u".repeat(128))
            .tool("t", "d".repeat(100_000), "{}");
    assertThat(least(request)).isEqualTo(2);
  }

  @Test
  void nothingIsCountedWhereAllCharactersTogetherAreTooFew() {
    ChatRequest request = user("x".repeat(1280)).build();
    assertThat(TokenEstimate.leastTokensBeyond(10, request)).isZero();
    assertThat(TokenEstimate.leastTokensBeyond(9, request)).isEqualTo(10);
  }
}
