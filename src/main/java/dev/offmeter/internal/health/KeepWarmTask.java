// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.health;

import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.http.EndpointConfig;
import dev.offmeter.internal.time.ScheduledTask;
import dev.offmeter.internal.time.TimeSource;
import dev.offmeter.internal.time.WeakTask;
import dev.offmeter.internal.wire.ProbeResult;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/**
 * Keeps a model in memory: asks for it twice in the time for which the server keeps an idle one.
 * Safe for use by many threads.
 */
final class KeepWarmTask {
  private static final long INTERVAL_MIN = Duration.ofSeconds(5).toNanos();
  private static final long INTERVAL_MAX = Duration.ofMinutes(2).toNanos();

  private final EndpointConfig config;
  private final ModelLoader modelLoader;
  private final HealthMonitor health;
  private final TimeSource time;

  // Each is set once: by the first call or warm-up, and by the thread that closes the client.
  private final AtomicBoolean started = new AtomicBoolean();
  private volatile boolean closed;

  // Written by the thread that starts the task, and then by the timer.
  private volatile @Nullable Future<?> next;

  KeepWarmTask(
      EndpointConfig config, ModelLoader modelLoader, HealthMonitor health, TimeSource time) {
    this.config = config;
    this.modelLoader = modelLoader;
    this.health = health;
    this.time = time;
  }

  /** Starts to ask for the model, if that has not begun. */
  void start() {
    if (started.compareAndSet(false, true)) {
      schedule();
    }
  }

  private void schedule() {
    if (closed) {
      return;
    }
    long half = Math.min(config.modelKeepAlive().toNanos() / 2, INTERVAL_MAX);
    next =
        time.schedule(
            Math.max(INTERVAL_MIN, half),
            WeakTask.of(this, ScheduledTask.Purpose.HEALTH_CHECK, KeepWarmTask::refresh));
  }

  private void refresh() {
    schedule();
    if (health.breaker().isUpOrTrial()) {
      health.check(this::onCheck);
    }
  }

  /** Loads the model again: if it is in memory, that only extends its time. */
  private void onCheck(HealthChecker.HealthCheckResult result) {
    modelLoader.onHealthCheck(result);
    AttemptException unreachable = result.unreachableFailure();
    if (unreachable == null) {
      if (!result.isContradicted()) {
        CompletableFuture<ProbeResult> unused =
            modelLoader.onProbe(result.status(), result.isHealthy());
      }
    } else if (!UnhealthyThreshold.isSilent(unreachable)) {
      CompletableFuture<HealthChecker.HealthCheckResult> unused =
          health.confirmUnreachable(result, health::markDown);
    }
  }

  void close() {
    closed = true;
    TimeSource.cancel(next);
  }
}
