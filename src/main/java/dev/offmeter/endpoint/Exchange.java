// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.endpoint;

import dev.offmeter.wire.Failure;

/** One try at one endpoint. Run once, on the thread that wants the answer. */
public interface Exchange {
  /**
   * Asks and reads the answer to its end. Holds no clock of its own: whoever runs it calls {@link
   * #cancel()} from another thread when time is up. Also ends at once when the running thread is
   * interrupted.
   *
   * @throws Failure if there is no complete answer
   */
  Answer run() throws Failure;

  /** Ends the run from any thread and closes its connection; without effect once it has ended. */
  void cancel();
}
