// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import dev.offmeter.wire.ForeignCode;
import io.github.resilience4j.bulkhead.Bulkhead;
import io.github.resilience4j.bulkhead.event.BulkheadOnCallPermittedEvent;
import org.jspecify.annotations.Nullable;

/**
 * The places of one endpoint, in a bulkhead of Resilience4j. That tells its consumers in the midst
 * of its work, and what an application's consumer throws must lose no place. Safe for use by many
 * threads.
 */
final class Places {
  /** Whose place the current thread has just been given. */
  private static final ThreadLocal<@Nullable Places> GIVEN = new ThreadLocal<>();

  private final Bulkhead bulkhead;

  /** Whether there is always one more. */
  private final boolean unlimited;

  Places(Bulkhead bulkhead) {
    this.bulkhead = bulkhead;
    this.unlimited = bulkhead.getBulkheadConfig().getMaxConcurrentCalls() == Integer.MAX_VALUE;
    if (!unlimited) {
      listen();
    }
  }

  /**
   * Before any other consumer, so that it hears of every place. An event has the time with its
   * zone, which costs more than the place: nobody who set no limit is to pay that.
   */
  private void listen() {
    bulkhead
        .getEventPublisher()
        .onEvent(
            event -> {
              if (event instanceof BulkheadOnCallPermittedEvent) {
                GIVEN.set(this);
              }
            });
  }

  /** Takes a place; false if none is free. */
  boolean take() {
    try {
      return ForeignCode.call(bulkhead::tryAcquirePermission);
    } catch (ForeignCode.Broken e) {
      return unlimited || GIVEN.get() == this;
    } finally {
      if (!unlimited) {
        GIVEN.remove();
      }
    }
  }

  /** The place is given back before anybody is told. */
  void giveBack() {
    ForeignCode.ignore(bulkhead::onComplete);
  }

  /** How many are free now. */
  int free() {
    return bulkhead.getMetrics().getAvailableConcurrentCalls();
  }

  /** How many are taken now. */
  int taken() {
    return bulkhead.getMetrics().getMaxAllowedConcurrentCalls() - free();
  }
}
