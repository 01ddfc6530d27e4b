// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.health;

import dev.offmeter.ChatRequest;
import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.UserCode;
import dev.offmeter.internal.http.EndpointConfig;
import dev.offmeter.internal.http.Probe;
import dev.offmeter.internal.time.TimeSource;
import dev.offmeter.internal.wire.ProbeResult;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Detects a wedged model: its server answers every health check, and no call. Ollama's engine can
 * be left so by a cancelled stream, and stays so until the model is unloaded. A load, a queue in
 * which others are served, or a prompt that is long for this server explains a call without a byte.
 * Two in a row that nothing explains, the second begun after the first was over, show a wedged
 * model. Safe for use by many threads; never blocks.
 */
public final class WedgedModelDetector {
  private static final Logger LOG = LoggerFactory.getLogger("dev.offmeter");

  /** The longest load of a model that is in memory already. */
  private static final long INSTANT = Duration.ofSeconds(2).toNanos();

  /**
   * The shortest silence that counts; a shorter timeout does not tell a slow server from one that
   * hangs.
   */
  private static final long MIN_SILENCE = Duration.ofSeconds(5).toNanos();

  private static final Duration UNLOADING = Duration.ofSeconds(10);

  /** The cause, and the only other one that fits. */
  public static final String HANGS =
      "the model hangs until it is unloaded, or another client keeps it busy";

  private static final String WHY =
      "two calls in a row got no byte, though its health checks are well and its model is in"
          + " memory: "
          + HANGS;

  private final EndpointConfig config;
  private final ProbeRunner probes;
  private final HealthMonitor health;
  private final EndpointActivity activity;
  private final TimeSource time;

  // Guarded by the lock.
  private final ReentrantLock lock = new ReentrantLock();

  /** True if an unexplained silent call was seen. */
  private boolean suspected;

  private long firstBegan;
  private long firstEnded;

  // Written by the thread that runs what follows from a probe, or serves a call; read by any.
  private volatile boolean wedged;
  private volatile long wedgedAt;

  /** True if an unload was requested; guarded by the lock, as is its time. */
  private boolean unloaded;

  private long unloadedAt;

  WedgedModelDetector(
      EndpointConfig config,
      ProbeRunner probes,
      HealthMonitor health,
      EndpointActivity activity,
      TimeSource time) {
    this.config = config;
    this.probes = probes;
    this.health = health;
    this.activity = activity;
    this.time = time;
  }

  /** Returns whether the model was found wedged, and no call was served since. */
  boolean isWedged() {
    return wedged && !activity.hasServedSince(wedgedAt);
  }

  /**
   * An attempt that got no byte in all its time.
   *
   * @param startedAt when it was sent over its last connection
   * @param endedAt when it timed out
   * @param onNewConnection whether that connection was new, so that no router can have forgotten it
   */
  public record SilentAttempt(long startedAt, long endedAt, boolean onNewConnection) {}

  /**
   * Returns the evidence of an attempt without a byte.
   *
   * @param began when it was sent over its last connection
   * @param onNew whether that connection was new
   * @return null if the silence is explained already
   */
  @Nullable
  public SilentAttempt silentAttempt(ChatRequest request, long began, boolean onNew) {
    long now = time.nanos();
    // A server that has never answered may be of any slowness, so it gets the whole limit.
    long atLeast = health.resendPolicy().hasAnswered() ? halfLimit() : wholeLimit();
    boolean odd =
        now - began >= atLeast
            && !activity.hasServedSince(began)
            && !health.hasEarlierAttempt(began)
            && health.resendPolicy().isLongSilence(request, began);
    // If only a one-token request shows a load, that request finds out by itself.
    boolean byToken =
        probes.isSupported(Probe.Kind.GENERATE_TOKEN) && health.modelLoader().isTokenNeeded();
    return odd && health.isProbed() && !byToken ? new SilentAttempt(began, now, onNew) : null;
  }

  /**
   * Returns half of the usual limit: a call with a shorter timeout of its own says nothing about
   * the endpoint.
   */
  private long halfLimit() {
    return Math.max(INSTANT, config.timeouts().firstToken().toNanos() / 2);
  }

  private long wholeLimit() {
    return Math.max(MIN_SILENCE, config.timeouts().firstToken().toNanos());
  }

  /**
   * Judges an attempt without a byte.
   *
   * @param result the result of a health check after it
   * @param load the load that it started; null if none
   */
  void assess(
      SilentAttempt silentAttempt,
      HealthChecker.HealthCheckResult result,
      @Nullable CompletableFuture<ProbeResult> load) {
    if (result.isSkipped()) {
      return;
    }
    if (result.status() != ProbeResult.Status.READY || result.failure() != null) {
      clearSuspicion();
    } else if (load != null) {
      long since = time.nanos();
      CompletableFuture<Void> unused =
          load.thenAccept(loaded -> assess(silentAttempt, loaded, time.nanos() - since));
    } else if (!probes.isSupported(Probe.Kind.LOAD_MODEL)) {
      suspect(silentAttempt);
    }
  }

  /**
   * Judges by a load: a server may list a model that is still being loaded, but a load that is over
   * at once proves that the model is in memory.
   */
  private void assess(SilentAttempt silentAttempt, ProbeResult loaded, long took) {
    if (loaded.status() == ProbeResult.Status.READY && took <= INSTANT) {
      suspect(silentAttempt);
    } else if (!loaded.equals(ProbeRunner.NOT_PROBED)) {
      clearSuspicion();
    }
  }

  private void clearSuspicion() {
    lock.lock();
    try {
      suspected = false;
    } finally {
      lock.unlock();
    }
    wedged = false;
  }

  private void suspect(SilentAttempt silentAttempt) {
    boolean second;
    lock.lock();
    try {
      boolean first = !suspected || activity.hasServedSince(firstBegan);
      second =
          !first && silentAttempt.onNewConnection() && silentAttempt.startedAt() - firstEnded >= 0;
      if (first) {
        suspected = true;
        firstBegan = silentAttempt.startedAt();
        firstEnded = silentAttempt.endedAt();
      }
    } finally {
      lock.unlock();
    }
    if (second && !activity.hasServedSince(silentAttempt.startedAt())) {
      onWedged();
    }
  }

  private void onWedged() {
    wedgedAt = time.nanos();
    wedged = true;
    health.markDownFor(AttemptException.of(FailureKind.WEDGED, WHY));
    if (config.unloadWhenWedged() && tryClaimUnload()) {
      unload();
    }
  }

  /** Claims the one unload request per wedged state; returns false if it was sent. */
  private boolean tryClaimUnload() {
    lock.lock();
    try {
      boolean again = unloaded && !activity.hasServedSince(unloadedAt);
      unloaded = true;
      unloadedAt = again ? unloadedAt : time.nanos();
      return !again;
    } finally {
      lock.unlock();
    }
  }

  /**
   * Requests the unload. The next health check sees that the model is gone, and has it loaded
   * again.
   */
  private void unload() {
    UserCode.ignore(
        () -> LOG.warn("endpoint {} is asked to unload its model, which is wedged", config.name()));
    probes.probe(Probe.Kind.UNLOAD_MODEL, UNLOADING, this::onUnloaded);
  }

  private void onUnloaded(ProbeResult unloaded) {
    AttemptException failure = unloaded.failure();
    if (unloaded.status() != ProbeResult.Status.READY && failure != null) {
      UserCode.ignore(
          () ->
              LOG.warn(
                  "endpoint {} has not unloaded its model: {} {}",
                  config.name(),
                  failure.kind(),
                  failure.message()));
    }
  }
}
