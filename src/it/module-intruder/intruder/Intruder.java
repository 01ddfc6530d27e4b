// SPDX-License-Identifier: Apache-2.0
package intruder;

import dev.offmeter.internal.failover.FailoverExecutor;

/** Uses what is not exported. */
final class Intruder {
  private FailoverExecutor executor;
}
