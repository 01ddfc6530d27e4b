// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/** The machine's own time. */
final class SystemTime implements Time {
  private final ScheduledThreadPoolExecutor timer;

  SystemTime() {
    timer =
        new ScheduledThreadPoolExecutor(
            1,
            task -> {
              Thread thread = new Thread(task, "offmeter-timer");
              thread.setDaemon(true);
              return thread;
            });
    // A call that is overtaken by close() needs no clock any more: it is cancelled already.
    timer.setRejectedExecutionHandler(new ThreadPoolExecutor.DiscardPolicy());
    // A clock that did not fire must not stay in the queue until it would have.
    timer.setRemoveOnCancelPolicy(true);
    // A client that is dropped without close() must not hold a thread for ever.
    timer.setKeepAliveTime(30, TimeUnit.SECONDS);
    timer.allowCoreThreadTimeOut(true);
  }

  @Override
  public long nanos() {
    return System.nanoTime();
  }

  @Override
  public ScheduledExecutorService timer() {
    return timer;
  }

  @Override
  public void close() {
    timer.shutdownNow();
  }
}
