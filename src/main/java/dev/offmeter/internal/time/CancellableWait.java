// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.time;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Future;

/** Waits of a call on its own thread, which its caller can end. */
public final class CancellableWait {
  private CancellableWait() {}

  /**
   * Waits until {@code event} is done, and cancels it when the time is up, the call is cancelled or
   * its thread interrupted (the flag stays set). The event is done in any case when this returns:
   * it says by {@link CompletableFuture#isCancelled()} whether it was waited for in vain. It must
   * be the caller's own, as others may not be told of the end of this wait.
   */
  public static void await(
      TimeSource time, CompletableFuture<?> event, long nanos, CancellationToken token) {
    Future<?> clock = time.schedule(nanos, () -> event.cancel(false));
    if (clock == null) {
      // Without a thread for the clock the wait might never end: nothing is waited for.
      event.cancel(false);
      return;
    }
    // A token that is cancelled already cancels it here, so that no cancellation is missed.
    token.cancelWhenRequested(event);
    try {
      time.await(event);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      event.cancel(false);
    } finally {
      clock.cancel(false);
    }
  }

  /** Waits so long, or until the call is cancelled or its thread interrupted. */
  public static void sleep(TimeSource time, long nanos, CancellationToken token) {
    await(time, new CompletableFuture<>(), nanos, token);
  }
}
