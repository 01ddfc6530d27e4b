// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import dev.offmeter.Attempt;
import dev.offmeter.ChatEvent;
import dev.offmeter.ChatResponse;
import dev.offmeter.FailureKind;
import dev.offmeter.StreamRecovery;
import dev.offmeter.endpoint.Heard;
import dev.offmeter.wire.Failure;
import java.util.ArrayDeque;
import java.util.Queue;
import org.jspecify.annotations.Nullable;

/**
 * What the reader of a stream has been shown, and what is to be shown next. It holds no more than
 * the events of one part of a reply. Used by one thread at a time.
 */
final class Showing implements Audience {
  private static final String WITHDRAWN = "what was shown as text turned out to be thinking";

  private final StreamRecovery recovery;
  private final Queue<ChatEvent> ready = new ArrayDeque<>();
  private final StringBuilder kept = new StringBuilder();
  private int shownText;
  private int shownThinking;
  private int withdrawals;

  Showing(StreamRecovery recovery) {
    this.recovery = recovery;
  }

  /** The next event; null when the call must go on first. */
  @Nullable ChatEvent poll() {
    return ready.poll();
  }

  @Override
  public int showsFrom() {
    return recovery.held();
  }

  @Override
  public void hears(TimedAttempt attempt) throws Failure {
    Heard heard = attempt.heard();
    if (attempt.pieces() < recovery.held()) {
      return;
    }
    if (heard.withdrawals() > withdrawals) {
      withdrawals = heard.withdrawals();
      withdraw(attempt);
    }
    CharSequence text = heard.text();
    CharSequence thinking = heard.thinking();
    show(text, Graphemes.end(text, shownText), thinking, Graphemes.end(thinking, shownThinking));
  }

  /** The answer is whole: what is left of it, and the end. */
  void completed(ChatResponse response) {
    String text = response.text();
    String thinking = response.thinking();
    show(text, text.length(), thinking, thinking.length());
    ready.add(new ChatEvent.Completed(response));
  }

  private void show(CharSequence text, int textEnd, CharSequence thinking, int thinkingEnd) {
    if (thinkingEnd > shownThinking) {
      ready.add(new ChatEvent.ThinkingDelta(part(thinking, shownThinking, thinkingEnd)));
      shownThinking = thinkingEnd;
    }
    if (textEnd > shownText) {
      String more = part(text, shownText, textEnd);
      ready.add(new ChatEvent.TextDelta(more));
      shownText = textEnd;
      keep(more);
    }
  }

  /** For the exception that may have to carry it. */
  private void keep(String more) {
    if (!recovery.restarts()) {
      kept.append(more);
    }
  }

  private static String part(CharSequence whole, int from, int to) {
    return whole.subSequence(from, to).toString();
  }

  private void withdraw(TimedAttempt attempt) throws Failure {
    if (shownText == 0) {
      return;
    }
    Failure withdrawn = Failure.of(FailureKind.TEXT_WITHDRAWN, WITHDRAWN);
    if (!recovery.restarts()) {
      throw withdrawn;
    }
    startAgain(attempt.told(withdrawn));
  }

  @Override
  public boolean mayStartAgain(Attempt failed) {
    boolean unseen = shownText == 0 && shownThinking == 0;
    if (!unseen && !recovery.restarts()) {
      return false;
    }
    if (!unseen) {
      startAgain(failed);
    }
    withdrawals = 0;
    return true;
  }

  private void startAgain(Attempt failed) {
    ready.add(new ChatEvent.Restarted(failed, shownText, shownThinking));
    shownText = 0;
    shownThinking = 0;
  }

  @Override
  public String shown() {
    return kept.toString();
  }
}
