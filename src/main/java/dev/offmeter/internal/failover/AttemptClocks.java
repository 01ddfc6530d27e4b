// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import dev.offmeter.internal.UserCode;
import dev.offmeter.internal.http.AttemptTimeouts;
import dev.offmeter.internal.time.ProcessPauseDetector;
import dev.offmeter.internal.time.TimeSource;
import io.github.resilience4j.timelimiter.TimeLimiter;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * The clocks of one attempt: everything that bounds it in time, and the times that they need. The
 * attempt's own limit is a time limiter of Resilience4j; all others (connection, first token,
 * stall, delivery, share of the deadline, silence, hedge) are looked after by one timer task, which
 * is set for the earliest of them and sets itself anew. So a piece of an answer moves a time, and
 * touches no timer.
 *
 * <table>
 *   <caption>The limits, by what starts each and what its end is called</caption>
 *   <tr><th>limit</th><th>starts with</th><th>kind</th></tr>
 *   <tr><td>attempt timeout</td><td>the attempt; not in force while a stream is delivered</td>
 *       <td>{@code ATTEMPT_TIMEOUT}</td></tr>
 *   <tr><td>connect timeout</td><td>the search for a connection</td>
 *       <td>{@code CONNECT_TIMEOUT}</td></tr>
 *   <tr><td>first-token timeout</td><td>the attempt; ends with the first piece</td>
 *       <td>{@code FIRST_TOKEN_TIMEOUT}</td></tr>
 *   <tr><td>stall timeout</td><td>each piece; only while the reader waits</td>
 *       <td>{@code STALLED}</td></tr>
 *   <tr><td>stream timeout</td><td>the first delivered piece; the reader's rests do not count</td>
 *       <td>{@code DEADLINE_SHARE_EXCEEDED}</td></tr>
 *   <tr><td>share of the deadline</td><td>the attempt</td>
 *       <td>{@code DEADLINE_SHARE_EXCEEDED}</td></tr>
 *   <tr><td>deadline</td><td>the call</td><td>{@code DEADLINE_EXCEEDED}</td></tr>
 *   <tr><td>trailer</td><td>the end of the text</td><td>none: the answer counts</td></tr>
 * </table>
 *
 * <p>{@link TimeoutClassifier} may find that another kind explains it better.
 *
 * <p>While a stream is delivered, the attempt's own limit is not in force, and the stall clock runs
 * only while its reader waits: a reader who takes time is no fault of the endpoint. The {@code on}
 * methods are called by the thread that reads; the clocks run out on the timer's.
 */
final class AttemptClocks {
  /** Stands for never; differences of times this far apart do not overflow yet. */
  static final long FAR_AHEAD = Duration.ofDays(365).toNanos();

  /**
   * A piece that comes sooner than this after its reader wanted it had come before, while the
   * reader rested: no sign that the endpoint lives.
   */
  static final long SOCKET_READ = Duration.ofMillis(1).toNanos();

  /**
   * The time that a server may take, once the text is whole, to count its tokens and to end its
   * reply. Some leave it open for ever.
   */
  private static final long TRAILER_TIMEOUT = Duration.ofSeconds(1).toNanos();

  /** Called on the timer's thread when a clock has run out. */
  interface Alarm {
    /** A limit has passed. */
    void onLimitPassed(long now);

    /** The time limiter has ended the attempt, in general with a {@link TimeoutException}. */
    void onTimeLimit(Throwable late);

    /** The text is whole, and the reply behind it does not end. */
    void onTrailerOverdue();

    /** The endpoint has been silent for so long that its health is in doubt. */
    void onSilence();

    /** The endpoint has been silent for so long that another may be asked beside it. */
    void onHedgeDue();

    /** Returns whether the attempt has ended, so that no clock is needed any more. */
    boolean isOver();
  }

  private final TimeSource time;
  private final AttemptTimeouts timeouts;
  private final Deadline deadline;
  private final Alarm alarm;
  private final long share;

  /** True if the answer is to be delivered while it comes. */
  private final boolean streamed;

  private final boolean hasMoreEndpoints;
  private final long silenceThreshold;

  /** Nanoseconds of silence that put its health in doubt in mid-answer, within the stall limit. */
  private final long silenceThresholdMidAnswer;

  private final long hedgeDelay;

  /** The time at which the call's deadline passes, if one is set. */
  private final long deadlineEnds;

  private final ProcessPauseDetector processPause;

  /**
   * The future that the time limiter guards. Always completed normally when the attempt has ended:
   * the limiter of Resilience4j 2.4.0 leaves its timer running after a failure.
   */
  private final CompletableFuture<@Nullable Void> timeLimit = new CompletableFuture<>();

  // Written by the reading thread before the clocks start, and not after.

  private long start;
  private long attemptLimitDue;

  // Written by the reading thread, and read by the timer's. No lock, which each piece would take:
  // one that races with the end of a limit may come before it or after.

  private volatile long connectingSince;
  private volatile boolean connecting;
  private volatile boolean connected;
  private volatile boolean begun;
  private volatile boolean delivering;
  private volatile long firstPiece;
  private volatile long lastPiece;
  private volatile boolean readerIdle;
  private volatile long readerWaitingSince;
  private volatile boolean textEnded;
  private volatile long textEndedAt;
  private volatile long shareEnds;

  /** The time at which the delivery must be over; each pause of its reader moves it. */
  private volatile long streamEnds;

  // Written by the timer's thread once the clocks run (silenceCheckAt by a health check's too: the
  // later of two is as good as the earlier).

  private volatile long silenceCheckAt;
  private volatile long silenceCheckedAt;
  private volatile long hedgeAt;

  /**
   * Until when it may run although the limiter's time is over; {@link #FAR_AHEAD} while it is not.
   */
  private volatile long attemptEnds;

  // Written by whichever thread sets the timer, which cancels the task again if the attempt ended
  // meanwhile; cancelled by whichever ends the attempt.

  private volatile @Nullable Future<?> watch;
  private volatile @Nullable Future<?> trailerTimeout;

  /**
   * Clocks that stand still until they are started.
   *
   * @param share nanoseconds that the call's deadline leaves the attempt
   * @param streamed whether the answer is to be delivered while it comes
   * @param silenceThreshold nanoseconds of silence after which the endpoint's health is in doubt
   * @param hedgeDelay nanoseconds of silence after which another endpoint may be asked
   */
  AttemptClocks(
      TimeSource time,
      AttemptTimeouts timeouts,
      Deadline deadline,
      long share,
      boolean streamed,
      long silenceThreshold,
      long hedgeDelay,
      Alarm alarm) {
    this.time = time;
    this.timeouts = timeouts;
    this.deadline = deadline;
    this.alarm = alarm;
    this.share = share;
    this.streamed = streamed;
    this.silenceThreshold = silenceThreshold;
    this.silenceThresholdMidAnswer = Math.min(silenceThreshold, timeouts.stall().toNanos() / 2);
    this.hedgeDelay = hedgeDelay;
    this.start = time.nanos();
    long left = deadline.remaining();
    this.hasMoreEndpoints = left > share;
    this.deadlineEnds = start + left;
    this.processPause = new ProcessPauseDetector(start);
    this.shareEnds = start + share;
    this.streamEnds = start + FAR_AHEAD;
    this.attemptEnds = start + FAR_AHEAD;
    this.silenceCheckAt = start + silenceThreshold;
    this.silenceCheckedAt = start;
    this.hedgeAt = start + hedgeDelay;
    this.lastPiece = start;
    this.readerWaitingSince = start;
  }

  /**
   * Sets the clocks to now, before they start. A listener may have heard of the attempt since it
   * was made: the time that took is the caller's, and no clock of the endpoint's runs for it.
   */
  void reset(long now) {
    start = now;
    lastPiece = now;
    silenceCheckAt = now + silenceThreshold;
    hedgeAt = now + hedgeDelay;
    if (!deadline.isSet()) {
      shareEnds = now + share;
    }
  }

  /**
   * Starts them.
   *
   * @return why there is no thread for them; null if there is
   */
  @SuppressWarnings("FutureReturnValueIgnored") // What depends on the outcome returns with it.
  @Nullable Throwable start(TimeLimiter limiter) {
    timeLimit.whenComplete((ended, late) -> onTimeLimit(late));
    attemptLimitDue = time.nanos() + timeouts.attempt().toNanos();
    return UserCode.run(
        () -> {
          limiter.executeCompletionStage(time.timer(), () -> timeLimit);
          scheduleWatch(time.nanos());
        });
  }

  /** Stops them, as the attempt has ended. */
  void stop() {
    timeLimit.complete(null);
    TimeSource.cancel(watch);
    TimeSource.cancel(trailerTimeout);
  }

  private void onTimeLimit(@Nullable Throwable late) {
    if (late != null && textEnded) {
      // The answer is whole and must not be lost because the reply behind it is open still.
      alarm.onTrailerOverdue();
    } else if (late != null && !tryExtend(late)) {
      alarm.onTimeLimit(late);
    }
  }

  /**
   * Lets the attempt run on if a pause of this process took a part of its limit; returns false if
   * none did.
   */
  private boolean tryExtend(Throwable late) {
    long now = time.nanos();
    if (!(late instanceof TimeoutException)
        || !(processPause.detect(now, attemptLimitDue) || processPause.hasPaused())) {
      return false;
    }
    attemptEnds = processPause.extend(attemptLimitDue + processPause.lostNanos());
    TimeSource.cancel(watch);
    scheduleWatch(now);
    return true;
  }

  /**
   * Sets the timer for when the next clock may run out, so that pieces need not touch it. A clock
   * that may yet begin runs out no sooner than its own length from now.
   */
  private void scheduleWatch(long now) {
    long wait = Math.max(0, Math.min(nextDueAt() - now, shortestClock()));
    // However far ahead the next limit is: only a timer that fires late shows a pause.
    wait = Math.min(wait, ProcessPauseDetector.TICK);
    processPause.expect(now + wait);
    watch = time.timer().schedule(this::onWatch, wait, TimeUnit.NANOSECONDS);
    if (alarm.isOver()) {
      // The attempt may have ended after the check above, so that stop() cancelled only the earlier
      // task.
      TimeSource.cancel(watch);
    }
  }

  private long shortestClock() {
    long stall = timeouts.stall().toNanos();
    if (hasMoreEndpoints && streamed) {
      // Their patience is shorter than the stall limit, and not known before the delivery begins.
      stall = Math.min(stall, Math.max(SOCKET_READ, share / 8));
    }
    if (streamed) {
      stall = Math.min(stall, timeouts.stream().toNanos());
    }
    stall = Math.min(stall, silenceThresholdMidAnswer);
    // One that has no byte yet may be sent again, over a new connection.
    return begun ? stall : Math.min(stall, timeouts.connect().toNanos());
  }

  private void onWatch() {
    long now = time.nanos();
    if (processPause.detect(now)) {
      // Bytes that came while the process stood still may lie unread: only from now on is it
      // silence.
      silenceCheckAt = now + silenceThreshold;
      silenceCheckedAt = now;
    } else if (earliestLimitAt() - now <= 0) {
      if (textEnded) {
        alarm.onTrailerOverdue();
      } else {
        alarm.onLimitPassed(now);
      }
      return;
    }
    try {
      reportSilence(now);
    } finally {
      // Even if the alarm fails: without a next task no limit would ever end the attempt.
      scheduleWatch(now);
    }
  }

  private void reportSilence(long now) {
    if (hedgeDueAt() - now <= 0) {
      // Once for each attempt, even if no hedge begins: its silence is no more reason later.
      hedgeAt = start + FAR_AHEAD;
      alarm.onHedgeDue();
    }
    if (silenceCheckDueAt() - now <= 0) {
      silenceCheckAt = now + silenceThreshold;
      silenceCheckedAt = now;
      alarm.onSilence();
    }
  }

  private long nextDueAt() {
    return earlier(earliestLimitAt(), earlier(silenceCheckDueAt(), hedgeDueAt()));
  }

  private long hedgeDueAt() {
    return begun ? start + FAR_AHEAD : hedgeAt;
  }

  /** Returns when the endpoint's health is next in doubt; connecting has a clock of its own. */
  private long silenceCheckDueAt() {
    if (begun) {
      return midAnswerCheckDueAt();
    }
    return isConnecting() ? start + FAR_AHEAD : silenceCheckAt;
  }

  /** Returns when silence is next in doubt: a reader's rest is none, nor what was just checked. */
  private long midAnswerCheckDueAt() {
    long since = silentSince();
    long from = silenceCheckedAt - since > 0 ? silenceCheckedAt : since;
    return readerIdle || textEnded ? start + FAR_AHEAD : from + silenceThresholdMidAnswer;
  }

  private long earliestLimitAt() {
    long delivery = readerIdle ? start + FAR_AHEAD : streamEnds;
    long ofAttempt = earlier(phaseDueAt(), attemptDueAt());
    return earlier(ofAttempt, earlier(shareDueAt(), processPause.extend(delivery)));
  }

  /** A deadline that somebody has set goes on in a pause of this process; all others do not. */
  private long shareDueAt() {
    return processPause.extend(deadline.isSet() ? shareEnds : shareEnds + processPause.lostNanos());
  }

  private long attemptDueAt() {
    return delivering ? start + FAR_AHEAD : attemptEnds;
  }

  private long phaseDueAt() {
    if (begun) {
      return stallDueAt();
    }
    long firstToken = start + processPause.lostNanos() + firstTokenLimit();
    return isConnecting() ? Math.min(firstToken, connectDueAt()) : firstToken;
  }

  private long stallDueAt() {
    if (readerIdle) {
      return start + FAR_AHEAD;
    }
    long silentSince = silentSince();
    return silentSince + Math.min(timeouts.stall().toNanos(), patience(silentSince));
  }

  /** Returns how long a silence may last: half of the time left, while there are more endpoints. */
  private long patience(long silentSince) {
    return delivering && hasMoreEndpoints ? Math.max(0, shareEnds - silentSince) / 2 : FAR_AHEAD;
  }

  private boolean isConnecting() {
    return connecting && !connected;
  }

  private long connectDueAt() {
    return processPause.extend(connectingSince + timeouts.connect().toNanos());
  }

  /** Returns the first token's own limit; without one, the time limiter's is enough. */
  private long firstTokenLimit() {
    boolean own = timeouts.firstToken().compareTo(timeouts.attempt()) < 0;
    return own ? timeouts.firstToken().toNanos() : FAR_AHEAD;
  }

  private static long earlier(long one, long other) {
    // Compared by their difference, because the clock may start anywhere and overflow.
    return one - other < 0 ? one : other;
  }

  /** A connection is looked for. */
  void onConnecting() {
    // First, so that the timer never measures this search from the beginning of an earlier one.
    connectingSince = time.nanos();
    connecting = true;
    connected = false;
  }

  /** The connection is there. */
  void onConnected() {
    connected = true;
  }

  /** A piece of the answer has come. */
  void onPiece(long now) {
    lastPiece = now;
    if (!begun) {
      // Before the flag: a thread that sees the answer begun must find its time.
      firstPiece = now;
      begun = true;
    }
  }

  /** The answer is delivered from now on: the limits of the delivery replace the attempt's. */
  void onDelivery() {
    shareEnds = deadline.beginDelivery();
    streamEnds = lastPiece + timeouts.stream().toNanos();
    // Last, so that the timer never finds a delivery without its own limits.
    delivering = true;
    timeLimit.complete(null);
  }

  /** The reader has a piece and takes time. */
  void onReaderIdle() {
    readerIdle = delivering;
  }

  /**
   * The reader wants the next piece. What brings none is no progress, and moves no clock.
   *
   * @return whether the time for the delivery was over before
   */
  boolean onReaderWaiting() {
    if (!readerIdle) {
      return false;
    }
    long now = time.nanos();
    readerWaitingSince = now;
    // The reader's rest began with the last piece, near enough: so no piece costs a clock reading.
    long ends = streamEnds + now - lastPiece;
    streamEnds = ends;
    readerIdle = false;
    return now - ends >= 0 && !textEnded;
  }

  /** The text is whole: from now on no clock can take the answer back. */
  void onTextEnded() {
    textEndedAt = time.nanos();
    textEnded = true;
    scheduleTrailerTimeout(trailerLimit());
  }

  private long trailerLimit() {
    return Math.min(TRAILER_TIMEOUT, timeouts.stall().toNanos());
  }

  private void scheduleTrailerTimeout(long nanos) {
    trailerTimeout = time.timer().schedule(this::onTrailerTimeout, nanos, TimeUnit.NANOSECONDS);
    if (alarm.isOver()) {
      TimeSource.cancel(trailerTimeout);
    }
  }

  private void onTrailerTimeout() {
    long since = readerWaitingSince - textEndedAt > 0 ? readerWaitingSince : textEndedAt;
    long left = readerIdle ? trailerLimit() : since + trailerLimit() - time.nanos();
    if (left > 0) {
      scheduleTrailerTimeout(left);
    } else {
      alarm.onTrailerOverdue();
    }
  }

  /** Begins the silence anew: the request was sent once more. */
  void onResent(long now) {
    silenceCheckAt = now + silenceThreshold;
  }

  /** Takes note of a pause of this process that no timer has shown yet. */
  void detectPause() {
    processPause.detect(time.nanos());
  }

  /** Returns whether this process stood still while the attempt ran. */
  boolean hasPaused() {
    return processPause.hasPaused();
  }

  /** Returns the nanoseconds of the client's clock at which the attempt began. */
  long startedAt() {
    return start;
  }

  long elapsed() {
    return time.nanos() - start;
  }

  boolean hasBegun() {
    return begun;
  }

  boolean isConnected() {
    return connected;
  }

  boolean isDelivering() {
    return delivering;
  }

  boolean isReaderIdle() {
    return readerIdle;
  }

  boolean hasTextEnded() {
    return textEnded;
  }

  long firstPiece() {
    return firstPiece;
  }

  /** Returns the time of the last piece, or of the start if none has come. */
  long lastPiece() {
    return lastPiece;
  }

  /** Returns since when nothing but the endpoint has been waited for. */
  long silentSince() {
    if (!begun) {
      return start;
    }
    return processPause.silentSince(
        readerWaitingSince - lastPiece > 0 ? readerWaitingSince : lastPiece);
  }

  long silenceThreshold() {
    return silenceThreshold;
  }

  long silenceThresholdMidAnswer() {
    return silenceThresholdMidAnswer;
  }

  /**
   * Returns whether the attempt's limits allow for an answer after a load of the model.
   *
   * @param load nanoseconds until the model is loaded
   * @param answer how many an answer takes then
   */
  boolean canOutlast(long load, long answer) {
    long loaded = time.nanos() + load;
    long firstTokenEnds = start + processPause.lostNanos() + timeouts.firstToken().toNanos();
    // The limit of a stream ends with its first piece.
    long whole = loaded + (streamed ? 0 : answer);
    long attempt = start + processPause.lostNanos() + timeouts.attempt().toNanos();
    return loaded - firstTokenEnds < 0 && whole - earlier(attempt, shareEnds) < 0;
  }

  boolean isStreamed() {
    return streamed;
  }

  /** Nanoseconds that the call's deadline left the attempt when it was made. */
  long share() {
    return share;
  }

  /** Returns the nanoseconds from the start to the end of the share. */
  long shareFromStart() {
    return shareEnds - start;
  }

  boolean isShareOver(long now) {
    return now - shareDueAt() >= 0;
  }

  boolean isDeliveryOver(long now) {
    return now - processPause.extend(streamEnds) >= 0;
  }

  boolean isAttemptOver(long now) {
    return now - attemptDueAt() >= 0;
  }

  boolean isConnectingTooLong(long now) {
    return isConnecting() && now - connectDueAt() >= 0;
  }

  /** Returns whether no other endpoint has any time either. */
  boolean isDeadlineOver(long now) {
    return deadline.isSet() ? now - deadlineEnds >= 0 : !hasMoreEndpoints;
  }
}
