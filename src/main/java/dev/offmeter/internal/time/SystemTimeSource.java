// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.time;

import dev.offmeter.internal.DetachedThreads;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;

/** The machine's own time. */
final class SystemTimeSource implements TimeSource {
  /**
   * While calls come, a task that does nothing is always due within this time. A timer set for
   * later than the first in the queue wakes no thread, so setting a call's timeout costs no thread
   * switch.
   */
  private static final long BEAT_MILLIS = 50;

  private final AtomicBoolean beating = new AtomicBoolean();
  private volatile boolean used;
  private final ScheduledThreadPoolExecutor timer;

  SystemTimeSource() {
    timer = new ScheduledThreadPoolExecutor(1, DetachedThreads.daemons("offmeter-timer"));
    // A call that is overtaken by close() needs no timer any more: it is cancelled already.
    timer.setRejectedExecutionHandler(new ThreadPoolExecutor.DiscardPolicy());
    // A cancelled timeout must not stay in the queue, and hold its call in memory, until it would
    // have been due.
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
    used = true;
    if (!beating.get() && beating.compareAndSet(false, true)) {
      beat();
    }
    return timer;
  }

  @SuppressWarnings("FutureReturnValueIgnored") // It beats on or ends by itself.
  private void beat() {
    if (used) {
      used = false;
      timer.schedule(this::beat, BEAT_MILLIS, TimeUnit.MILLISECONDS);
    } else {
      beating.set(false);
    }
  }

  @Override
  public void close() {
    timer.shutdownNow();
  }
}
