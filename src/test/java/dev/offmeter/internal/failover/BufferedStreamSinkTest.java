// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.Attempt;
import dev.offmeter.ChatEvent;
import dev.offmeter.ChatResponse;
import dev.offmeter.FailureKind;
import dev.offmeter.StreamRecovery;
import org.junit.jupiter.api.Test;

/** The sink shows the reader of a stream whole answers; {@code StreamTest} has its pieces. */
class BufferedStreamSinkTest {
  private static final ChatResponse ANSWER =
      ChatResponse.builder().text("Dear Zoë").thinking("who is it").build();
  private static final Attempt FAILED =
      Attempt.builder("home").failure(FailureKind.STALLED).message("in words").build();

  @Test
  void anAnswerThatWasHeldIsShownWholeThinkingFirst() {
    BufferedStreamSink sink = new BufferedStreamSink(StreamRecovery.HOLD);
    assertThat(sink.poll()).isNull();

    sink.onCompleted(ANSWER);

    assertThat(sink.poll()).isEqualTo(new ChatEvent.ThinkingDelta("who is it"));
    assertThat(sink.poll()).isEqualTo(new ChatEvent.TextDelta("Dear Zoë"));
    assertThat(sink.poll()).isEqualTo(new ChatEvent.Completed(ANSWER));
    assertThat(sink.poll()).isNull();
  }

  @Test
  void whereNothingWasShownTheNextEndpointBeginsWithoutAWord() {
    BufferedStreamSink sink = new BufferedStreamSink(StreamRecovery.FAIL);

    assertThat(sink.tryRestart(FAILED)).isTrue();
    assertThat(sink.poll()).isNull();
    assertThat(sink.shown()).isEmpty();
  }

  @Test
  void whatWasShownIsWithdrawnByItsLength() {
    BufferedStreamSink sink = new BufferedStreamSink(StreamRecovery.RESTART);
    sink.onCompleted(ANSWER);
    while (sink.poll() != null) {
      // Only the number of its events matters.
    }

    assertThat(sink.tryRestart(FAILED)).isTrue();

    assertThat(sink.poll()).isEqualTo(new ChatEvent.Restarted(FAILED, 8, 9));
    assertThat(sink.tryRestart(FAILED)).as("nothing is shown now").isTrue();
    assertThat(sink.poll()).isNull();
  }

  @Test
  void whatWasShownIsKeptForTheExceptionWhereItMayNotBeWithdrawn() {
    BufferedStreamSink sink = new BufferedStreamSink(StreamRecovery.FAIL);
    sink.onCompleted(ANSWER);

    assertThat(sink.tryRestart(FAILED)).isFalse();
    assertThat(sink.shown()).isEqualTo("Dear Zoë");
  }

  @Test
  void asManyPiecesAreHeldAsTheCallerSays() {
    assertThat(new BufferedStreamSink(StreamRecovery.RESTART).piecesBeforeFirst()).isZero();
    assertThat(new BufferedStreamSink(StreamRecovery.hold(7)).piecesBeforeFirst()).isEqualTo(7);
  }
}
