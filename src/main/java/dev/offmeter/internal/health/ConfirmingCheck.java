// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.health;

import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.time.ScheduledTask;
import dev.offmeter.internal.time.TimeSource;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Future;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * Repeats a health check that found the server unreachable: a proxy that hiccups, or one connection
 * that is reset, is no reason to take a server DOWN. All callers share the second check. Safe for
 * use by many threads; never blocks.
 */
final class ConfirmingCheck {
  private static final Duration DELAY = Duration.ofSeconds(1);

  private final HealthChecker checker;
  private final TimeSource time;

  // Guarded by the lock.
  private final ReentrantLock lock = new ReentrantLock();
  private @Nullable CompletableFuture<HealthChecker.HealthCheckResult> secondCheck;
  private @Nullable Future<?> clock;
  private boolean closed;

  ConfirmingCheck(HealthChecker checker, TimeSource time) {
    this.checker = checker;
    this.time = time;
  }

  /**
   * The outcome of a health check and, if needed, of its confirmation.
   *
   * @param result the last health check
   * @param failure why the server counts as unreachable; null if it does not
   */
  record ConfirmedResult(
      HealthChecker.HealthCheckResult result, @Nullable AttemptException failure) {}

  /**
   * Judges a health check that may have found the server unreachable.
   *
   * @return completed, never exceptionally, at once unless a second one is needed
   */
  CompletableFuture<ConfirmedResult> confirm(HealthChecker.HealthCheckResult result) {
    return switch (result.recordEvidence()) {
      case IGNORED -> CompletableFuture.completedFuture(new ConfirmedResult(result, null));
      case CONCLUSIVE ->
          CompletableFuture.completedFuture(
              new ConfirmedResult(result, result.unreachableFailure()));
      case NEEDS_CONFIRMATION ->
          checkAgain()
              .thenApply(
                  next ->
                      new ConfirmedResult(
                          next,
                          next.isConfirmationOf(result) ? result.unreachableFailure() : null));
    };
  }

  private CompletableFuture<HealthChecker.HealthCheckResult> checkAgain() {
    CompletableFuture<HealthChecker.HealthCheckResult> begun = new CompletableFuture<>();
    boolean over;
    lock.lock();
    try {
      if (secondCheck != null) {
        return secondCheck;
      }
      secondCheck = begun;
      over = closed;
      clock = over ? null : time.schedule(DELAY.toNanos(), new RecheckTask(this));
    } finally {
      lock.unlock();
    }
    if (over) {
      check();
    }
    return begun;
  }

  private record RecheckTask(ConfirmingCheck confirmation) implements ScheduledTask {
    @Override
    public Purpose purpose() {
      return Purpose.HEALTH_CHECK;
    }

    @Override
    public void run() {
      confirmation.check();
    }
  }

  private void check() {
    CompletableFuture<HealthChecker.HealthCheckResult> due;
    lock.lock();
    try {
      due = secondCheck;
      secondCheck = null;
    } finally {
      lock.unlock();
    }
    if (due != null) {
      CompletableFuture<Boolean> unused =
          checker.check(check -> CompletableFuture.completedFuture(due.complete(check)));
    }
  }

  /** Releases all who wait for a confirmation; no further check is sent. */
  void close() {
    lock.lock();
    try {
      closed = true;
      TimeSource.cancel(clock);
    } finally {
      lock.unlock();
    }
    check();
  }
}
