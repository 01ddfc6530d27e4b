// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.health;

import dev.offmeter.internal.circuit.EndpointCircuitBreaker;
import dev.offmeter.internal.http.EndpointConfig;
import dev.offmeter.internal.http.Probe;
import dev.offmeter.internal.time.ScheduledTask;
import dev.offmeter.internal.time.TimeSource;
import dev.offmeter.internal.time.WeakTask;
import dev.offmeter.internal.wire.ProbeResult;
import java.time.Duration;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Watches whether a server has unloaded its model while the endpoint is idle, if a load takes too
 * long for a call. It has to be known before the call, because Ollama lists a model that a call has
 * it load like one that is in memory. Safe for use by many threads.
 */
final class IdleModelWatch {
  /**
   * The time until an idle model is checked again: the server may keep it longer than is known
   * here.
   */
  private static final long RECHECK_DELAY = Duration.ofSeconds(30).toNanos();

  private final EndpointConfig config;
  private final ProbeRunner probes;
  private final EndpointCircuitBreaker breaker;
  private final EndpointActivity activity;
  private final TimeSource time;
  private final BooleanSupplier loadTooLong;

  // Written by the thread on which a load ends, or by a call whose first piece shows that the model
  // is loaded.
  private volatile boolean everLoaded;
  private volatile long loadedAt;

  // Written by the thread of the one probe of an idle model, and by those above.
  private volatile boolean unloaded;
  private volatile long checkedAt;

  // Whoever sets the flag schedules the one check that is pending; that check clears it.
  private final AtomicBoolean watching = new AtomicBoolean();
  private volatile @Nullable Future<?> nextCheck;

  // Written once, by the thread that closes the client.
  private volatile boolean closed;

  /** Creates a watch that does nothing while {@code loadTooLong} says false. */
  IdleModelWatch(
      EndpointConfig config,
      ProbeRunner probes,
      EndpointCircuitBreaker breaker,
      EndpointActivity activity,
      TimeSource time,
      BooleanSupplier loadTooLong) {
    this.config = config;
    this.probes = probes;
    this.breaker = breaker;
    this.activity = activity;
    this.time = time;
    this.loadTooLong = loadTooLong;
    this.loadedAt = time.nanos();
    this.checkedAt = loadedAt;
  }

  void onModelLoaded() {
    loadedAt = time.nanos();
    everLoaded = true;
    unloaded = false;
  }

  /**
   * Returns whether the model was loaded, and used within the time for which an idle one is kept.
   */
  boolean isLoadedRecently() {
    return everLoaded && time.nanos() - lastUsedAt() - config.modelKeepAlive().toNanos() < 0;
  }

  /**
   * Returns whether a check has found the idle model unloaded, or its time has passed unchecked.
   */
  boolean isProbablyUnloaded() {
    boolean foundUnloaded = unloaded && lastUsedAt() - checkedAt < 0;
    return foundUnloaded || isUncheckedForTooLong();
  }

  private boolean isUncheckedForTooLong() {
    long due = lastUsedAt() + config.modelKeepAlive().toNanos();
    boolean known = probes.isSupported(Probe.Kind.MODEL_LOADED);
    return known && time.nanos() - due > 0 && checkedAt - due < 0 && loadTooLong.getAsBoolean();
  }

  private long lastUsedAt() {
    return Math.max(activity.lastAnswer(), loadedAt);
  }

  /** Starts to watch, if no check is pending. */
  void start() {
    schedule(config.modelKeepAlive().toNanos());
  }

  private void schedule(long delay) {
    boolean shown = probes.isSupported(Probe.Kind.MODEL_LOADED);
    if (!closed && shown && loadTooLong.getAsBoolean() && watching.compareAndSet(false, true)) {
      nextCheck =
          time.schedule(
              delay, WeakTask.of(this, ScheduledTask.Purpose.HEALTH_CHECK, IdleModelWatch::check));
    }
  }

  private void check() {
    watching.set(false);
    Duration kept = config.modelKeepAlive().plus(ModelLoader.INSTANT);
    long left = lastUsedAt() + kept.toNanos() - time.nanos();
    if (left > 0 || !breaker.isUpOrTrial()) {
      schedule(left > 0 ? left : RECHECK_DELAY);
    } else {
      probes.probe(Probe.Kind.MODEL_LOADED, HealthChecker.TIMEOUT, this::onProbe);
    }
  }

  private void onProbe(ProbeResult probeResult) {
    checkedAt = time.nanos();
    unloaded = probeResult.status() == ProbeResult.Status.MODEL_NOT_LOADED;
    if (!unloaded) {
      schedule(RECHECK_DELAY);
    }
  }

  void close() {
    closed = true;
    TimeSource.cancel(nextCheck);
  }
}
