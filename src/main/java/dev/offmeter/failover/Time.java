// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import java.util.concurrent.ScheduledExecutorService;

/** Where the clocks get their time from. Safe for use by many threads. */
public interface Time extends AutoCloseable {
  /** Nanoseconds since some fixed point. */
  long nanos();

  /** Runs what is due. */
  ScheduledExecutorService timer();

  /** Drops all that is still due. */
  @Override
  void close();

  /**
   * The machine's own time, with one daemon thread that ends when nothing has been due for long.
   */
  static Time system() {
    return new SystemTime();
  }
}
