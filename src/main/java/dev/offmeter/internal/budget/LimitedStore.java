// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.budget;

import dev.offmeter.guard.BudgetStore;
import dev.offmeter.guard.BudgetStore.Balance;
import dev.offmeter.guard.BudgetStore.Claim;
import dev.offmeter.guard.BudgetStore.WhenUnavailable;
import dev.offmeter.internal.DetachedThreads;
import dev.offmeter.internal.UserCode;
import dev.offmeter.internal.UserCode.UserCodeException;
import dev.offmeter.internal.time.CancellableWait;
import dev.offmeter.internal.time.TimeSource;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.FutureTask;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A budget store that may fail or hang: the application's own code, or a database that is down.
 * Neither reaches a call; the log has one WARN from the first failure to the next success. Safe for
 * use by many threads.
 */
final class LimitedStore {
  static final Duration LIMIT = Duration.ofSeconds(1);

  /** More than a usual pool of connections has. */
  private static final int THREADS = 16;

  private static final String RENEW = "renew";

  private static final Logger LOG = LoggerFactory.getLogger("dev.offmeter");

  private final BudgetStore store;
  private final TimeSource time;

  /** Null for a store that does not block: its methods run on the caller's thread. */
  private final @Nullable ThreadPoolExecutor threads;

  /** How many threads run a method that nobody waits for any more. */
  private final AtomicInteger hanging = new AtomicInteger();

  /** The threads with work that nobody has waited for, with when it began. */
  private final Map<Thread, Long> background = new ConcurrentHashMap<>();

  /** The method that failed first and has not worked since; null if all work. */
  private final AtomicReference<@Nullable String> failing = new AtomicReference<>();

  LimitedStore(BudgetStore store, TimeSource time) {
    this.store = store;
    this.time = time;
    this.threads = store.mayBlock() ? newThreads() : null;
  }

  /** Platform threads: a database driver that holds a monitor would pin a virtual one's carrier. */
  private static ThreadPoolExecutor newThreads() {
    ThreadFactory daemons = DetachedThreads.daemons("offmeter-budget-store");
    ThreadPoolExecutor threads =
        new ThreadPoolExecutor(
            THREADS,
            THREADS,
            10,
            TimeUnit.SECONDS,
            new LinkedBlockingQueue<>(),
            daemons,
            // A call that ends after the client was closed still has to settle.
            (work, closed) -> daemons.newThread(work).start());
    threads.allowCoreThreadTimeOut(true);
    return threads;
  }

  WhenUnavailable whenUnavailable() {
    return store.whenUnavailable();
  }

  /** Returns whether a method that seems to have failed may yet do its work. */
  boolean mayBlock() {
    return threads != null;
  }

  /** Returns whether nothing is to be had from the store now: all its threads hang in it. */
  boolean hangs() {
    long now = time.nanos();
    long unheard =
        background.values().stream().filter(began -> now - began >= LIMIT.toNanos()).count();
    return hanging.get() + unheard >= THREADS;
  }

  /**
   * Runs work that calls this store: at once if it does not block, and else on another thread.
   *
   * @return whether it has begun or will; not if there is no thread for it
   */
  boolean execute(Runnable work) {
    if (threads == null) {
      work.run();
      return true;
    }
    Runnable counted = () -> runInBackground(work);
    return UserCode.run(() -> threads.execute(counted)) == null;
  }

  private void runInBackground(Runnable work) {
    background.put(Thread.currentThread(), time.nanos());
    try {
      work.run();
    } finally {
      background.remove(Thread.currentThread());
    }
  }

  /**
   * Runs work that calls this store, and waits for it as long as a call may wait. It goes on when
   * nobody waits any more.
   *
   * @param after work that nobody waits for
   * @return whether it has begun; not if the store hangs
   */
  boolean tryRun(Runnable work, Runnable after, StoreWait wait) {
    if (threads == null) {
      work.run();
      after.run();
      return true;
    }
    CompletableFuture<Boolean> done = new CompletableFuture<>();
    Task task =
        new Task(
            () -> {
              work.run();
              boolean unused = done.complete(true);
              runInBackground(after);
            });
    if (hangs() || UserCode.run(() -> threads.execute(task)) != null) {
      return false;
    }
    CancellableWait.await(time, done, limit(wait), wait.token());
    if (done.isCancelled()) {
      task.onAbandoned();
    }
    return true;
  }

  private static long limit(StoreWait wait) {
    return Math.max(0, Math.min(LIMIT.toNanos(), wait.nanosLeft().getAsLong()));
  }

  /**
   * Reserves; empty if the store failed, and else the index of the claim that did not fit or -1.
   */
  Optional<Integer> reserve(
      String reservation, List<Claim> claims, Instant now, Instant leaseEnd, StoreWait wait) {
    return tried(
        "reserve",
        wait,
        () -> {
          int refused = store.reserve(reservation, claims, now, leaseEnd);
          if (refused < -1 || refused >= claims.size()) {
            throw new IllegalStateException(
                "reserve must return the index of a claim or -1, was " + refused);
          }
          return refused;
        });
  }

  /** Settles on the caller's thread, for as long as the store takes; returns whether it works. */
  boolean trySettleHere(Settlement settlement) {
    return here("settle", () -> settle(settlement)).isPresent();
  }

  private boolean settle(Settlement settlement) {
    store.settle(settlement.reservation(), settlement.claims(), settlement.used(), time.instant());
    return true;
  }

  /** Renews on the caller's thread, for as long as the store takes; returns whether it works. */
  boolean tryRenewHere(String reservation, List<Claim> claims, Instant now, Instant leaseEnd) {
    return here(
            RENEW,
            () -> {
              store.renew(reservation, claims, now, leaseEnd);
              return true;
            })
        .isPresent();
  }

  /** Returns the state of a count, asked on the caller's thread; empty if the store failed. */
  Optional<Balance> balanceHere(Claim claim, Instant now) {
    return here("balance", () -> store.balance(claim, now));
  }

  /** Returns the state of a count; empty if the store failed. */
  Optional<Balance> balance(Claim claim, Instant now, StoreWait wait) {
    return tried("balance", wait, () -> store.balance(claim, now));
  }

  private <T> Optional<T> tried(String method, StoreWait wait, Callable<T> asked) {
    return threads == null ? here(method, asked) : elsewhere(method, wait, asked, threads);
  }

  private <T> Optional<T> here(String method, Callable<T> asked) {
    Optional<T> result = called(method, asked);
    onWorked(method, result);
    return result;
  }

  /** Not of one that returned too late: another warning of a slow store would follow at once. */
  private void onWorked(String method, Optional<?> result) {
    if (result.isPresent() && method.equals(failing.get())) {
      failing.set(null);
    }
  }

  private <T> Optional<T> called(String method, Callable<T> asked) {
    try {
      return Optional.of(UserCode.call(asked));
    } catch (UserCodeException e) {
      warnOnce(method, "threw " + e.description());
    } catch (NullPointerException e) {
      warnOnce(method, "returned null");
    }
    return Optional.empty();
  }

  private <T> Optional<T> elsewhere(
      String method, StoreWait wait, Callable<T> asked, ThreadPoolExecutor threads) {
    if (hangs()) {
      warnOnce(method, "was not called: " + THREADS + " earlier calls have not returned");
      return Optional.empty();
    }
    CompletableFuture<Optional<T>> answer = new CompletableFuture<>();
    FutureTask<?> work = new FutureTask<>(() -> answer.complete(called(method, asked)));
    Task task = new Task(work);
    if (UserCode.run(() -> threads.execute(task)) != null) {
      warnOnce(method, "was not called: " + UserCode.NO_THREAD);
      return Optional.empty();
    }
    long limit = limit(wait);
    CancellableWait.await(time, answer, limit, wait.token());
    if (!answer.isCancelled()) {
      onWorked(method, answer.join());
      return answer.join();
    }
    task.onAbandoned();
    work.cancel(true);
    if (wait.token().recordInterrupt() == null) {
      warnOnce(method, "did not return within " + Duration.ofNanos(limit).toMillis() + " ms");
    }
    return Optional.empty();
  }

  /** Work that counts as hanging from when nobody waits for it any more until it returns. */
  private final class Task implements Runnable {
    private final Runnable work;
    private boolean running;
    private boolean abandoned;

    Task(Runnable work) {
      this.work = work;
    }

    @Override
    public void run() {
      change(() -> running = true);
      try {
        work.run();
      } finally {
        change(() -> running = false);
      }
    }

    void onAbandoned() {
      change(() -> abandoned = true);
    }

    private synchronized void change(Runnable change) {
      boolean before = running && abandoned;
      change.run();
      boolean after = running && abandoned;
      hanging.addAndGet(before == after ? 0 : after ? 1 : -1);
    }
  }

  private void warnOnce(String method, String what) {
    // A renewal is rare: until the next one works, others that fail would go unseen.
    boolean first =
        failing.compareAndSet(null, method)
            || (!method.equals(RENEW) && failing.compareAndSet(RENEW, method));
    if (first) {
      UserCode.ignore(
          () -> LOG.warn("the budget store does not work: {} {}; {}", method, what, consequence()));
    }
  }

  private String consequence() {
    return switch (whenUnavailable()) {
      case REFUSE_PAID -> "while reserve does not, endpoints that are not free are skipped";
      case ALLOW -> "while reserve does not, no budget limits anything";
      case REFUSE -> "while reserve does not, all endpoints under a budget are skipped";
    };
  }

  /** Ends the threads when they have done what they have begun. */
  void close() {
    if (threads != null) {
      threads.shutdown();
    }
  }
}
