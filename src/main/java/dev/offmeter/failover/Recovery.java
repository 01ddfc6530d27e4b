// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import dev.offmeter.FailureKind;
import dev.offmeter.observe.EndpointChange;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.wire.Failure;
import dev.offmeter.wire.Vitals;
import java.lang.ref.WeakReference;
import java.time.Duration;
import java.util.EnumSet;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ScheduledFuture;
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
  /**
   * A server may be ill to looks only. So what is not unmistakable keeps it shut for 10 min, twice
   * as long after each trial that failed, and for an hour at most.
   */
  private static final long BELIEVED = Duration.ofMinutes(10).toNanos();

  private static final long BELIEVED_AT_MOST = Duration.ofHours(1).toNanos();

  private static final Set<FailureKind> UNMISTAKABLE =
      EnumSet.of(
          FailureKind.CONNECTION_REFUSED,
          FailureKind.HOST_UNKNOWN,
          FailureKind.TLS_FAILED,
          FailureKind.TUNNEL_DOWN);

  /** A server that loads a model may be too busy for one look, and its load is worth much. */
  private static final int SILENCES_WHILE_LOADING = 3;

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
  private int silencesInARow;
  private boolean closed;
  private volatile long lookedAt;
  private @Nullable ScheduledFuture<?> next;

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
        silencesInARow = 0;
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
    boolean well = vitals.sign() == Vitals.Sign.READY || isAsGoodAsWell(vitals);
    if (vitals.sign() == Vitals.Sign.UNKNOWN) {
      // There is nothing to be learnt from looking: its pause alone counts.
      next = null;
      return false;
    }
    silencesInARow = vitals.sign() == Vitals.Sign.DEAD ? silencesInARow : 0;
    seenIll |= !well && vitals.sign() != Vitals.Sign.COLD;
    boolean keepsShut = !well && vitals.sign() != Vitals.Sign.REFUSED;
    if (keepsShut && isTrusted(vitals.failure())) {
      breaker.holdUntil(time.nanos() + delay + SAY);
    }
    schedule(delay);
    return seenIll && well;
  }

  /** Where it cannot be loaded beforehand, a call has to. */
  private boolean isAsGoodAsWell(Vitals vitals) {
    return vitals.sign() == Vitals.Sign.COLD && !health.warmth().canLoad();
  }

  /** From look to look: what one took, a dead server all of its 2 s, is part of it. */
  private long untilNext() {
    long interval = pace.next(time.nanos() - downSince);
    return Math.max(interval / 4, interval - (time.nanos() - lookedAt));
  }

  private boolean isTrusted(@Nullable Failure failure) {
    long believed = Math.min(BELIEVED_AT_MOST, BELIEVED << Math.min(3, breaker.trialsFailed()));
    return (failure != null && UNMISTAKABLE.contains(failure.kind()))
        || time.nanos() - downSince < believed;
  }

  private void act(Vitals vitals, boolean back) {
    Failure failure = vitals.failure();
    if (back) {
      breaker.back();
    } else if (vitals.sign() == Vitals.Sign.DEAD && failure != null) {
      dead(failure);
    } else if (vitals.sign() == Vitals.Sign.COLD && failure != null) {
      health.warmth().warm(failure, false);
    }
  }

  private void dead(Failure failure) {
    if (breaker.isOpenToCalls() || health.isContradicted(failure, lookedAt)) {
      return;
    }
    if (!breaker.isWarming()) {
      health.evacuate(failure);
    } else if (!Silences.isSilent(failure) || ++silencesInARow >= SILENCES_WHILE_LOADING) {
      health.warmth().giveUp(failure);
      health.evacuate(failure);
    }
  }

  /** When it is looked at next; empty while it is not. */
  Optional<Duration> nextLook() {
    lock.lock();
    try {
      return next == null || next.isCancelled() || breaker.isOpenToCalls()
          ? Optional.empty()
          : Optional.of(Duration.ofNanos(Math.max(0, next.getDelay(TimeUnit.NANOSECONDS))));
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
