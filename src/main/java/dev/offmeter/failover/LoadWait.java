// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import dev.offmeter.wire.Failure;
import dev.offmeter.wire.ForeignCode;
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
final class LoadWait {
  private static final Logger LOG = LoggerFactory.getLogger("dev.offmeter");

  private final OneCall.Surroundings around;
  private final Deadline deadline;
  private final Cancellation cancellation;
  private final Story story;

  /** Nanoseconds that an endpoint was asked in vain; what is asked beside the call counts too. */
  private final Map<Gate, Long> asked = new ConcurrentHashMap<>(2);

  /** Nanoseconds that an endpoint was waited for. */
  private final Map<Gate, Long> waited = new HashMap<>(2);

  LoadWait(OneCall.Surroundings around, Deadline deadline, Cancellation cancellation, Story story) {
    this.around = around;
    this.deadline = deadline;
    this.cancellation = cancellation;
    this.story = story;
  }

  /** The call has been at the endpoint for so long. May be called by any thread. */
  void onAsked(Gate gate, long nanos) {
    asked.merge(gate, nanos, Long::sum);
  }

  /**
   * Waits, as long as the deadline allows, until one of them is no longer warming.
   *
   * @return which; null when time is up or the call cancelled
   */
  @Nullable Gate endOfAny(List<Gate> loading) {
    return await(loading, new LoadWaiters.Waiter(), deadline.left());
  }

  /**
   * Waits until one of them is no longer warming; for each no longer than its limit, less what it
   * has cost the call already. What was waited for in vain is told.
   *
   * @param kept nanoseconds of the deadline that are to be left
   * @return which; null when there is none any more, time is up or the call cancelled
   */
  @Nullable Gate endOfAny(List<Gate> loading, long kept) {
    List<Gate> waitedFor = loading.stream().filter(gate -> left(gate) > 0).toList();
    Gate ended = null;
    while (ended == null && !waitedFor.isEmpty() && cancellation.reason() == null) {
      long atMost = waitedFor.stream().mapToLong(this::left).min().orElse(0);
      long wait = Math.min(atMost, deadline.left() - kept);
      if (wait <= 0) {
        return null;
      }
      tellOfWait(waitedFor, wait);
      long since = around.time().nanos();
      LoadWaiters.Waiter waiter = new LoadWaiters.Waiter();
      ended = await(waitedFor, waiter, wait);
      long took = around.time().nanos() - since;
      waitedFor.forEach(gate -> waited.merge(gate, took, Long::sum));
      if (ended == null && took < wait && !waiter.ended().isDone()) {
        // Without a clock nothing is waited for; whoever was interrupted or cancelled goes on too.
        // One that is being loaded anew already is waited for again.
        return null;
      }
      boolean timeIsUp = deadline.left() - kept <= 0;
      if (ended == null && cancellation.reason() == null) {
        waitedFor.stream().filter(gate -> timeIsUp || left(gate) <= 0).forEach(this::tellInVain);
      }
      waitedFor = waitedFor.stream().filter(gate -> left(gate) > 0).toList();
    }
    return ended;
  }

  private long left(Gate gate) {
    long spent = asked.getOrDefault(gate, 0L) + waited.getOrDefault(gate, 0L);
    return gate.spec().limits().firstToken().toNanos() - spent;
  }

  private static void tellOfWait(List<Gate> loading, long nanos) {
    if (LOG.isDebugEnabled()) {
      ForeignCode.ignore(
          () ->
              LOG.debug(
                  "a call waits for up to {} ms for a model that is being loaded, by {}",
                  Duration.ofNanos(nanos).toMillis(),
                  loading.stream().map(gate -> gate.spec().name()).toList()));
    }
  }

  private void tellInVain(Gate gate) {
    long nanos = waited.getOrDefault(gate, 0L);
    String after = Duration.ofNanos(nanos).toMillis() + " ms";
    Failure failure =
        gate.shut("waited for in vain: its model is still being loaded after " + after);
    story.waitedInVain(gate.spec(), failure, nanos);
  }

  private @Nullable Gate await(List<Gate> loading, LoadWaiters.Waiter waiter, long nanos) {
    loading.forEach(gate -> gate.loadWaiters().join(waiter));
    try {
      Optional<Gate> already = ended(loading);
      if (already.isEmpty()) {
        deadline.waits();
        around.retries().until(waiter.ended(), nanos, cancellation);
        already = ended(loading);
      }
      return already.orElse(null);
    } finally {
      loading.forEach(gate -> gate.loadWaiters().leave(waiter));
    }
  }

  /** The first of them that is no longer warming. */
  static Optional<Gate> ended(List<Gate> loading) {
    return loading.stream().filter(gate -> !gate.isWarming()).findFirst();
  }
}
