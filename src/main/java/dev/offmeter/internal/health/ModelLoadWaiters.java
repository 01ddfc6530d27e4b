// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.health;

import dev.offmeter.observe.EndpointChange;
import dev.offmeter.observe.EndpointState;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Holds the calls that wait until the model of one endpoint is loaded, or cannot be. Each blocks on
 * a future of its own. Safe for use by many threads.
 */
public final class ModelLoadWaiters {
  private final Set<Waiter> waiting = ConcurrentHashMap.newKeySet();

  /** One call, which may wait at several endpoints at once. */
  public static final class Waiter {
    private final CompletableFuture<Void> ended = new CompletableFuture<>();

    /** Returns a future that completes when one of the endpoints is no longer WARMING. */
    public CompletableFuture<Void> ended() {
      return ended;
    }
  }

  public void add(Waiter waiter) {
    waiting.add(waiter);
  }

  public void remove(Waiter waiter) {
    waiting.remove(waiter);
  }

  /** Wakes the calls when the endpoint leaves WARMING. */
  public void onStateChanged(EndpointChange change) {
    if (change.from() == EndpointState.WARMING) {
      // A copy, because a call that joins meanwhile waits for the next change.
      List.copyOf(waiting).forEach(waiter -> waiter.ended.complete(null));
    }
  }
}
