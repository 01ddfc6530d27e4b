// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

import dev.offmeter.internal.DetachedThreads;
import dev.offmeter.internal.UserCode;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import okio.AsyncTimeout;

/**
 * Starts Okio's only thread for timeouts, which ends after 60 idle seconds. The first to set a
 * timeout starts it, and the thread would keep their inheritable thread-locals and class loader; so
 * it is started beforehand from a {@link DetachedThreads detached} thread.
 */
final class OkioWatchdog {
  private static final long FRESH_NANOS = TimeUnit.SECONDS.toNanos(30);
  private static final long LONGEST_MILLIS = 100;
  private static final ThreadFactory STARTERS = DetachedThreads.daemons("offmeter-watchdog");
  private static final ReentrantLock LOCK = new ReentrantLock();
  private static volatile long touched = System.nanoTime() - FRESH_NANOS;

  private OkioWatchdog() {}

  /** Ensures that the thread runs for the next 30 s at least. */
  static void start() {
    if (isFresh()) {
      return;
    }
    LOCK.lock();
    try {
      if (!isFresh()) {
        UserCode.ignore(OkioWatchdog::touchInBackground);
        touched = System.nanoTime();
      }
    } finally {
      LOCK.unlock();
    }
  }

  private static boolean isFresh() {
    return System.nanoTime() - touched < FRESH_NANOS;
  }

  private static void touchInBackground() throws InterruptedException {
    Thread starter = STARTERS.newThread(OkioWatchdog::touch);
    starter.start();
    starter.join(LONGEST_MILLIS);
  }

  private static void touch() {
    AsyncTimeout timeout = new AsyncTimeout();
    timeout.timeout(1, TimeUnit.HOURS);
    timeout.enter();
    boolean unused = timeout.exit();
  }
}
