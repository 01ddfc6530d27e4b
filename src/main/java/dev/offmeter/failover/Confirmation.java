// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import dev.offmeter.wire.Failure;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Future;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * A second health check, soon after one that found nobody: a proxy that hiccups or a connection
 * that is reset once is no reason to take a server down, whoever had it checked. All who wait for
 * it share it. Safe for use by many threads; nothing here waits.
 */
final class Confirmation {
  private static final Duration SOON = Duration.ofSeconds(1);

  private final Looks looks;
  private final Time time;
  private final ReentrantLock lock = new ReentrantLock();
  private @Nullable CompletableFuture<Looks.Look> second;
  private @Nullable Future<?> clock;
  private boolean closed;

  Confirmation(Looks looks, Time time) {
    this.looks = looks;
    this.time = time;
  }

  /**
   * What is settled.
   *
   * @param look the last health check that was made
   * @param death why the server is taken for dead; null if it is not
   */
  record Settled(Looks.Look look, @Nullable Failure death) {}

  /**
   * Decides what a health check is worth that may have found nobody.
   *
   * @return completed, never exceptionally, at once unless a second one is needed
   */
  CompletableFuture<Settled> settle(Looks.Look look) {
    return switch (look.worth()) {
      case NOTHING -> CompletableFuture.completedFuture(new Settled(look, null));
      case ALL -> CompletableFuture.completedFuture(new Settled(look, look.death()));
      case HALF ->
          again().thenApply(next -> new Settled(next, next.confirms(look) ? look.death() : null));
    };
  }

  private CompletableFuture<Looks.Look> again() {
    CompletableFuture<Looks.Look> begun = new CompletableFuture<>();
    boolean over;
    lock.lock();
    try {
      if (second != null) {
        return second;
      }
      second = begun;
      over = closed;
      clock = over ? null : time.after(SOON.toNanos(), new Due(this));
    } finally {
      lock.unlock();
    }
    if (over) {
      look();
    }
    return begun;
  }

  private record Due(Confirmation confirmation) implements ScheduledTask {
    @Override
    public Purpose purpose() {
      return Purpose.HEALTH_CHECK;
    }

    @Override
    public void run() {
      confirmation.look();
    }
  }

  private void look() {
    CompletableFuture<Looks.Look> due;
    lock.lock();
    try {
      due = second;
      second = null;
    } finally {
      lock.unlock();
    }
    if (due != null) {
      CompletableFuture<Boolean> unused =
          looks.look(look -> CompletableFuture.completedFuture(due.complete(look)));
    }
  }

  /** Ends the wait of those who wait for it; nothing is asked any more. */
  void close() {
    lock.lock();
    try {
      closed = true;
      if (clock != null) {
        clock.cancel(false);
      }
    } finally {
      lock.unlock();
    }
    look();
  }
}
