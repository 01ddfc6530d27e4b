// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.UserCode;
import dev.offmeter.internal.health.ModelLoadWaiters;
import dev.offmeter.internal.time.CancellationToken;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The waits of one call for models that are being loaded, on the call's own thread. Before a
 * function answers, an endpoint costs the call no more than its first-token limit, asked or waited
 * for. Used by one thread at a time.
 */
final class ModelLoadWait {
  private static final Logger LOG = LoggerFactory.getLogger("dev.offmeter");

  private final FailoverCall.CallContext context;
  private final Deadline deadline;
  private final CancellationToken token;
  private final CallRecorder recorder;

  /** Nanoseconds that an endpoint was asked in vain; what is asked beside the call counts too. */
  private final Map<GuardedEndpoint, Long> askedNanos = new ConcurrentHashMap<>(2);

  /** Nanoseconds that an endpoint was waited for. */
  private final Map<GuardedEndpoint, Long> waitedNanos = new HashMap<>(2);

  ModelLoadWait(
      FailoverCall.CallContext context,
      Deadline deadline,
      CancellationToken token,
      CallRecorder recorder) {
    this.context = context;
    this.deadline = deadline;
    this.token = token;
    this.recorder = recorder;
  }

  /** The call has been at the endpoint for so long. May be called by any thread. */
  void onAsked(GuardedEndpoint endpoint, long nanos) {
    askedNanos.merge(endpoint, nanos, Long::sum);
  }

  /**
   * Waits, as long as the deadline allows, until one of them is no longer warming.
   *
   * @return which; null when time is up or the call cancelled
   */
  @Nullable GuardedEndpoint awaitAny(List<GuardedEndpoint> loading) {
    return await(loading, new ModelLoadWaiters.Waiter(), deadline.remaining());
  }

  /**
   * Waits until one of them is no longer warming; for each no longer than its limit, less what it
   * has cost the call already. What was waited for in vain is told.
   *
   * @param kept nanoseconds of the deadline that are to be left
   * @return which; null when there is none any more, time is up or the call cancelled
   */
  @Nullable GuardedEndpoint awaitAny(List<GuardedEndpoint> loading, long kept) {
    List<GuardedEndpoint> waitedFor =
        loading.stream().filter(endpoint -> remaining(endpoint) > 0).toList();
    GuardedEndpoint ended = null;
    while (ended == null && !waitedFor.isEmpty() && token.reason() == null) {
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
        // Without a clock nothing is waited for; whoever was interrupted or cancelled goes on too.
        // One that is being loaded anew already is waited for again.
        return null;
      }
      boolean timeIsUp = deadline.remaining() - kept <= 0;
      if (ended == null && token.reason() == null) {
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
            "waited for in vain: its model is still being loaded after " + after);
    recorder.waitFailed(endpoint.config(), failure, nanos);
  }

  private @Nullable GuardedEndpoint await(
      List<GuardedEndpoint> loading, ModelLoadWaiters.Waiter waiter, long nanos) {
    loading.forEach(endpoint -> endpoint.loadWaiters().add(waiter));
    try {
      Optional<GuardedEndpoint> already = firstLoaded(loading);
      if (already.isEmpty()) {
        deadline.onWait();
        context.retryPolicy().await(waiter.ended(), nanos, token);
        already = firstLoaded(loading);
      }
      return already.orElse(null);
    } finally {
      loading.forEach(endpoint -> endpoint.loadWaiters().remove(waiter));
    }
  }

  /** The first of them that is no longer warming. */
  static Optional<GuardedEndpoint> firstLoaded(List<GuardedEndpoint> loading) {
    return loading.stream().filter(endpoint -> !endpoint.isWarming()).findFirst();
  }
}
