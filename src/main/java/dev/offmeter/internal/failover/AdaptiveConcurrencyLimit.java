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
 * How many calls one self-hosted server is sent at once while it is overloaded. A call that ends as
 * {@code OVERLOADED} begins an episode: from then on as many are let in as were served while it
 * waited, at least one, so that those beyond go on at once instead of waiting out their limit. Of a
 * wait that was shorter than the whole limit, those count too that had begun to be answered: they
 * have the rest of it. What is served while a call is, scaled to the whole limit, is what could be:
 * if that is more than are let in, one more is; and another as {@link LimitIncreasePolicy} allows,
 * when all that are let in are being answered. An episode ends when for a minute, or the limit of a
 * call if that is longer, nobody was overloaded, nor turned away while others were served.
 *
 * <p>With a first-token limit of its own a call may not queue for long, however long answers take:
 * then what counts is when answers begin. Safe for use by many threads.
 */
final class AdaptiveConcurrencyLimit {
  private static final Logger LOG = LoggerFactory.getLogger("dev.offmeter");

  private static final long CALM = Duration.ofMinutes(1).toNanos();

  private static final int NONE = Integer.MAX_VALUE;

  private final EndpointConfig config;
  private final TimeSource time;
  private final long attempt;

  /** How long a call may wait for the first piece of its answer. */
  private final long firstToken;

  private final boolean enabled;
  private final AtomicInteger inFlight = new AtomicInteger();

  /** Whole answers, and streams that have begun. */
  private final AtomicLong served = new AtomicLong();

  /** Streams that have begun and go on. */
  private final AtomicInteger streaming = new AtomicInteger();

  /** Answers that have begun, and those of them that are over. */
  private final AtomicLong begun = new AtomicLong();

  private final AtomicLong ended = new AtomicLong();

  private final ReentrantLock lock = new ReentrantLock();
  private volatile int limit = NONE;
  private volatile long lastOverloadAt;

  /** How many had been served when somebody was turned away last. */
  private volatile long servedAtRejection = -1;

  /** When the limit was set last. Under the lock. */
  private long limitSetAt;

  /** When one more was let in for what was seen of first pieces. Under the lock. */
  private long grownAt;

  /** Under the lock. */
  private final LimitIncreasePolicy increasePolicy = new LimitIncreasePolicy();

  /**
   * How things were when a call was sent.
   *
   * @param sentAt when that was
   * @param served how many had been served before
   * @param streaming how many of them were streams that went on
   * @param begun how many answers had begun before
   * @param ended how many of them were over
   * @param alone whether no other call was there
   */
  record EntrySnapshot(
      long sentAt, long served, int streaming, long begun, long ended, boolean alone) {
    /** Returns how many answers were coming. */
    long answersInProgress() {
      return Math.max(0, begun - ended);
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

  /** Lets a call in, which must {@link #release}, if there is room for it. */
  boolean tryAcquire() {
    if (limit == NONE) {
      inFlight.incrementAndGet();
      return true;
    }
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

  /** Where nobody is served at all, as while a stream rests, more room is worth a try. */
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

  /** A place that was given back went to one who had waited for it. */
  void onSlotHandedOver() {
    if (limit != NONE) {
      lastOverloadAt = time.nanos();
    }
  }

  /** Returns whether more calls are there than would be let in now. */
  boolean isOverLimit() {
    return inFlight.get() > limit;
  }

  /** Returns whether a call that came now would be turned away. */
  boolean isFull() {
    return inFlight.get() >= limit;
  }

  /** Returns whether anybody is turned away beyond some number. */
  boolean isActive() {
    return limit != NONE;
  }

  /** Returns how many are let in at once. */
  int limit() {
    return limit;
  }

  /** A call is sent. */
  EntrySnapshot snapshot(long now) {
    return new EntrySnapshot(
        now, served.get(), streaming.get(), begun.get(), ended.get(), inFlight.get() <= 1);
  }

  private boolean canQueue() {
    return firstToken >= attempt;
  }

  /**
   * The first piece of an answer has come; {@link #onAnswerEnded()} must follow.
   *
   * @return whether one more is let in from now on
   */
  boolean onAnswerBegun(EntrySnapshot entry, long now) {
    long since = begun.incrementAndGet() - entry.begun();
    if (limit == NONE) {
      return false;
    }
    lock.lock();
    try {
      int most = limit;
      // One that came before the last change tells nothing of it.
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
   * Returns whether all that are let in are being answered, or so many answers have begun while one
   * had to wait that, in the whole time it may wait, more would.
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

  /** An answer that had begun is over, whole or not. */
  void onAnswerEnded() {
    ended.incrementAndGet();
  }

  /**
   * A call was served: its answer is whole, or as a stream it has begun.
   *
   * @return whether one more is let in from now on
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
      // Another may have been almost served when this one came: that counts for nothing.
      long whole = entry.alone() ? since : since - 1;
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

  /** A call has waited in vain while others were served. */
  void onOverloaded(EntrySnapshot entry) {
    onOverloaded(entry, false);
  }

  /**
   * The same.
   *
   * @param begun whether it is one of those whose answers had begun
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
      // One that was in the crowd of before tells nothing of those that are let in now.
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
                  "endpoint {} is overloaded: {} calls at a time are let in, as many as it was seen"
                      + " to serve within the limit of one, and others go on at once",
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
   * Ends the episode, if it is time.
   *
   * @return whether it ends now
   */
  boolean endIfCalm() {
    if (limit == NONE || !isCalm()) {
      return false;
    }
    lock.lock();
    try {
      // Another call may have been overloaded, or have ended it, in between.
      if (limit == NONE || !isCalm()) {
        return false;
      }
      limit = NONE;
    } finally {
      lock.unlock();
    }
    UserCode.ignore(
        () -> LOG.info("endpoint {} keeps up again: any number of calls is let in", config.name()));
    return true;
  }

  private boolean isCalm() {
    return time.nanos() - lastOverloadAt >= Math.max(CALM, attempt);
  }
}
