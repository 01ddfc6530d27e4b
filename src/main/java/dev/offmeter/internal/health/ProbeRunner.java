// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.health;

import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.UserCode;
import dev.offmeter.internal.http.Probe;
import dev.offmeter.internal.http.Transport;
import dev.offmeter.internal.time.ProcessPauseDetector;
import dev.offmeter.internal.time.ScheduledTask;
import dev.offmeter.internal.time.TimeSource;
import dev.offmeter.internal.wire.ProbeResult;
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
 * Runs the probes of one endpoint on the client's own threads. A probe of one kind runs once at a
 * time; callers that come meanwhile share its result. Safe for use by many threads.
 */
public final class ProbeRunner {
  /** The result if the client was closed, or no thread could be started. */
  static final ProbeResult NOT_PROBED =
      ProbeResult.of(
          ProbeResult.Status.UNKNOWN, AttemptException.of(FailureKind.CANCELLED, "not asked"));

  private final Transport.ExchangeFactory exchangeFactory;
  private final TimeSource time;
  private final Executor workers;
  private final Set<Probe.Kind> kinds = EnumSet.noneOf(Probe.Kind.class);

  // Guarded by the lock.
  private final ReentrantLock lock = new ReentrantLock();
  private final Map<Probe.Kind, RunningProbe> running = new EnumMap<>(Probe.Kind.class);
  private final Set<RunningProbe> all = new HashSet<>();
  private boolean closed;

  private static final class RunningProbe {
    final Probe.Kind kind;
    final Probe probe;
    final AtomicBoolean started = new AtomicBoolean();
    final CompletableFuture<ProbeResult> result = new CompletableFuture<>();
    volatile @Nullable Future<?> timeout;

    RunningProbe(Probe.Kind kind, Probe probe) {
      this.kind = kind;
      this.probe = probe;
    }

    void addListener(Consumer<ProbeResult> then) {
      CompletableFuture<Void> unused = result.thenAccept(then);
    }
  }

  /**
   * Ends a probe. If the process stood still meanwhile, its reply may lie unread, so it gets its
   * time again.
   */
  private record ProbeTimeout(ProbeRunner probes, RunningProbe runningProbe, long dueAt, long nanos)
      implements ScheduledTask {
    @Override
    public Purpose purpose() {
      return Purpose.HEALTH_CHECK_LIMIT;
    }

    @Override
    public void run() {
      if (ProcessPauseDetector.isLate(dueAt, probes.time.nanos())) {
        probes.startTimeout(runningProbe, nanos);
      } else {
        probes.onTimeout(runningProbe);
      }
    }
  }

  public ProbeRunner(Transport.ExchangeFactory exchangeFactory, TimeSource time, Executor workers) {
    this.exchangeFactory = exchangeFactory;
    this.time = time;
    this.workers = workers;
    for (Probe.Kind kind : Probe.Kind.values()) {
      if (exchangeFactory.probe(kind) != null) {
        kinds.add(kind);
      }
    }
  }

  /** Returns whether the endpoint has a probe of this kind. */
  boolean isSupported(Probe.Kind kind) {
    return kinds.contains(kind);
  }

  /**
   * Runs a probe, or joins the one that is running.
   *
   * @param then is told on a thread of the client's own, unless the client was closed
   */
  void probe(Probe.Kind kind, Duration limit, Consumer<ProbeResult> then) {
    RunningProbe begun = join(kind, then);
    if (begun != null) {
      start(kind, begun, limit);
    }
  }

  /** Runs a probe over a connection of its own, beside those that are running. */
  void probeInParallel(Probe.Kind kind, Duration limit, Consumer<ProbeResult> then) {
    RunningProbe begun = start(kind, false, then);
    if (begun != null) {
      start(kind, begun, limit);
    }
  }

  private @Nullable RunningProbe join(Probe.Kind kind, Consumer<ProbeResult> then) {
    return start(kind, true, then);
  }

  /** Returns the probe to start; null if another was joined, or there is none. */
  private @Nullable RunningProbe start(Probe.Kind kind, boolean joins, Consumer<ProbeResult> then) {
    Probe probe;
    lock.lock();
    try {
      RunningProbe before = joins ? running.get(kind) : null;
      if (before != null) {
        before.addListener(then);
        return null;
      }
      probe = closed ? null : exchangeFactory.probe(kind);
      if (probe != null) {
        RunningProbe runningProbe = new RunningProbe(kind, probe);
        runningProbe.addListener(then);
        running.put(kind, runningProbe);
        all.add(runningProbe);
        return runningProbe;
      }
    } finally {
      lock.unlock();
    }
    then.accept(NOT_PROBED);
    return null;
  }

  /** Starts a probe. The limit covers the wait for a thread too. */
  private void start(Probe.Kind kind, RunningProbe runningProbe, Duration limit) {
    // The client may be closed, or the process unable to start a thread.
    Throwable unable =
        UserCode.run(
            () -> {
              startTimeout(runningProbe, limit.toNanos());
              workers.execute(() -> run(kind, runningProbe));
            });
    if (unable != null) {
      finish(kind, runningProbe, NOT_PROBED);
    }
  }

  private void startTimeout(RunningProbe runningProbe, long nanos) {
    Future<?> before = runningProbe.timeout;
    ProbeTimeout end = new ProbeTimeout(this, runningProbe, time.nanos() + nanos, nanos);
    Future<?> timeout = time.timer().schedule(end, nanos, TimeUnit.NANOSECONDS);
    runningProbe.timeout = timeout;
    TimeSource.cancel(before);
    if (runningProbe.result.isDone()) {
      TimeSource.cancel(timeout);
    }
  }

  /** Ends a probe that takes too long, even if no thread has ever begun it. */
  private void onTimeout(RunningProbe runningProbe) {
    runningProbe.probe.cancel();
    if (runningProbe.started.compareAndSet(false, true)) {
      finish(runningProbe.kind, runningProbe, NOT_PROBED);
    }
  }

  private void run(Probe.Kind kind, RunningProbe runningProbe) {
    if (!runningProbe.started.compareAndSet(false, true)) {
      return;
    }
    ProbeResult found = NOT_PROBED;
    try {
      found = UserCode.call(runningProbe.probe::run);
    } catch (UserCode.UserCodeException e) {
      found =
          ProbeResult.of(
              ProbeResult.Status.UNKNOWN,
              AttemptException.of(FailureKind.INTERNAL, e.description()));
    } finally {
      finish(kind, runningProbe, found);
    }
  }

  private void finish(Probe.Kind kind, RunningProbe runningProbe, ProbeResult found) {
    boolean over;
    lock.lock();
    try {
      running.remove(kind, runningProbe);
      all.remove(runningProbe);
      over = closed;
    } finally {
      lock.unlock();
    }
    try {
      // A probe that ended because the client was closed says nothing about the endpoint.
      runningProbe.result.complete(over ? NOT_PROBED : found);
    } finally {
      TimeSource.cancel(runningProbe.timeout);
    }
  }

  /**
   * Runs a task that might block off the timer's thread; does nothing once the client is closed.
   */
  void runInBackground(Runnable task) {
    UserCode.ignore(() -> workers.execute(task));
  }

  /** Cancels the running probes of one kind. */
  void cancel(Probe.Kind kind) {
    lock.lock();
    try {
      all.stream().filter(runningProbe -> runningProbe.kind == kind).forEach(a -> a.probe.cancel());
    } finally {
      lock.unlock();
    }
  }

  /** Cancels the running probes; no further one is started. */
  void close() {
    List<RunningProbe> left;
    lock.lock();
    try {
      closed = true;
      left = List.copyOf(all);
    } finally {
      lock.unlock();
    }
    left.forEach(this::onTimeout);
  }
}
