// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import dev.offmeter.Locality;
import dev.offmeter.internal.UserCode;
import dev.offmeter.internal.http.EndpointConfig;
import dev.offmeter.internal.time.TimeSource;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReentrantLock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Limits the calls in flight at one self-hosted server while it is overloaded. A call that ends as
 * {@code OVERLOADED} begins an episode: from then on as many calls are admitted as were served
 * while it waited, at least one, so that further calls move on at once instead of waiting for their
 * timeout. If it waited for less than the whole timeout, answers that had begun count too, because
 * they have the rest of it. Each served call measures the capacity: the calls served during it,
 * scaled to the whole timeout. If that exceeds the limit, the limit grows by one; it also grows as
 * {@link LimitIncreasePolicy} allows, when all admitted calls are being answered. An episode ends
 * when for a minute, or a call's timeout if that is longer, no call was overloaded, and none was
 * rejected while others were served.
 *
 * <p>With a first-token timeout a call may not queue for long, however long answers take: then the
 * beginnings of answers count. Safe for use by many threads.
 */
final class AdaptiveConcurrencyLimit {
  private static final Logger LOG = LoggerFactory.getLogger("dev.offmeter");

  private static final long CALM = Duration.ofMinutes(1).toNanos();

  private static final int NONE = Integer.MAX_VALUE;

  private final EndpointConfig config;
  private final TimeSource time;
  private final long attempt;

  /** The longest time that a call may wait for the first piece of its answer. */
  private final long firstToken;

  private final boolean enabled;
  private final AtomicInteger inFlight = new AtomicInteger();

  /** Whole answers, and streams that have begun. */
  private final AtomicLong served = new AtomicLong();

  /** Streams that have begun and not ended. */
  private final AtomicInteger streaming = new AtomicInteger();

  /** Answers that have begun, and those of them that have ended. */
  private final AtomicLong begun = new AtomicLong();

  private final AtomicLong ended = new AtomicLong();

  private final ReentrantLock lock = new ReentrantLock();

  /** Written under the lock; read without it by every call that asks for a slot. */
  private volatile int limit = NONE;

  /** Written by any thread, the last of which is right. */
  private volatile long lastOverloadAt;

  /** The value of {@link #served} when a call was last rejected. Written by any thread. */
  private volatile long servedAtRejection = -1;

  /** The time at which the limit was last set. Guarded by the lock. */
  private long limitSetAt;

  /** The time at which first pieces last raised the limit. Guarded by the lock. */
  private long grownAt;

  /** Guarded by the lock. */
  private final LimitIncreasePolicy increasePolicy = new LimitIncreasePolicy();

  /**
   * The state when a call was sent.
   *
   * @param sentAt when the call was sent
   * @param served how many calls had been served before
   * @param streaming how many of them were streams that had not ended
   * @param begun how many answers had begun before
   * @param ended how many of them had ended
   * @param inFlight how many calls were in flight, itself included
   */
  record EntrySnapshot(
      long sentAt, long served, int streaming, long begun, long ended, int inFlight) {
    /** Returns how many answers were in progress. */
    long answersInProgress() {
      return Math.max(0, begun - ended);
    }

    boolean isAlone() {
      return inFlight <= 1;
    }
  }

  AdaptiveConcurrencyLimit(EndpointConfig config, TimeSource time) {
    this.config = config;
    this.time = time;
    this.attempt = config.timeouts().attempt().toNanos();
    this.firstToken = config.timeouts().firstToken().toNanos();
    this.enabled = config.locality() == Locality.SELF_HOSTED && !config.isLocal();
    this.lastOverloadAt = time.nanos();
  }

  /** Admits a call, which must {@link #release}, if the limit has room. */
  boolean tryAcquire() {
    if (limit == NONE) {
      inFlight.incrementAndGet();
      return true;
    }
    // No lock: every call comes here, and a stale limit admits one call too many at most.
    int now = inFlight.get();
    while (now < limit) {
      if (inFlight.compareAndSet(now, now + 1)) {
        return true;
      }
      now = inFlight.get();
    }
    onRejected();
    return false;
  }

  /**
   * Records a rejection, which prolongs the episode only if calls were served since the last one:
   * where none is served, as while a stream's reader pauses, more room is worth a try.
   */
  private void onRejected() {
    long now = served.get();
    if (servedAtRejection != now) {
      servedAtRejection = now;
      lastOverloadAt = time.nanos();
    }
  }

  void release() {
    inFlight.decrementAndGet();
  }

  /**
   * Records that a released slot went to a call that had waited for one, so the server is still
   * overloaded.
   */
  void onSlotHandedOver() {
    if (limit != NONE) {
      lastOverloadAt = time.nanos();
    }
  }

  /** Returns whether more calls are in flight than would be admitted now. */
  boolean isOverLimit() {
    return inFlight.get() > limit;
  }

  /** Returns whether a call that came now would be rejected. */
  boolean isFull() {
    return inFlight.get() >= limit;
  }

  /** Returns whether a call that came now would be rejected, if it did not end the episode. */
  boolean wouldReject() {
    return isFull() && !isCalm();
  }

  /** Returns whether there is a limit now. */
  boolean isActive() {
    return limit != NONE;
  }

  /** Returns the limit. */
  int limit() {
    return limit;
  }

  /** Returns the state as a call is sent. */
  EntrySnapshot snapshot(long now) {
    return new EntrySnapshot(
        now, served.get(), streaming.get(), begun.get(), ended.get(), inFlight.get());
  }

  private boolean canQueue() {
    return firstToken >= attempt;
  }

  /**
   * Records the first piece of an answer; {@link #onAnswerEnded()} must follow.
   *
   * @return whether the limit has grown
   */
  boolean onAnswerBegun(EntrySnapshot entry, long now) {
    long since = begun.incrementAndGet() - entry.begun();
    if (limit == NONE) {
      return false;
    }
    lock.lock();
    try {
      int most = limit;
      // A call sent before the last change says nothing about the new limit.
      boolean isNew = entry.sentAt() - limitSetAt >= 0 && entry.sentAt() - grownAt >= 0;
      boolean grows =
          most != NONE
              && isNew
              && increasePolicy.isDue(now)
              && isRoomForMore(most, entry, since, now);
      if (grows) {
        increasePolicy.onTried();
        limit = most + 1;
        grownAt = now;
      }
      return grows;
    } finally {
      lock.unlock();
    }
  }

  /**
   * Returns whether all admitted calls are being answered, or answers begin so quickly that more
   * than the limit would begin within the first-token timeout of a call that had to wait.
   */
  private boolean isRoomForMore(int most, EntrySnapshot entry, long since, long now) {
    long waited = Math.max(1, now - entry.sentAt());
    double parts = (double) firstToken / waited;
    boolean hadToWait = 4 * waited >= firstToken;
    return begun.get() - ended.get() >= most
        || (!canQueue()
            && hadToWait
            && (long) ((since - 1) * parts) + entry.answersInProgress() > most);
  }

  /** Records that an answer that had begun has ended, complete or not. */
  void onAnswerEnded() {
    ended.incrementAndGet();
  }

  /**
   * Records that a call was served: its answer is complete, or has begun as a stream.
   *
   * @return whether the limit has grown
   */
  boolean onServed(EntrySnapshot entry, long now) {
    long since = served.incrementAndGet() - entry.served();
    if (limit == NONE || !canQueue()) {
      return false;
    }
    lock.lock();
    try {
      double parts = (double) attempt / Math.max(1, now - entry.sentAt());
      int most = limit;
      // Another call may have been almost served when this one was sent, so it does not count.
      long whole = entry.isAlone() ? since : since - 1;
      boolean grows = most != NONE && (long) (whole * parts) + entry.streaming() > most;
      limit = grows ? most + 1 : most;
      return grows;
    } finally {
      lock.unlock();
    }
  }

  void onStreamStarted() {
    streaming.incrementAndGet();
  }

  void onStreamEnded() {
    streaming.decrementAndGet();
  }

  /**
   * Records that a call timed out while others were served.
   *
   * @param begun whether the call's own answer had begun
   */
  void onOverloaded(EntrySnapshot entry, boolean begun) {
    int seen = observedCapacity(entry, begun);
    if (!enabled || seen >= config.maxConcurrent()) {
      return;
    }
    boolean begins;
    lock.lock();
    try {
      begins = limit == NONE;
      lastOverloadAt = time.nanos();
      // A call from the crowd before the last change says nothing about those that are admitted
      // now.
      if (begins || entry.sentAt() - limitSetAt >= 0) {
        limit = begins ? seen : Math.max(1, Math.min(seen, limit - 1));
        limitSetAt = lastOverloadAt;
        if (begins) {
          increasePolicy.start(limitSetAt);
          grownAt = limitSetAt;
        } else {
          increasePolicy.onOverloaded(limitSetAt);
        }
      }
    } finally {
      lock.unlock();
    }
    if (begins) {
      UserCode.ignore(
          () ->
              LOG.info(
                  "endpoint {} is overloaded: at most {} calls at a time are admitted, as many as"
                      + " it was seen to serve within one call's timeout; others move on at once",
                  config.name(),
                  seen));
    }
  }

  private int observedCapacity(EntrySnapshot entry, boolean itself) {
    long whole = served.get() - entry.served() + entry.streaming();
    boolean isRestLeft = time.nanos() - entry.sentAt() < attempt;
    long coming = isRestLeft ? begun.get() - entry.ended() - (itself ? 1 : 0) : 0;
    return (int) Math.max(1, Math.max(whole, coming));
  }

  /**
   * Ends the episode if it is over.
   *
   * @return whether this call has ended it
   */
  boolean endIfCalm() {
    if (limit == NONE || !isCalm()) {
      return false;
    }
    lock.lock();
    try {
      // Checked again under the lock: another call may have been overloaded, or have ended the
      // episode, in between.
      if (limit == NONE || !isCalm()) {
        return false;
      }
      limit = NONE;
    } finally {
      lock.unlock();
    }
    UserCode.ignore(
        () ->
            LOG.info("endpoint {} keeps up again: any number of calls is admitted", config.name()));
    return true;
  }

  private boolean isCalm() {
    return time.nanos() - lastOverloadAt >= Math.max(CALM, attempt);
  }
}
