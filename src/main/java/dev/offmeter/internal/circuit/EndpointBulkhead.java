// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.circuit;

import dev.offmeter.internal.UserCode;
import io.github.resilience4j.bulkhead.Bulkhead;
import io.github.resilience4j.bulkhead.event.BulkheadOnCallPermittedEvent;
import org.jspecify.annotations.Nullable;

/**
 * Counts the calls at one endpoint, in a Resilience4j bulkhead. The bulkhead notifies its consumers
 * while it takes a slot, so a consumer of the application that throws must not leak the slot. Safe
 * for use by many threads.
 */
public final class EndpointBulkhead {
  /**
   * The bulkhead whose slot the current thread has just taken: set by the first consumer, read when
   * a later one has thrown.
   */
  private static final ThreadLocal<@Nullable EndpointBulkhead> JUST_ACQUIRED = new ThreadLocal<>();

  private final Bulkhead bulkhead;

  /** Whether there is no limit, so that every call gets a slot. */
  private final boolean unlimited;

  public EndpointBulkhead(Bulkhead bulkhead) {
    this.bulkhead = bulkhead;
    this.unlimited = bulkhead.getBulkheadConfig().getMaxConcurrentCalls() == Integer.MAX_VALUE;
    if (!unlimited) {
      listen();
    }
  }

  /**
   * Registers before any other consumer, so that a consumer that throws cannot hide a taken slot.
   * An unlimited bulkhead has no consumer: its events would be built, time zone included, and cost
   * more than the slot.
   */
  private void listen() {
    bulkhead
        .getEventPublisher()
        .onEvent(
            event -> {
              if (event instanceof BulkheadOnCallPermittedEvent) {
                JUST_ACQUIRED.set(this);
              }
            });
  }

  /** Takes a slot; returns false if none is free. */
  public boolean tryAcquire() {
    try {
      return UserCode.call(bulkhead::tryAcquirePermission);
    } catch (UserCode.UserCodeException e) {
      return unlimited || JUST_ACQUIRED.get() == this;
    } finally {
      if (!unlimited) {
        JUST_ACQUIRED.remove();
      }
    }
  }

  /**
   * Gives a slot back. Resilience4j counts first and notifies then, so a consumer that throws leaks
   * none.
   */
  public void release() {
    UserCode.ignore(bulkhead::onComplete);
  }

  /** Returns the number of free slots. */
  public int available() {
    return bulkhead.getMetrics().getAvailableConcurrentCalls();
  }

  /** Returns the number of taken slots. */
  public int taken() {
    return bulkhead.getMetrics().getMaxAllowedConcurrentCalls() - available();
  }
}
