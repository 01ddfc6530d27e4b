// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.storm;

import java.time.Duration;
import java.util.concurrent.locks.LockSupport;

/** How late the machine is at the moment: other programs want it too. */
final class Hiccups implements AutoCloseable {
  private static final Duration NAP = Duration.ofMillis(5);

  private final Thread thread = new Thread(this::run, "test-hiccups");
  private volatile long worst;
  private volatile boolean over;

  Hiccups() {
    thread.setDaemon(true);
    thread.start();
  }

  private void run() {
    while (!over) {
      long before = System.nanoTime();
      LockSupport.parkNanos(NAP.toNanos());
      worst = Math.max(worst, System.nanoTime() - before - NAP.toNanos());
    }
  }

  /** What a call may be late without being wrong. */
  Duration slack() {
    return Duration.ofSeconds(2).plusNanos(4 * worst);
  }

  @Override
  public void close() {
    over = true;
  }
}
