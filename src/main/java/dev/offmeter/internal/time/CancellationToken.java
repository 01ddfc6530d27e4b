// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.time;

import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/**
 * Ends a call from outside, wherever it is waiting. Every wait of a call is on a future that is
 * registered here. Safe for use by many threads.
 */
public final class CancellationToken {
  private volatile @Nullable String reason;
  private volatile @Nullable CompletableFuture<?> pendingFuture;
  private volatile @Nullable Runnable cancelAction;

  /** Ends the call; without effect once it has ended. */
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

  /** What is to be done when the call is cancelled while nobody waits for it. */
  public void onCancelled(Runnable then) {
    cancelAction = then;
  }

  /** Why somebody wants the call to end; null while nobody does. */
  @Nullable
  public String requestedReason() {
    return reason;
  }

  /** The call now waits for {@code future}, which {@link #cancel} is to end. */
  public void cancelWhenRequested(CompletableFuture<?> future) {
    pendingFuture = future;
    if (reason != null) {
      future.cancel(true);
    }
  }

  /** Why the call is to end; null while it is not. An interrupt of the calling thread counts. */
  @Nullable
  public String reason() {
    if (reason == null && Thread.currentThread().isInterrupted()) {
      reason = "the calling thread was interrupted";
    }
    return reason;
  }
}
