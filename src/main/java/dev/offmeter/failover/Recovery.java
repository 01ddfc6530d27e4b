// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import dev.offmeter.FailureKind;
import dev.offmeter.observe.EndpointChange;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.wire.Failure;
import dev.offmeter.wire.Vitals;
import java.lang.ref.WeakReference;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * Looks after one endpoint while it is down. Evidence that it is back is a change: a look that
 * found it ill, or a call that found nobody, and then a look that finds it well. A server that is
 * well at every look although calls fail proves nothing, and comes back by its pause alone. Safe
 * for use by many threads.
 */
final class Recovery {
  /** A server of which no look ever found that it is well may be ill to looks only. */
  private static final long UNPROVEN = Duration.ofMinutes(10).toNanos();

  /** A pause holds until the next look has had its say. */
  private static final long SAY = Health.LOOK.multipliedBy(2).toNanos() + 1_000_000_000;

  private final Health health;
  private final Breaker breaker;
  private final Time time;
  private final ProbePace pace;
  private final ReentrantLock lock = new ReentrantLock();
  private int episode;
  private long downSince;
  private boolean seenIll;
  private boolean everWell;
  private boolean closed;
  private long lookedAt;
  private long nextAt;
  private @Nullable Future<?> next;

  Recovery(Health health, Breaker breaker, Time time, ProbePace pace) {
    this.health = health;
    this.breaker = breaker;
    this.time = time;
    this.pace = pace;
  }

  /** The endpoint's state has changed. */
  void changed(EndpointChange change) {
    lock.lock();
    try {
      stop();
      boolean loading = change.to() == EndpointState.WARMING;
      if (loading) {
        downSince = time.nanos();
        schedule(pace.next(0));
      } else if (change.to() == EndpointState.DOWN && !breaker.obeysServer()) {
        downSince = time.nanos();
        seenIll = breaker.isAbsent();
        // Those who wait there want to know at once, unless that is known already.
        boolean known = change.cause() == FailureKind.UNRESPONSIVE;
        schedule(!known && health.isWaitedFor() ? 0 : pace.next(0));
      }
    } finally {
      lock.unlock();
    }
  }

  private void stop() {
    episode++;
    if (next != null) {
      next.cancel(false);
      next = null;
    }
  }

  private void schedule(long delay) {
    if (closed) {
      return;
    }
    nextAt = time.nanos() + delay;
    next = time.timer().schedule(new Tick(new WeakReference<>(this)), delay, TimeUnit.NANOSECONDS);
  }

  /** Does not keep a client alive that was dropped without being closed. */
  private record Tick(WeakReference<Recovery> recovery) implements Runnable {
    @Override
    public void run() {
      Recovery due = recovery.get();
      if (due != null) {
        due.look();
      }
    }
  }

  private void look() {
    int now;
    lock.lock();
    try {
      now = episode;
      lookedAt = time.nanos();
    } finally {
      lock.unlock();
    }
    CompletableFuture<Void> unused = health.look().thenAccept(vitals -> found(now, vitals));
  }

  private void found(int then, Vitals vitals) {
    boolean back = false;
    lock.lock();
    try {
      if (then != episode) {
        return;
      }
      back = judge(vitals);
    } finally {
      lock.unlock();
    }
    act(vitals, back);
  }

  /** Whether that is evidence that it is back. */
  private boolean judge(Vitals vitals) {
    long delay = untilNext();
    switch (vitals.sign()) {
      case READY -> everWell = true;
      case COLD -> {
        everWell = true;
        breaker.holdUntil(time.nanos() + delay + SAY);
      }
      case DEAD, NOT_READY -> {
        seenIll = true;
        if (isTrusted(vitals.failure())) {
          breaker.holdUntil(time.nanos() + delay + SAY);
        }
      }
      case REFUSED -> seenIll = true;
      case UNKNOWN -> {
        // There is nothing to be learnt from looking: its pause alone counts.
        next = null;
        return false;
      }
    }
    schedule(delay);
    return seenIll && vitals.sign() == Vitals.Sign.READY;
  }

  /** From look to look: what one took, a dead server all of its 2 s, is part of it. */
  private long untilNext() {
    long interval = pace.next(time.nanos() - downSince);
    return Math.max(interval / 4, interval - (time.nanos() - lookedAt));
  }

  private boolean isTrusted(@Nullable Failure failure) {
    boolean nobody =
        failure != null && Judgement.of(failure.kind()).health() == Judgement.Health.TRIPS;
    return nobody || everWell || time.nanos() - downSince < UNPROVEN;
  }

  private void act(Vitals vitals, boolean back) {
    Failure failure = vitals.failure();
    if (vitals.sign() == Vitals.Sign.DEAD && failure != null) {
      if (breaker.isWarming()) {
        health.warmth().giveUp(failure);
      }
      health.evacuate(failure);
    } else if (vitals.sign() == Vitals.Sign.COLD && failure != null) {
      health.warmth().warm(failure);
    } else if (back) {
      breaker.back();
    }
  }

  /** When it is looked at next; empty while it is not. */
  Optional<Duration> nextLook() {
    lock.lock();
    try {
      return next == null || next.isCancelled() || breaker.state() != EndpointState.DOWN
          ? Optional.empty()
          : Optional.of(Duration.ofNanos(Math.max(0, nextAt - time.nanos())));
    } finally {
      lock.unlock();
    }
  }

  void close() {
    lock.lock();
    try {
      closed = true;
      stop();
    } finally {
      lock.unlock();
    }
  }
}
