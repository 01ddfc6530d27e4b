// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.health;

import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.http.Probe;
import dev.offmeter.internal.time.TimeSource;
import dev.offmeter.internal.wire.ProbeResult;
import java.time.Duration;
import java.util.EnumSet;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Runs health checks of one endpoint: is it alive, and is its model loaded? One check runs at a
 * time; callers that come meanwhile share it, and it is judged once, whatever their number. Safe
 * for use by many threads; never blocks.
 */
final class HealthChecker {
  /** The longest time that a server may take to answer a health check. */
  static final Duration TIMEOUT = Duration.ofSeconds(2);

  private static final Set<FailureKind> CERTAIN =
      EnumSet.of(
          FailureKind.CONNECTION_REFUSED,
          FailureKind.UNKNOWN_HOST,
          FailureKind.TLS_FAILED,
          FailureKind.TUNNEL_DOWN);

  private static final Set<ProbeResult.Status> ALIVE =
      EnumSet.of(
          ProbeResult.Status.READY,
          ProbeResult.Status.MODEL_NOT_LOADED,
          ProbeResult.Status.UNRECOGNIZED);

  /** A health check that began less than this ago makes another useless. */
  private static final long RECENT = Duration.ofSeconds(1).toNanos();

  /** A server that has sent a piece less than this ago answers its calls. */
  static final long RECENTLY_SERVED = Duration.ofSeconds(5).toNanos();

  private final ProbeRunner probes;
  private final EndpointActivity activity;
  private final UnhealthyThreshold unhealthyThreshold;
  private final TimeSource time;

  // Guarded by the lock.
  private final ReentrantLock lock = new ReentrantLock();
  private @Nullable CompletableFuture<HealthCheckResult> running;

  // Written by the thread that starts or ends the one running check; read by any.
  private volatile long lastStartedAt;
  private volatile @Nullable AttemptException loadedDifferently;
  private volatile boolean foundHealthy;
  private volatile long lastHealthyAt;
  private volatile boolean foundReady;
  private volatile long lastReadyAt;

  HealthChecker(ProbeRunner probes, EndpointActivity activity, TimeSource time) {
    this.probes = probes;
    this.activity = activity;
    this.unhealthyThreshold = new UnhealthyThreshold(activity);
    this.time = time;
    this.lastStartedAt = time.nanos() - RECENT;
  }

  /** The weight of a failed health check against a server that counts as UP. */
  enum Evidence {
    /** Disregarded: calls that are being answered outweigh it, or too few like it were seen. */
    IGNORED,
    /** A second health check has to confirm it. */
    NEEDS_CONFIRMATION,
    /** The server counts as unreachable. */
    CONCLUSIVE
  }

  /** The result of one health check. */
  final class HealthCheckResult {
    private final ProbeResult probeResult;
    private final long startedAt;

    // Written by the one thread that runs what follows from the check.
    private @Nullable Evidence evidence;

    private HealthCheckResult(ProbeResult probeResult, long startedAt) {
      this.probeResult = probeResult;
      this.startedAt = startedAt;
    }

    ProbeResult.Status status() {
      return probeResult.status();
    }

    /** Returns what is wrong; null if nothing is. */
    @Nullable AttemptException failure() {
      return probeResult.failure();
    }

    /** Returns whether nothing was sent, because the client was closed. */
    boolean isSkipped() {
      return probeResult.equals(ProbeRunner.NOT_PROBED);
    }

    /** Returns why the server counts as unreachable; null if it does not. */
    @Nullable AttemptException unreachableFailure() {
      return status() == ProbeResult.Status.UNREACHABLE ? failure() : null;
    }

    /** Returns whether the server is healthy, but its list has no such model. */
    boolean isModelUnlisted() {
      AttemptException failure = failure();
      return status() == ProbeResult.Status.READY
          && failure != null
          && failure.kind() == FailureKind.MODEL_NOT_FOUND;
    }

    /** Returns whether the server itself has replied, and is not busy loading a model. */
    boolean isServerReply() {
      AttemptException failure = failure();
      boolean otherwise =
          status() == ProbeResult.Status.UNKNOWN && failure != null && failure.status() > 0;
      return status() == ProbeResult.Status.READY
          || status() == ProbeResult.Status.UNRECOGNIZED
          || otherwise;
    }

    /** Returns whether the server has replied, and does not say that it is not ready. */
    boolean isAlive() {
      return ALIVE.contains(status());
    }

    /** Returns whether nothing speaks against a call. */
    boolean isHealthy() {
      return status() == ProbeResult.Status.READY && failure() == null;
    }

    /**
     * Returns whether the check began before {@code nanos}, so that it may not know what happened
     * then.
     */
    boolean isStartedBefore(long nanos) {
      return startedAt - nanos < 0;
    }

    /** Returns whether a call has been served since the check began, whatever the check says. */
    boolean isContradicted() {
      AttemptException failure = failure();
      return failure != null && !isCertain(failure) && activity.hasServedSince(startedAt);
    }

    /**
     * Records this check as evidence against the server, if it found the server unreachable. Only
     * the first call records, because callers share a check and its silence must count once.
     *
     * @return the weight of that evidence
     */
    Evidence recordEvidence() {
      if (evidence == null) {
        AttemptException unreachable = unreachableFailure();
        evidence = unreachable == null ? Evidence.IGNORED : recordUnreachable(unreachable);
      }
      return evidence;
    }

    private Evidence recordUnreachable(AttemptException unreachable) {
      if (UnhealthyThreshold.isSilent(unreachable)) {
        boolean enough = unhealthyThreshold.recordSilence(time.nanos());
        return enough && !isContradicted() ? Evidence.CONCLUSIVE : Evidence.IGNORED;
      }
      if (isCertain(unreachable)) {
        return activity.hasServedSince(startedAt - RECENTLY_SERVED)
            ? Evidence.NEEDS_CONFIRMATION
            : Evidence.CONCLUSIVE;
      }
      return isContradicted() ? Evidence.IGNORED : Evidence.NEEDS_CONFIRMATION;
    }

    /**
     * Returns whether this check found the server unreachable too, and no call was served since
     * {@code first}.
     */
    boolean isConfirmationOf(HealthCheckResult first) {
      return unreachableFailure() != null && !activity.hasServedSince(first.startedAt);
    }
  }

  /**
   * Returns whether the failure proves that nothing is listening; a proxy between could be wrong
   * about less.
   */
  static boolean isCertain(AttemptException failure) {
    return CERTAIN.contains(failure.kind());
  }

  /** Returns whether a health check has found the server healthy since {@code then}. */
  boolean hasFoundHealthySince(long then) {
    return foundHealthy && lastHealthyAt - then > 0;
  }

  /**
   * Returns whether a health check has found the server healthy, and its model in memory, since
   * {@code then}.
   */
  boolean hasFoundReadySince(long then) {
    return foundReady && lastReadyAt - then > 0;
  }

  /**
   * Returns how the model was loaded at the last health check, if otherwise than calls ask for;
   * else null.
   */
  @Nullable AttemptException loadedDifferently() {
    return loadedDifferently;
  }

  /** Returns whether a health check began so recently that another would show nothing new. */
  boolean isRecent(long now) {
    return now - lastStartedAt < RECENT;
  }

  /**
   * Begins a health check, or joins the one that is running.
   *
   * @param then runs on a thread of the client's own, after those of earlier callers
   * @return the result of {@code then}
   */
  <T> CompletableFuture<T> check(Function<HealthCheckResult, CompletableFuture<T>> then) {
    CompletableFuture<T> result;
    boolean begins = false;
    lock.lock();
    try {
      CompletableFuture<HealthCheckResult> shared = running;
      if (shared == null) {
        shared = new CompletableFuture<>();
        running = shared;
        begins = true;
      }
      // Added under the lock, before the check can complete: otherwise {@code then} might run on
      // the thread that calls this, such as a timer's.
      result = shared.thenCompose(then);
    } finally {
      lock.unlock();
    }
    if (begins) {
      start();
    }
    return result;
  }

  private void start() {
    long now = time.nanos();
    lastStartedAt = now;
    probes.probe(Probe.Kind.LIVENESS, TIMEOUT, probeResult -> onLiveness(probeResult, now));
  }

  private void onLiveness(ProbeResult probeResult, long began) {
    if (probeResult.status() == ProbeResult.Status.READY
        && probes.isSupported(Probe.Kind.MODEL_LOADED)) {
      probes.probe(
          Probe.Kind.MODEL_LOADED,
          TIMEOUT,
          resident -> onResult(new HealthCheckResult(fromModelProbe(resident), began)));
    } else {
      onResult(new HealthCheckResult(probeResult, began));
    }
  }

  /**
   * Returns the result of a check that has found the server alive: where nothing can be learnt
   * about the model, being alive is enough.
   */
  private static ProbeResult fromModelProbe(ProbeResult probeResult) {
    return switch (probeResult.status()) {
      case READY, MODEL_NOT_LOADED -> probeResult;
      case UNREACHABLE, NOT_READY ->
          new ProbeResult(ProbeResult.Status.NOT_READY, probeResult.failure());
      case UNAUTHORIZED, UNRECOGNIZED, UNKNOWN -> ProbeResult.READY;
    };
  }

  private void onResult(HealthCheckResult result) {
    if (!result.isSkipped()) {
      activity.onRequest();
      AttemptException note = result.failure();
      boolean cold = note != null && note.kind() == FailureKind.MODEL_COLD;
      loadedDifferently = cold && result.status() == ProbeResult.Status.READY ? note : null;
    }
    if (result.isServerReply()) {
      foundHealthy = true;
      lastHealthyAt = time.nanos();
    }
    if (result.status() == ProbeResult.Status.READY) {
      foundReady = true;
      lastReadyAt = time.nanos();
    }
    if (ALIVE.contains(result.status())) {
      unhealthyThreshold.onHealthy(time.nanos());
    }
    CompletableFuture<HealthCheckResult> over;
    lock.lock();
    try {
      over = running;
      running = null;
    } finally {
      lock.unlock();
    }
    if (over != null) {
      over.complete(result);
    }
  }
}
