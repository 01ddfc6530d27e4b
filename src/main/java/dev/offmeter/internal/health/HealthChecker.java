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
 * Looks at one endpoint: whether it lives, and whether its model is there. One at a time: whoever
 * wants to know meanwhile shares it, and it is judged once, whatever the number. Safe for use by
 * many threads; nothing here waits.
 */
final class HealthChecker {
  /** How long a server may take to say that it lives. */
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

  /** So soon after one look there is nothing new to see. */
  private static final long RECENT = Duration.ofSeconds(1).toNanos();

  /** A server that has sent a piece so lately answers its calls. */
  static final long RECENTLY_SERVED = Duration.ofSeconds(5).toNanos();

  private final ProbeRunner probes;
  private final EndpointActivity activity;
  private final UnhealthyThreshold unhealthyThreshold;
  private final TimeSource time;
  private final ReentrantLock lock = new ReentrantLock();
  private @Nullable CompletableFuture<HealthCheckResult> running;
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

  /** What a look that finds nobody is worth against a server that was thought to be up. */
  enum Evidence {
    /** Calls that are being answered outweigh it, or there have been too few like it. */
    IGNORED,
    /** A second one has to say the same. */
    NEEDS_CONFIRMATION,
    /** The server is taken for dead. */
    CONCLUSIVE
  }

  /** What one look has shown. */
  final class HealthCheckResult {
    private final ProbeResult probeResult;
    private final long startedAt;
    private @Nullable Evidence evidence;

    private HealthCheckResult(ProbeResult probeResult, long startedAt) {
      this.probeResult = probeResult;
      this.startedAt = startedAt;
    }

    ProbeResult.Status status() {
      return probeResult.status();
    }

    /** What is wrong; null if it is well. */
    @Nullable AttemptException failure() {
      return probeResult.failure();
    }

    /** Returns whether nobody was asked: the client was closed. */
    boolean isSkipped() {
      return probeResult.equals(ProbeRunner.NOT_PROBED);
    }

    /** Why it is taken for dead; null if it is not. */
    @Nullable AttemptException unreachableFailure() {
      return status() == ProbeResult.Status.UNREACHABLE ? failure() : null;
    }

    /** Returns whether the server is well, but its list has no such model. */
    boolean isModelUnlisted() {
      AttemptException failure = failure();
      return status() == ProbeResult.Status.READY
          && failure != null
          && failure.kind() == FailureKind.MODEL_NOT_FOUND;
    }

    /** Returns whether the server itself has replied, and is not busy with a load. */
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

    /** Returns whether nothing at all speaks against a call. */
    boolean isHealthy() {
      return status() == ProbeResult.Status.READY && failure() == null;
    }

    /** Returns whether it began when what came then was not known yet. */
    boolean isStartedBefore(long nanos) {
      return startedAt - nanos < 0;
    }

    /** Returns whether it has been heard of since, whatever this look says. */
    boolean isContradicted() {
      AttemptException failure = failure();
      return failure != null && !isCertain(failure) && activity.hasServedSince(startedAt);
    }

    /** What it is worth, if it has found nobody. */
    Evidence weigh() {
      if (evidence == null) {
        AttemptException unreachable = unreachableFailure();
        evidence = unreachable == null ? Evidence.IGNORED : weighUnreachable(unreachable);
      }
      return evidence;
    }

    private Evidence weighUnreachable(AttemptException unreachable) {
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

    /** Returns whether nobody is there now either, and nobody was served in between. */
    boolean isConfirmationOf(HealthCheckResult first) {
      return unreachableFailure() != null && !activity.hasServedSince(first.startedAt);
    }
  }

  /** Returns whether it says that nobody is there, and no proxy is between that might be wrong. */
  static boolean isCertain(AttemptException failure) {
    return CERTAIN.contains(failure.kind());
  }

  /** Returns whether a look has found the server well since. */
  boolean hasFoundHealthySince(long then) {
    return foundHealthy && lastHealthyAt - then > 0;
  }

  /** Returns whether a look has found the server well, and its model in memory, since. */
  boolean hasFoundReadySince(long then) {
    return foundReady && lastReadyAt - then > 0;
  }

  /** How the model was in memory at the last look, if not as it is asked for; null if unknown. */
  @Nullable AttemptException loadedDifferently() {
    return loadedDifferently;
  }

  /** Returns whether a look has begun so lately that there is no need for another. */
  boolean isRecent(long now) {
    return now - lastStartedAt < RECENT;
  }

  /**
   * Looks, or joins the look that is under way.
   *
   * @param then runs on a thread of the client's own, one after the other with what others want
   * @return what {@code then} gives
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
      // Before it can be over: a clock's thread must not be the one that goes on.
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

  /** It lives; where nothing can be learnt of the model, that has to do. */
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
