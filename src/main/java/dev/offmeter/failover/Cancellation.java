// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/**
 * Ends a call from outside, wherever it is waiting. Every wait of a call is on a future that is
 * registered here. Safe for use by many threads.
 */
public final class Cancellation {
  private volatile @Nullable String reason;
  private volatile @Nullable CompletableFuture<?> waiting;
  private volatile @Nullable Runnable afterwards;

  /** Ends the call; without effect once it has ended. */
  public void cancel(String why) {
    if (reason == null) {
      reason = why;
    }
    CompletableFuture<?> future = waiting;
    if (future != null) {
      future.cancel(true);
    }
    Runnable then = afterwards;
    if (then != null) {
      then.run();
    }
  }

  /** What is to be done when the call is cancelled while nobody waits for it. */
  void whenCancelled(Runnable then) {
    afterwards = then;
  }

  /** Why somebody wants the call to end; null while nobody does. */
  @Nullable String request() {
    return reason;
  }

  /** The call now waits for {@code future}, which {@link #cancel} is to end. */
  void waitsFor(CompletableFuture<?> future) {
    waiting = future;
    if (reason != null) {
      future.cancel(true);
    }
  }

  /** Why the call is to end; null while it is not. An interrupt of the calling thread counts. */
  @Nullable String reason() {
    if (reason == null && Thread.currentThread().isInterrupted()) {
      reason = "the calling thread was interrupted";
    }
    return reason;
  }
}
