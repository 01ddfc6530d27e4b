// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.circuit;

import dev.offmeter.internal.UserCode;
import io.github.resilience4j.bulkhead.Bulkhead;
import io.github.resilience4j.bulkhead.event.BulkheadOnCallPermittedEvent;
import org.jspecify.annotations.Nullable;

/**
 * The places of one endpoint, in a bulkhead of Resilience4j. That tells its consumers in the midst
 * of its work, and what an application's consumer throws must lose no place. Safe for use by many
 * threads.
 */
public final class EndpointBulkhead {
  /** Whose place the current thread has just been given. */
  private static final ThreadLocal<@Nullable EndpointBulkhead> JUST_ACQUIRED = new ThreadLocal<>();

  private final Bulkhead bulkhead;

  /** Whether there is always one more. */
  private final boolean unlimited;

  public EndpointBulkhead(Bulkhead bulkhead) {
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
                JUST_ACQUIRED.set(this);
              }
            });
  }

  /** Takes a place; false if none is free. */
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

  /** The place is given back before anybody is told. */
  public void release() {
    UserCode.ignore(bulkhead::onComplete);
  }

  /** How many are free now. */
  public int available() {
    return bulkhead.getMetrics().getAvailableConcurrentCalls();
  }

  /** How many are taken now. */
  public int taken() {
    return bulkhead.getMetrics().getMaxAllowedConcurrentCalls() - available();
  }
}
