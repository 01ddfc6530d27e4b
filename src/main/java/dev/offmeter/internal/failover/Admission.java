// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import dev.offmeter.internal.circuit.Permit;

/**
 * A call's right to be at one endpoint: the circuit breaker's permit and a bulkhead slot. Whoever
 * gets one must {@link #close()} it. Used by one thread at a time.
 */
final class Admission implements AutoCloseable {
  private final GuardedEndpoint endpoint;
  private final Permit permit;

  /** Owned by the thread that asks: the call's, or its hedge's. */
  private boolean closed;

  Admission(GuardedEndpoint endpoint, Permit permit) {
    this.endpoint = endpoint;
    this.permit = permit;
  }

  GuardedEndpoint endpoint() {
    return endpoint;
  }

  /** Tells the circuit breaker how the call ended here; see {@link #close()}. */
  Permit permit() {
    return permit;
  }

  /**
   * Gives back the permit, if it had no outcome, and then the slot: the next call in the queue must
   * find the endpoint as this one left it. Does nothing the second time.
   */
  @Override
  public void close() {
    if (closed) {
      return;
    }
    closed = true;
    try {
      permit.release();
    } finally {
      endpoint.passOnSlot();
    }
  }
}
