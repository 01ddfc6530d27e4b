// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.random;

import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.time.Duration;
import java.util.concurrent.locks.LockSupport;

/**
 * Measures how late and how slow the machine is at the moment, because other programs use it too:
 * how much longer than asked a thread sleeps, and how much more time than CPU time work takes.
 */
final class MachineDelay implements AutoCloseable {
  private static final Duration NAP = Duration.ofMillis(20);
  private static final Duration SLACK = Duration.ofSeconds(2);
  private static final long WORK_NANOS = 500_000;

  /** Over so many pieces of work the slowness is a mean: a single one is often interrupted. */
  private static final int PIECES = 20;

  private final ThreadMXBean threads = ManagementFactory.getThreadMXBean();
  private final Thread thread = new Thread(this::run, "test-machine-delay");
  private volatile long latest;
  private volatile double slowest = 1;
  private volatile boolean over;

  MachineDelay() {
    thread.setDaemon(true);
    thread.start();
  }

  private void run() {
    while (!over) {
      long took = 0;
      for (int i = 0; i < PIECES && !over; i++) {
        long before = System.nanoTime();
        LockSupport.parkNanos(NAP.toNanos());
        latest = Math.max(latest, System.nanoTime() - before - NAP.toNanos());
        took += work();
      }
      slowest = Math.max(slowest, (double) took / (PIECES * WORK_NANOS));
    }
  }

  private long work() {
    long before = System.nanoTime();
    long cpu = threads.getCurrentThreadCpuTime();
    while (threads.getCurrentThreadCpuTime() - cpu < WORK_NANOS) {
      Thread.onSpinWait();
    }
    return System.nanoTime() - before;
  }

  /** Returns how late a call may be without being wrong. */
  Duration delayAllowance() {
    return slowdown(SLACK).plusNanos(4 * latest);
  }

  /** Returns how long work of this duration takes on a machine that is as slow as was measured. */
  Duration slowdown(Duration duration) {
    return Duration.ofNanos((long) (duration.toNanos() * slowest));
  }

  @Override
  public void close() {
    over = true;
  }
}
