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

  /** The server, or what is before it, has no such path, now at least. */
  private static final Set<FailureKind> NO_SUCH_CHECK =
      EnumSet.of(FailureKind.PATH_NOT_FOUND, FailureKind.MODEL_NOT_FOUND, FailureKind.BAD_REQUEST);

  /** What is not well by these keeps nothing shut: a server may know more models than it lists. */
  private static final Set<Vitals.Sign> SAYS_LITTLE =
      EnumSet.of(Vitals.Sign.REFUSED, Vitals.Sign.READY);

  private static final Set<Vitals.Sign> KNOWN =
      EnumSet.of(Vitals.Sign.READY, Vitals.Sign.COLD, Vitals.Sign.NOT_READY);

  /**
   * A server that loads a model may be too busy for one look, and its load is worth much. Twice as
   * many after each load that was given up for them: some machines say nothing all the while.
   */
  private static final int SILENCES_WHILE_LOADING = 3;

  private static final int MOST_DOUBLINGS = 5;

  /** A pause holds until the next look has had its say. */
  private static final long SAY = Looks.LIMIT.multipliedBy(2).toNanos() + 1_000_000_000;

  private final Health health;
  private final Breaker breaker;
  private final Time time;
  private final ProbePace pace;
  private final ReentrantLock lock = new ReentrantLock();
  private int episode;
  private long downSince;
  private boolean seenIll;
  private int silencesInARow;
  private int loadsGivenUp;
  private boolean closed;

  /** Whether the server has ever answered a check as only one does that knows it. */
  private boolean knowsCheck;

  /** Whether there is nothing to be learnt from looking, for the time being. */
  private boolean teachesNothing;

  private long lookedAt;
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
      teachesNothing = false;
      loadsGivenUp = change.to() == EndpointState.UP ? 0 : loadsGivenUp;
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
    next = time.after(delay, new Tick(new WeakReference<>(this)));
  }

  /** Does not keep a client alive that was dropped without being closed. */
  private record Tick(WeakReference<Recovery> recovery) implements ScheduledTask {
    @Override
    public Purpose purpose() {
      return Purpose.HEALTH_CHECK;
    }

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
    health.look(look -> found(now, look));
  }

  private void found(int then, Looks.Look look) {
    boolean back;
    boolean tooSilent;
    lock.lock();
    try {
      if (then != episode) {
        return;
      }
      back = judge(look);
      tooSilent = isTooSilent(look);
    } finally {
      lock.unlock();
    }
    act(look, back, tooSilent);
  }

  /** Whether that is evidence that it is back. */
  private boolean judge(Looks.Look look) {
    long delay = untilNext();
    schedule(delay);
    boolean noSuchCheck = hasNoSuchCheck(look);
    teachesNothing = noSuchCheck && !knowsCheck;
    if (look.sign() == Vitals.Sign.UNKNOWN && !noSuchCheck) {
      return false;
    }
    boolean well = isWell(look);
    knowsCheck |= KNOWN.contains(look.sign());
    seenIll |= !well && (look.sign() != Vitals.Sign.COLD || breaker.missesModel());
    boolean told = noSuchCheck ? knowsCheck : !SAYS_LITTLE.contains(look.sign());
    if (!well && told && isTrusted(look.failure())) {
      breaker.holdUntil(time.nanos() + delay + SAY);
    }
    return seenIll && well && !look.beganBefore(downSince);
  }

  /** A gateway in front of a server that is not there yet knows no path at all. */
  private static boolean hasNoSuchCheck(Looks.Look look) {
    Failure failure = look.failure();
    return look.sign() == Vitals.Sign.UNKNOWN
        && failure != null
        && NO_SUCH_CHECK.contains(failure.kind());
  }

  /** Or as good as that: a server of another make says in other words that it is there. */
  private boolean isWell(Looks.Look look) {
    if (look.isOfUnlistedModel() && breaker.isSetAsideForModel()) {
      return false;
    }
    return look.sign() == Vitals.Sign.READY
        || look.sign() == Vitals.Sign.FOREIGN
        || isAsGoodAsWell(look);
  }

  /** Whether a server that loads its model has given no sign of life for too long. */
  private boolean isTooSilent(Looks.Look look) {
    Failure death = look.death();
    boolean silent = death != null && Silences.isSilent(death) && !look.isContradicted();
    silencesInARow = silent ? silencesInARow + 1 : 0;
    int most = SILENCES_WHILE_LOADING << Math.min(loadsGivenUp, MOST_DOUBLINGS);
    if (silencesInARow < most) {
      return false;
    }
    if (breaker.isWarming()) {
      loadsGivenUp++;
    }
    return true;
  }

  /** Where it cannot be loaded beforehand, a call has to. */
  private boolean isAsGoodAsWell(Looks.Look look) {
    return look.sign() == Vitals.Sign.COLD && !health.warmth().canLoad();
  }

  /** From look to look: what one took, a dead server all of its 2 s, is part of it. */
  private long untilNext() {
    long interval = pace.next(time.nanos() - downSince);
    return Math.max(interval / 4, interval - (time.nanos() - lookedAt));
  }

  private boolean isTrusted(@Nullable Failure failure) {
    long believed = Math.min(BELIEVED_AT_MOST, BELIEVED << Math.min(3, breaker.trialsFailed()));
    return (failure != null && Looks.isUnmistakable(failure))
        || time.nanos() - downSince < believed;
  }

  private void act(Looks.Look look, boolean back, boolean tooSilent) {
    Failure failure = look.failure();
    Failure death = look.death();
    health.warmth().onLook(look);
    if (back) {
      comesBack();
    } else if (death != null) {
      dead(death, look, tooSilent);
    } else if (look.sign() == Vitals.Sign.COLD && failure != null) {
      cold(failure);
    }
  }

  private void comesBack() {
    if (breaker.isWarming()) {
      // Its load tells when, and not a list that has what is being loaded.
      return;
    }
    if (isConfirmedByALoad()) {
      CompletableFuture<Void> unused = health.warmth().confirm(false, breaker::back);
    } else {
      breaker.back();
    }
  }

  private boolean isConfirmedByALoad() {
    return health.warmth().canConfirm() && breaker.mayComeBack();
  }

  /** Whether a model that it did not have has been got since shows only when it is to be loaded. */
  private void cold(Failure failure) {
    if (!breaker.missesModel()) {
      health.warmth().warm(failure, false);
    } else if (isConfirmedByALoad()) {
      CompletableFuture<Void> unused = health.warmth().confirm(true, breaker::back);
    }
  }

  private void dead(Failure failure, Looks.Look look, boolean tooSilent) {
    if (breaker.isOpenToCalls() || look.isContradicted()) {
      return;
    }
    if (!breaker.isWarming()) {
      // What took it down was found by others.
      health.endAll(failure, failure);
    } else if (tooSilent) {
      health.warmth().giveUp(failure);
    } else if (!Silences.isSilent(failure)) {
      CompletableFuture<Looks.Look> unused = health.ifDead(look, this::giveUpLoad);
    }
  }

  private void giveUpLoad(Failure death) {
    if (breaker.isWarming()) {
      health.warmth().giveUp(death);
    }
  }

  /** When it is looked at next; empty while it is not, or only a call can tell. */
  Optional<Duration> nextLook() {
    lock.lock();
    try {
      return next == null || next.isCancelled() || teachesNothing || breaker.isOpenToCalls()
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
