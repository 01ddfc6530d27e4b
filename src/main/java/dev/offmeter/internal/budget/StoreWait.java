// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.budget;

import dev.offmeter.internal.time.CancellationToken;
import java.util.function.LongSupplier;

/**
 * Bounds how long a call waits for the budget store.
 *
 * @param nanosLeft what the call has left, at the moment it is asked
 * @param token ends the wait when the call is cancelled
 */
public record StoreWait(LongSupplier nanosLeft, CancellationToken token) {
  /** Returns the wait of somebody who is no call: the store's own limit alone bounds it. */
  static StoreWait ofNoCall() {
    return new StoreWait(() -> Long.MAX_VALUE, new CancellationToken());
  }
}
