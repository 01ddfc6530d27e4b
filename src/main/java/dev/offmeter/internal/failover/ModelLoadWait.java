// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.UserCode;
import dev.offmeter.internal.health.ModelLoadWaiters;
import dev.offmeter.internal.time.CancellableWait;
import dev.offmeter.internal.time.CancellationToken;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Waits for models that are being loaded, for one call on its own thread. Before a function
 * answers, an endpoint costs the call no more than its first-token timeout, asked or waited for.
 * Used by one thread at a time.
 */
final class ModelLoadWait {
  private static final Logger LOG = LoggerFactory.getLogger("dev.offmeter");

  private final CallContext context;
  private final Deadline deadline;
  private final CancellationToken token;
  private final CallRecorder recorder;

  /**
   * The nanoseconds for which an endpoint was asked without an answer. Concurrent, because a hedged
   * attempt on another thread counts too.
   */
  private final Map<GuardedEndpoint, Long> askedNanos = new ConcurrentHashMap<>(2);

  /** The nanoseconds for which an endpoint was waited for. */
  private final Map<GuardedEndpoint, Long> waitedNanos = new HashMap<>(2);

  ModelLoadWait(CallContext context) {
    this.context = context;
    this.deadline = context.deadline();
    this.token = context.token();
    this.recorder = context.recorder();
  }

  /** Adds the time of an attempt at the endpoint. May be called by any thread. */
  void addAskedTime(GuardedEndpoint endpoint, long nanos) {
    askedNanos.merge(endpoint, nanos, Long::sum);
  }

  /**
   * Waits, within the deadline, until one of the endpoints is no longer WARMING.
   *
   * @return that endpoint; null if time is up or the call cancelled
   */
  @Nullable GuardedEndpoint awaitAny(List<GuardedEndpoint> loading) {
    return await(loading, new ModelLoadWaiters.Waiter(), deadline.remaining());
  }

  /**
   * Waits until one of the endpoints is no longer WARMING; for each no longer than its first-token
   * timeout, less what it has cost the call already. Records those that were waited for without
   * success.
   *
   * @param kept nanoseconds of the deadline that must be left
   * @return that endpoint; null if none is left, time is up or the call cancelled
   */
  @Nullable GuardedEndpoint awaitAny(List<GuardedEndpoint> loading, long kept) {
    List<GuardedEndpoint> waitedFor =
        loading.stream().filter(endpoint -> remaining(endpoint) > 0).toList();
    GuardedEndpoint ended = null;
    while (ended == null && !waitedFor.isEmpty() && token.recordInterrupt() == null) {
      long atMost = waitedFor.stream().mapToLong(this::remaining).min().orElse(0);
      long wait = Math.min(atMost, deadline.remaining() - kept);
      if (wait <= 0) {
        return null;
      }
      logWait(waitedFor, wait);
      long since = context.time().nanos();
      ModelLoadWaiters.Waiter waiter = new ModelLoadWaiters.Waiter();
      ended = await(waitedFor, waiter, wait);
      long took = context.time().nanos() - since;
      waitedFor.forEach(endpoint -> waitedNanos.merge(endpoint, took, Long::sum));
      if (ended == null && took < wait && !waiter.ended().isDone()) {
        // No timer, so there must be no wait. An interrupted or cancelled call goes on too. An
        // endpoint that has begun to load again meanwhile is waited for again.
        return null;
      }
      boolean timeIsUp = deadline.remaining() - kept <= 0;
      if (ended == null && token.recordInterrupt() == null) {
        waitedFor.stream()
            .filter(endpoint -> timeIsUp || remaining(endpoint) <= 0)
            .forEach(this::reportFruitlessWait);
      }
      waitedFor = waitedFor.stream().filter(endpoint -> remaining(endpoint) > 0).toList();
    }
    return ended;
  }

  private long remaining(GuardedEndpoint endpoint) {
    long spent = askedNanos.getOrDefault(endpoint, 0L) + waitedNanos.getOrDefault(endpoint, 0L);
    return endpoint.config().timeouts().firstToken().toNanos() - spent;
  }

  private static void logWait(List<GuardedEndpoint> loading, long nanos) {
    if (LOG.isDebugEnabled()) {
      UserCode.ignore(
          () ->
              LOG.debug(
                  "a call waits for up to {} ms for a model that is being loaded, by {}",
                  Duration.ofNanos(nanos).toMillis(),
                  loading.stream().map(endpoint -> endpoint.config().name()).toList()));
    }
  }

  private void reportFruitlessWait(GuardedEndpoint endpoint) {
    long nanos = waitedNanos.getOrDefault(endpoint, 0L);
    String after = Duration.ofNanos(nanos).toMillis() + " ms";
    AttemptException failure =
        endpoint.circuitOpenFailure(
            "waited for, but its model was still being loaded after " + after);
    recorder.waitFailed(endpoint.config(), failure, nanos);
  }

  private @Nullable GuardedEndpoint await(
      List<GuardedEndpoint> loading, ModelLoadWaiters.Waiter waiter, long nanos) {
    loading.forEach(endpoint -> endpoint.loadWaiters().add(waiter));
    try {
      Optional<GuardedEndpoint> already = firstLoaded(loading);
      if (already.isEmpty()) {
        deadline.onWait();
        // A copy is waited for: whether the waiter itself is completed is asked after the wait.
        CompletableFuture<Void> copy = waiter.ended().thenAccept(loaded -> {});
        CancellableWait.await(context.time(), copy, nanos, token);
        already = firstLoaded(loading);
      }
      return already.orElse(null);
    } finally {
      loading.forEach(endpoint -> endpoint.loadWaiters().remove(waiter));
    }
  }

  /** Returns the first endpoint that is no longer WARMING. */
  static Optional<GuardedEndpoint> firstLoaded(List<GuardedEndpoint> loading) {
    return loading.stream().filter(endpoint -> !endpoint.isWarming()).findFirst();
  }
}
