// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import org.junit.jupiter.api.Test;

/** No answer within its limit is lost, and none without end goes on. */
class OutputTokenLimitTest {
  private final OutputTokenLimit limit = new OutputTokenLimit(1024);

  private void pieces(int count, int length) {
    for (int i = 0; i < count; i++) {
      limit.onDelta(length);
    }
  }

  private void thoughts(int count, int length) {
    for (int i = 0; i < count; i++) {
      limit.onThinking(length);
    }
  }

  private void goesOn() {
    assertThatCode(limit::check).doesNotThrowAnyException();
  }

  private void isStopped() {
    AttemptException failure = catchThrowableOfType(AttemptException.class, limit::check);
    assertThat(failure.kind()).isEqualTo(FailureKind.RUNAWAY);
    assertThat(failure.status()).isEqualTo(200);
  }

  @Test
  void twiceAsManyPiecesAsTokensAreStillAnAnswerAndMoreAreNot() {
    pieces(2 * 1024 + 16, 4);
    goesOn();
    pieces(1, 4);
    isStopped();
    assertThat(catchThrowableOfType(AttemptException.class, limit::check).message())
        .isEqualTo("went on after 2065 pieces, 8260 characters, though maxTokens is 1024");
  }

  @Test
  void anAnswerThatComesCharacterByCharacterMayHaveMorePieces() {
    pieces(8 * 1024 + 16, 1);
    goesOn();
    pieces(1, 1);
    isStopped();
  }

  @Test
  void aFewPiecesMayNotHoldMoreThanSoManyTokensCan() {
    pieces(1, 128 * (1024 + 16));
    goesOn();
    pieces(1, 1);
    isStopped();
  }

  @Test
  void thinkingThatIsNotCountedHasRoomAndAnEnd() {
    thoughts(2 * (1024 + 32 * 1024) + 16, 4);
    pieces(1024, 4);
    goesOn();
    thoughts(1, 4);
    isStopped();
  }

  @Test
  void whatTurnsOutToBeThinkingIsCountedAsThinking() {
    pieces(2 * 1024 + 16, 4);
    limit.onTextWasThinking();
    pieces(1024, 4);
    goesOn();
  }

  @Test
  void theLargestLimitOverflowsNothing() {
    OutputTokenLimit largest = new OutputTokenLimit(Integer.MAX_VALUE);
    largest.onDelta(Integer.MAX_VALUE);
    assertThatCode(largest::check).doesNotThrowAnyException();
  }
}
