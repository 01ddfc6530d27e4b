// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import dev.offmeter.FailureKind;
import dev.offmeter.endpoint.Checkup;
import dev.offmeter.endpoint.Transport;
import dev.offmeter.wire.Failure;
import dev.offmeter.wire.ForeignCode;
import dev.offmeter.wire.Vitals;
import java.time.Duration;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Asks one endpoint on the side, on a thread of the client's own, and never the same thing twice at
 * once: who wants to know what is being asked already shares the reply. Safe for use by many
 * threads.
 */
final class Probes {
  /** The outcome where the client was closed, or no thread could be had. */
  static final Vitals NOTHING =
      Vitals.of(Vitals.Sign.UNKNOWN, Failure.of(FailureKind.CANCELLED, "not asked"));

  private final Transport.Opener opener;
  private final Time time;
  private final Executor workers;
  private final Set<Checkup.Kind> kinds = EnumSet.noneOf(Checkup.Kind.class);
  private final ReentrantLock lock = new ReentrantLock();
  private final Map<Checkup.Kind, Asking> underWay = new EnumMap<>(Checkup.Kind.class);
  private final Set<Asking> all = new HashSet<>();
  private boolean closed;

  private static final class Asking {
    final Checkup.Kind kind;
    final Checkup checkup;
    final AtomicBoolean begun = new AtomicBoolean();
    final CompletableFuture<Vitals> found = new CompletableFuture<>();
    volatile @Nullable Future<?> clock;

    Asking(Checkup.Kind kind, Checkup checkup) {
      this.kind = kind;
      this.checkup = checkup;
    }

    void tells(Consumer<Vitals> then) {
      CompletableFuture<Void> unused = found.thenAccept(then);
    }
  }

  /** If this process stood still meanwhile, the reply may lie there unread. */
  private record Limit(Probes probes, Asking asking, long due, long nanos)
      implements ScheduledTask {
    @Override
    public Purpose purpose() {
      return Purpose.HEALTH_CHECK_LIMIT;
    }

    @Override
    public void run() {
      if (OwnPause.isLate(due, probes.time.nanos())) {
        probes.limit(asking, nanos);
      } else {
        probes.timeIsUp(asking);
      }
    }
  }

  Probes(Transport.Opener opener, Time time, Executor workers) {
    this.opener = opener;
    this.time = time;
    this.workers = workers;
    for (Checkup.Kind kind : Checkup.Kind.values()) {
      if (opener.checkup(kind) != null) {
        kinds.add(kind);
      }
    }
  }

  /** Whether the endpoint can be asked this. */
  boolean can(Checkup.Kind kind) {
    return kinds.contains(kind);
  }

  /**
   * Asks, or joins those who are asking.
   *
   * @param then is told on a thread of the client's own, unless the client was closed
   */
  void ask(Checkup.Kind kind, Duration limit, Consumer<Vitals> then) {
    Asking begun = join(kind, then);
    if (begun != null) {
      begin(kind, begun, limit);
    }
  }

  /** Asks, over a connection of its own, beside those who are asking. */
  void askBeside(Checkup.Kind kind, Duration limit, Consumer<Vitals> then) {
    Asking begun = begin(kind, false, then);
    if (begun != null) {
      begin(kind, begun, limit);
    }
  }

  private @Nullable Asking join(Checkup.Kind kind, Consumer<Vitals> then) {
    return begin(kind, true, then);
  }

  /** Null if there is nothing to begin. */
  private @Nullable Asking begin(Checkup.Kind kind, boolean joins, Consumer<Vitals> then) {
    Checkup checkup;
    lock.lock();
    try {
      Asking before = joins ? underWay.get(kind) : null;
      if (before != null) {
        before.tells(then);
        return null;
      }
      checkup = closed ? null : opener.checkup(kind);
      if (checkup != null) {
        Asking asking = new Asking(kind, checkup);
        asking.tells(then);
        underWay.put(kind, asking);
        all.add(asking);
        return asking;
      }
    } finally {
      lock.unlock();
    }
    then.accept(NOTHING);
    return null;
  }

  /** The limit covers the wait for a thread too. */
  private void begin(Checkup.Kind kind, Asking asking, Duration limit) {
    // The client may be closed, or the process without a further thread.
    Throwable unable =
        ForeignCode.run(
            () -> {
              limit(asking, limit.toNanos());
              workers.execute(() -> run(kind, asking));
            });
    if (unable != null) {
      end(kind, asking, NOTHING);
    }
  }

  private void limit(Asking asking, long nanos) {
    Future<?> before = asking.clock;
    Limit end = new Limit(this, asking, time.nanos() + nanos, nanos);
    Future<?> clock = time.timer().schedule(end, nanos, TimeUnit.NANOSECONDS);
    asking.clock = clock;
    stop(before);
    if (asking.found.isDone()) {
      stop(clock);
    }
  }

  /** Nobody may have begun it: a process can be without a thread for that. */
  private void timeIsUp(Asking asking) {
    asking.checkup.cancel();
    if (asking.begun.compareAndSet(false, true)) {
      end(asking.kind, asking, NOTHING);
    }
  }

  private void run(Checkup.Kind kind, Asking asking) {
    if (!asking.begun.compareAndSet(false, true)) {
      return;
    }
    Vitals found = NOTHING;
    try {
      found = ForeignCode.call(asking.checkup::run);
    } catch (ForeignCode.Broken e) {
      found = Vitals.of(Vitals.Sign.UNKNOWN, Failure.of(FailureKind.INTERNAL, e.description()));
    } finally {
      end(kind, asking, found);
    }
  }

  private void end(Checkup.Kind kind, Asking asking, Vitals found) {
    boolean over;
    lock.lock();
    try {
      underWay.remove(kind, asking);
      all.remove(asking);
      over = closed;
    } finally {
      lock.unlock();
    }
    try {
      // What ends because the client does says nothing of the endpoint.
      asking.found.complete(over ? NOTHING : found);
    } finally {
      stop(asking.clock);
    }
  }

  private static void stop(@Nullable Future<?> clock) {
    if (clock != null) {
      clock.cancel(false);
    }
  }

  /** Runs what a clock has found due and might take long; not at all once the client is closed. */
  void aside(Runnable task) {
    ForeignCode.ignore(() -> workers.execute(task));
  }

  /** Ends what is being asked. */
  void cancel(Checkup.Kind kind) {
    lock.lock();
    try {
      all.stream().filter(asking -> asking.kind == kind).forEach(a -> a.checkup.cancel());
    } finally {
      lock.unlock();
    }
  }

  /** Ends what is being asked; nothing is asked any more. */
  void close() {
    List<Asking> left;
    lock.lock();
    try {
      closed = true;
      left = List.copyOf(all);
    } finally {
      lock.unlock();
    }
    left.forEach(this::timeIsUp);
  }
}
