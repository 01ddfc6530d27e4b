// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.simulation;

import dev.offmeter.testing.OneShotTimer;
import java.util.concurrent.Callable;
import java.util.concurrent.Delayed;
import java.util.concurrent.FutureTask;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;

/** The timer of virtual time: what falls due is an event like any other. */
final class VirtualTimer extends OneShotTimer {
  private final VirtualTime time;

  VirtualTimer(VirtualTime time) {
    this.time = time;
  }

  @Override
  public <V> ScheduledFuture<V> schedule(Callable<V> work, long delay, TimeUnit unit) {
    Task<V> task = new Task<>(work, time.nanos() + unit.toNanos(delay));
    time.at(task.due, task);
    return task;
  }

  private final class Task<V> extends FutureTask<V> implements ScheduledFuture<V> {
    private final long due;

    Task(Callable<V> work, long due) {
      super(work);
      this.due = due;
    }

    /** Fails loudly: an exception of a task must not get lost. */
    @Override
    protected void setException(Throwable thrown) {
      throw new AssertionError(thrown);
    }

    @Override
    public long getDelay(TimeUnit unit) {
      return unit.convert(due - time.nanos(), TimeUnit.NANOSECONDS);
    }

    @Override
    public int compareTo(Delayed other) {
      return Long.compare(getDelay(TimeUnit.NANOSECONDS), other.getDelay(TimeUnit.NANOSECONDS));
    }
  }

  @Override
  public void execute(Runnable work) {
    time.at(time.nanos(), work);
  }
}
