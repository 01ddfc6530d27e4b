// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.http.AttemptTimeouts;
import java.time.Duration;
import java.util.Locale;
import java.util.Objects;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * Decides which {@link FailureKind}, and which words, an attempt gets that has passed a limit. The
 * same silence is the fault of a dead endpoint, of a busy one or of the caller's hurry: what other
 * calls there see meanwhile tells them apart. Made when a limit has passed, not before: a failure
 * that excuses the endpoint is recorded as a fruitless wait there, and too many are no excuse.
 */
final class TimeoutClassifier {
  private static final String BUFFERED =
      "a proxy or tunnel may hold the answer back until it is whole";

  /** The attempt timeouts that calls may wait in vain before an endpoint is excused no more. */
  private static final int MAX_FRUITLESS_WAITS = 2;

  /** More timeouts for answers that were coming: two long ones in a row are no sign of death. */
  private static final int MAX_FRUITLESS_WAITS_WHEN_SLOW = 4;

  private final GuardedEndpoint endpoint;
  private final AttemptTimeouts timeouts;
  private final AttemptClocks clocks;
  private final Deadline deadline;
  private final long now;
  private final int pieces;
  private final boolean queued;
  private final boolean replied;

  /**
   * A classifier of what has passed by now.
   *
   * @param pieces how many pieces of the answer have come
   * @param queued whether others were served before it had its first piece
   * @param replied whether the head of a reply has come
   */
  TimeoutClassifier(
      GuardedEndpoint endpoint,
      AttemptClocks clocks,
      Deadline deadline,
      long now,
      int pieces,
      boolean queued,
      boolean replied) {
    this.endpoint = endpoint;
    this.timeouts = endpoint.config().timeouts();
    this.clocks = clocks;
    this.deadline = deadline;
    this.now = now;
    this.pieces = pieces;
    this.queued = queued;
    this.replied = replied;
  }

  /** The failure for whichever limit has passed. */
  AttemptException limitPassed() {
    // Several may have passed when the timer comes late: first those that may excuse the endpoint.
    if (clocks.isShareOver(now)) {
      return shareExceeded();
    }
    if (clocks.isDeliveryOver(now)) {
      return deliveryTooLong();
    }
    if (clocks.isAttemptOver(now)) {
      return attemptTimeout();
    }
    if (clocks.hasBegun()) {
      return stalled();
    }
    return clocks.isConnectingTooLong(now)
        ? AttemptException.of(
            FailureKind.CONNECT_TIMEOUT, "no connection in " + text(timeouts.connect()))
        : timeout(
            FailureKind.FIRST_TOKEN_TIMEOUT, "no first token in " + text(timeouts.firstToken()));
  }

  /** The failure for what the time limiter says. */
  AttemptException ofTimeLimiter(@Nullable Throwable cause) {
    return cause instanceof TimeoutException
        ? attemptTimeout()
        : AttemptException.of(FailureKind.INTERNAL, Objects.toString(cause));
  }

  private AttemptException attemptTimeout() {
    return timeout(FailureKind.ATTEMPT_TIMEOUT, missing() + text(timeouts.attempt()));
  }

  private AttemptException stalled() {
    String what = "nothing more in ";
    long silent = now - clocks.silentSince();
    return silent >= timeouts.stall().toNanos()
        ? timeout(FailureKind.STALLED, what + text(timeouts.stall()))
        : unlessExcused(
            FailureKind.STALLED,
            FailureKind.DEADLINE_SHARE_EXCEEDED,
            what + text(Duration.ofNanos(silent)) + ", half of what the deadline left",
            "");
  }

  /** The failure of an answer that comes at less than its minimum rate. */
  AttemptException tooSlow(ThroughputMonitor throughput) {
    return timeout(FailureKind.STALLED, "fewer than " + throughput);
  }

  /** The failure of a delivery without an end, which says nothing against the endpoint. */
  AttemptException deliveryTooLong() {
    return AttemptException.of(
        FailureKind.DEADLINE_SHARE_EXCEEDED,
        "no complete answer in " + text(timeouts.stream()) + " of delivery, the streamTimeout");
  }

  private AttemptException shareExceeded() {
    if (!deadline.isSet() && clocks.share() >= timeouts.attempt().toNanos()) {
      return attemptTimeout();
    }
    boolean over = clocks.isDeadlineOver(now);
    FailureKind excuse = over ? FailureKind.DEADLINE_EXCEEDED : FailureKind.DEADLINE_SHARE_EXCEEDED;
    String what =
        over
            ? missing() + Deadline.text(now - clocks.startedAt()) + ", and the deadline has passed"
            : missing() + Deadline.text(clocks.shareFromStart()) + ", its share of the deadline";
    if (clocks.isDelivering()) {
      // The time was the caller's to set; only a silence in it is the node's.
      return clocks.isReaderIdle()
          ? AttemptException.of(excuse, what)
          : unlessExcused(FailureKind.STALLED, excuse, what, "");
    }
    // Half of the usual timeout is time enough, unless the call spent some of it waiting elsewhere.
    return deadline.isExcuse(clocks.share(), timeouts.attempt())
        ? unlessExcused(FailureKind.ATTEMPT_TIMEOUT, excuse, what, "")
        : timeout(FailureKind.ATTEMPT_TIMEOUT, what);
  }

  private String missing() {
    return clocks.isStreamed() && !clocks.hasBegun()
        ? "no first token in "
        : "no complete answer in ";
  }

  private AttemptException timeout(FailureKind kind, String what) {
    if (clocks.hasPaused()) {
      // The attempt says so and blames nobody; progress of others during the pause shows nothing.
      return AttemptException.of(kind, what);
    }
    if (kind == FailureKind.ATTEMPT_TIMEOUT && isSlow()) {
      return slow(what);
    }
    // A node that answers others is not dead: it works through a queue.
    boolean queuedTooLong = queued && kind == FailureKind.ATTEMPT_TIMEOUT;
    return queuedTooLong || endpoint.activity().isServingOthers(now, clocks.lastPiece())
        ? unlessExcused(
            kind, FailureKind.OVERLOADED, what, ", while other calls there were being answered")
        : AttemptException.of(kind, what + hints());
  }

  /** The words for what else is known of a server that is silent. */
  private String hints() {
    if (endpoint.config().isLocal()) {
      return "";
    }
    if (clocks.hasBegun()) {
      return endpoint.health().isFoundHealthySince(clocks.silentSince())
          ? ", though it answers health checks: its model hangs, or its connection was forgotten on"
              + " the way"
          : "";
    }
    if (replied) {
      return ", though the head of its reply had come: " + BUFFERED;
    }
    if (endpoint.activity().isBuffered()) {
      return "; its last answer came late and all at once: " + BUFFERED;
    }
    return endpoint.health().isFoundHealthySince(clocks.startedAt())
        ? ", though it answers health checks: it is busy, it loads its model, or " + BUFFERED
        : "";
  }

  private boolean isSlow() {
    return !queued && (clocks.hasBegun() ? isComingSteadily() : endpoint.activity().isBuffered());
  }

  /** Returns whether the pieces came steadily until now. */
  private boolean isComingSteadily() {
    // By its own pace: what is overdue for a quick answer is in time for a slow one.
    long meanGap = (clocks.lastPiece() - clocks.firstPiece()) / Math.max(1, pieces - 1);
    long allowed = Math.max(timeouts.attempt().toNanos() / 4, 3 * meanGap);
    return pieces > 1 && now - clocks.lastPiece() < allowed;
  }

  /** Slow is not dead: calls with shorter answers would have theirs in time. */
  private AttemptException slow(String what) {
    String coming =
        what
            + (clocks.hasBegun()
                ? ", though it was coming: " + pieces + " pieces" + speedText()
                : hints());
    endpoint.activity().recordFruitlessWait(clocks.startedAt(), now);
    return endpoint.activity().hasFruitlessWaitsOf(MAX_FRUITLESS_WAITS_WHEN_SLOW)
        ? AttemptException.of(
            FailureKind.ATTEMPT_TIMEOUT,
            coming + ", and no call there has got a whole answer for long")
        : AttemptException.of(
                FailureKind.ATTEMPT_TIMEOUT,
                coming + "; a longer timeout (with a firstTokenTimeout) or a stream would have it")
            .asBlameless();
  }

  private String speedText() {
    double seconds = (clocks.lastPiece() - clocks.firstPiece()) / 1e9;
    return seconds > 0 ? String.format(Locale.ROOT, ", %.1f a second", (pieces - 1) / seconds) : "";
  }

  /** An excuse is good until it has gone on for long and nobody has got an answer. */
  private AttemptException unlessExcused(
      FailureKind kind, FailureKind excuse, String what, String why) {
    // A delivery that went on until now has been no wait.
    long since = clocks.isDelivering() ? clocks.silentSince() : clocks.startedAt();
    endpoint.activity().recordFruitlessWait(since, now);
    return endpoint.activity().hasFruitlessWaitsOf(MAX_FRUITLESS_WAITS)
        ? AttemptException.of(kind, what + ", and no other call there got one for long")
        : AttemptException.of(excuse, what + why);
  }

  private static String text(Duration duration) {
    return duration.toMillis() + " ms";
  }
}
