// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.simulation;

import dev.offmeter.internal.time.TimeSource;
import java.time.Duration;
import java.util.PriorityQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Time that jumps from one event to the next, for threads that block in it. Exactly one thread runs
 * at any moment: the one that has the turn. When it has to wait, it goes through the events itself,
 * and gives the turn away only when another thread is to go on. So a year is short, and what
 * happens at one moment happens in one order, each time the same.
 */
final class VirtualTime implements TimeSource {
  /** No simulation takes so long, unless a thread waits for something real. */
  private static final Duration PATIENCE = Duration.ofMinutes(2);

  private final PriorityQueue<Event> due = new PriorityQueue<>();
  private final CountDownLatch over = new CountDownLatch(1);
  private final ScheduledExecutorService timer = new VirtualTimer(this);
  private final ExecutorService threads = Executors.newCachedThreadPool(VirtualTime::daemon);
  private volatile @Nullable Throwable broken;
  private long now;
  private long events;

  private static Thread daemon(Runnable body) {
    Thread thread = new Thread(body, "virtual-time");
    thread.setDaemon(true);
    return thread;
  }

  private interface Action {
    /**
     * Acts at the event's time.
     *
     * @param mine what the running thread waits for, if it does
     * @return whether that thread still has the turn
     */
    boolean fire(@Nullable Wait mine);
  }

  /** An action and its time; events of one moment happen in the order in which they were set. */
  private record Event(long at, long number, Action act) implements Comparable<Event> {
    @Override
    public int compareTo(Event other) {
      return at == other.at ? Long.compare(number, other.number) : Long.compare(at, other.at);
    }
  }

  /** A wait of one thread. */
  final class Wait implements Action {
    private final Semaphore turn = new Semaphore(0);
    private boolean over;

    /** Waits until {@link #end()}. */
    void await() {
      while (!over) {
        if (!nextEvent().fire(this)) {
          turn.acquireUninterruptibly();
        }
      }
    }

    /** Lets the thread go on, when all that was set for this moment before has happened. */
    void end() {
      set(now, this);
    }

    @Override
    public boolean fire(@Nullable Wait mine) {
      over = true;
      if (mine != this) {
        turn.release();
      }
      return mine == this;
    }
  }

  /** Work that may wait, and so needs a thread. */
  private final class ThreadStart implements Action {
    private final Runnable work;

    ThreadStart(Runnable work) {
      this.work = work;
    }

    @Override
    public boolean fire(@Nullable Wait mine) {
      threads.execute(() -> run(work));
      return false;
    }
  }

  private Action nextEvent() {
    Event event = due.remove();
    now = event.at();
    return event.act();
  }

  /** Does the work, and then goes on with the events for as long as it has the turn. */
  private void run(Runnable work) {
    try {
      work.run();
      boolean turn = true;
      while (turn && !due.isEmpty()) {
        Action act = nextEvent();
        if (act instanceof ThreadStart begin) {
          begin.work.run();
        } else {
          turn = act.fire(null);
        }
      }
      if (turn) {
        over.countDown();
      }
    } catch (Throwable e) {
      broken = e;
      over.countDown();
    }
  }

  private void set(long when, Action act) {
    due.add(new Event(Math.max(now, when), events++, act));
  }

  /** Sets what is to happen then, and must not wait. */
  void at(long when, Runnable work) {
    set(
        when,
        mine -> {
          work.run();
          return true;
        });
  }

  /** Sets what is to happen so much later, and must not wait. */
  void in(Duration delay, Runnable work) {
    at(now + delay.toNanos(), work);
  }

  /** Sets what is to begin then, and may wait. */
  void begin(long when, Runnable work) {
    set(when, new ThreadStart(work));
  }

  /** Goes through all events. */
  void run() throws InterruptedException {
    threads.execute(() -> run(() -> {}));
    if (!over.await(PATIENCE.toSeconds(), TimeUnit.SECONDS)) {
      throw new AssertionError("a thread waits for what never comes, at " + Duration.ofNanos(now));
    }
    if (broken != null) {
      throw new AssertionError("broke off at " + Duration.ofNanos(now), broken);
    }
  }

  @Override
  public long nanos() {
    return now;
  }

  @Override
  public ScheduledExecutorService timer() {
    return timer;
  }

  @Override
  public void await(CompletableFuture<?> event) {
    Wait wait = new Wait();
    CompletableFuture<?> unused = event.whenComplete((happened, failure) -> wait.end());
    wait.await();
  }

  @Override
  public void close() {
    threads.shutdownNow();
  }
}
