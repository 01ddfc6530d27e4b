// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.time;

import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/**
 * Ends a call from outside, wherever it waits: every wait of a call is on a future that is
 * registered here. Safe for use by many threads.
 */
public final class CancellationToken {
  private volatile @Nullable String reason;
  private volatile @Nullable CompletableFuture<?> pendingFuture;
  private volatile @Nullable Runnable cancelAction;

  /** Ends the call; has no effect once the call has ended. */
  public void cancel(String why) {
    if (reason == null) {
      reason = why;
    }
    CompletableFuture<?> future = pendingFuture;
    if (future != null) {
      future.cancel(true);
    }
    Runnable then = cancelAction;
    if (then != null) {
      then.run();
    }
  }

  /** Registers what is to be done when the call is cancelled while it is not waiting. */
  public void onCancelled(Runnable then) {
    cancelAction = then;
  }

  /** Returns why the call is to end; null while there is no request. Ignores an interrupt. */
  @Nullable
  public String requestedReason() {
    return reason;
  }

  /** Registers the future on which the call now waits; {@link #cancel} completes it. */
  public void cancelWhenRequested(CompletableFuture<?> future) {
    pendingFuture = future;
    if (reason != null) {
      future.cancel(true);
    }
  }

  /**
   * Records an interrupt of the calling thread, which must be the call's, as a request to end the
   * call. It stays one even if somebody clears the thread's flag afterwards.
   *
   * @return why the call is to end, for this or an earlier request; null if it is not
   */
  @Nullable
  public String recordInterrupt() {
    if (reason == null && Thread.currentThread().isInterrupted()) {
      reason = "the calling thread was interrupted";
    }
    return reason;
  }
}
