// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import dev.offmeter.Attempt;
import dev.offmeter.ChatEvent;
import dev.offmeter.ChatResponse;
import dev.offmeter.FailureKind;
import dev.offmeter.StreamRecovery;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.http.PartialAnswer;
import java.util.ArrayDeque;
import java.util.Queue;
import org.jspecify.annotations.Nullable;

/**
 * Holds the events of a stream that its reader has yet to take, no more than those of one part of a
 * reply. Used by one thread at a time.
 */
final class BufferedStreamSink implements StreamSink {
  private static final String WITHDRAWN = "what was shown as text turned out to be thinking";

  private final StreamRecovery recovery;
  private final Queue<ChatEvent> events = new ArrayDeque<>();
  private final StringBuilder partialText = new StringBuilder();

  // Owned, as the events, by the thread that reads the stream.

  private int shownText;
  private int shownThinking;
  private int withdrawals;
  private @Nullable Attempt restart;

  BufferedStreamSink(StreamRecovery recovery) {
    this.recovery = recovery;
  }

  /** Returns the next event; null when the call must read more first. */
  @Nullable ChatEvent poll() {
    return events.poll();
  }

  @Override
  public int piecesBeforeFirst() {
    return recovery.heldPieces();
  }

  @Override
  public void onProgress(TimedAttempt attempt) throws AttemptException {
    PartialAnswer partialAnswer = attempt.partialAnswer();
    if (attempt.pieces() < recovery.heldPieces()) {
      return;
    }
    if (partialAnswer.withdrawals() > withdrawals) {
      withdrawals = partialAnswer.withdrawals();
      withdraw(attempt);
    }
    CharSequence text = partialAnswer.text();
    CharSequence thinking = partialAnswer.thinking();
    emit(
        text,
        GraphemeBoundaries.end(text, shownText),
        thinking,
        GraphemeBoundaries.end(thinking, shownThinking));
  }

  /** Adds what is left of a complete answer, and the end. */
  void onCompleted(ChatResponse response) {
    String text = response.text();
    String thinking = response.thinking();
    emit(text, text.length(), thinking, thinking.length());
    events.add(new ChatEvent.Completed(response));
  }

  private void emit(CharSequence text, int textEnd, CharSequence thinking, int thinkingEnd) {
    if (thinkingEnd > shownThinking) {
      events.add(new ChatEvent.ThinkingDelta(part(thinking, shownThinking, thinkingEnd)));
      shownThinking = thinkingEnd;
    }
    if (textEnd > shownText) {
      String more = part(text, shownText, textEnd);
      events.add(new ChatEvent.TextDelta(more));
      shownText = textEnd;
      keepPartialText(more);
    }
  }

  /** Keeps the text on show for an exception that may have to carry it. */
  private void keepPartialText(String more) {
    if (!recovery.canRestart()) {
      partialText.append(more);
    }
  }

  private static String part(CharSequence whole, int from, int to) {
    return whole.subSequence(from, to).toString();
  }

  private void withdraw(TimedAttempt attempt) throws AttemptException {
    if (shownText == 0) {
      return;
    }
    AttemptException withdrawn = AttemptException.of(FailureKind.TEXT_WITHDRAWN, WITHDRAWN);
    if (!recovery.canRestart()) {
      throw withdrawn;
    }
    restart(attempt.toAttempt(withdrawn));
  }

  @Override
  public boolean tryRestart(Attempt failed) {
    boolean unseen = shownText == 0 && shownThinking == 0;
    if (!unseen && !recovery.canRestart()) {
      return false;
    }
    if (!unseen) {
      restart(failed);
    }
    withdrawals = 0;
    return true;
  }

  @Override
  public @Nullable Attempt takeRestart() {
    Attempt taken = restart;
    restart = null;
    return taken;
  }

  private void restart(Attempt failed) {
    restart = failed;
    events.add(new ChatEvent.Restarted(failed, shownText, shownThinking));
    shownText = 0;
    shownThinking = 0;
  }

  @Override
  public String shown() {
    return partialText.toString();
  }
}
