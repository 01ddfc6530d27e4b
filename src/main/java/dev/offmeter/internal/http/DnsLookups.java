// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

import dev.offmeter.internal.UserCode;
import java.net.InetAddress;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Runs the DNS lookups of one endpoint: one for each host at a time, whose result is shared by all
 * who ask meanwhile, each with a timeout of their own. A lookup that hangs costs one thread,
 * however many ask. Safe for use by many threads.
 */
final class DnsLookups {
  /** The age at which a lookup that nobody waits for any more counts as hung. */
  static final Duration HOPELESS = UnreturnedTasks.HOPELESS;

  private final LongSupplier nanos;
  private final ReentrantLock lock = new ReentrantLock();
  private final Map<String, Lookup> underWay = new HashMap<>();

  DnsLookups(LongSupplier nanos) {
    this.nanos = nanos;
  }

  /**
   * Waits for the addresses of a host.
   *
   * @throws ExecutionException with the exception of the lookup as its cause
   * @throws OffloadedTask.EarlierTaskHangsException if an earlier lookup was abandoned and has not
   *     returned for long
   */
  List<InetAddress> find(
      String host, Callable<List<InetAddress>> lookup, OffloadedTask asking, Executor workers)
      throws ExecutionException, InterruptedException {
    // A lookup that was interrupted when its last waiter left is repeated for those who came later.
    while (true) {
      Lookup shared = join(host, lookup, workers);
      try {
        List<InetAddress> found = asking.await(shared.found);
        if (!shared.interrupted || !found.isEmpty()) {
          return found;
        }
      } catch (ExecutionException e) {
        if (!shared.interrupted) {
          throw e;
        }
      } finally {
        release(shared);
      }
    }
  }

  /** Returns how many wait for the addresses of a host. */
  int waiting(String host) {
    lock.lock();
    try {
      Lookup shared = underWay.get(host);
      return shared == null ? 0 : shared.waiting;
    } finally {
      lock.unlock();
    }
  }

  private Lookup join(String host, Callable<List<InetAddress>> lookup, Executor workers) {
    lock.lock();
    try {
      Lookup shared = underWay.get(host);
      if (shared != null && shared.isStuck()) {
        throw new OffloadedTask.EarlierTaskHangsException();
      }
      if (shared == null) {
        shared = new Lookup(host, lookup);
        underWay.put(host, shared);
        start(shared, workers);
      }
      shared.waiting++;
      return shared;
    } finally {
      lock.unlock();
    }
  }

  private void start(Lookup lookup, Executor workers) {
    if (UserCode.run(() -> workers.execute(lookup)) != null) {
      underWay.remove(lookup.host);
      lookup.found.completeExceptionally(new OffloadedTask.NoThreadException());
    }
  }

  private void release(Lookup shared) {
    lock.lock();
    try {
      shared.waiting--;
      if (underWay.get(shared.host) == shared) {
        shared.onAbandoned();
      }
    } finally {
      lock.unlock();
    }
  }

  private final class Lookup implements Runnable {
    private final String host;
    private final Callable<List<InetAddress>> lookup;
    private final CompletableFuture<List<InetAddress>> found = new CompletableFuture<>();
    private final long since = nanos.getAsLong();
    private @Nullable Thread runner;
    private int waiting;

    /** Set when nobody waited for the lookup any more. */
    private volatile boolean interrupted;

    Lookup(String host, Callable<List<InetAddress>> lookup) {
      this.host = host;
      this.lookup = lookup;
    }

    private boolean isStuck() {
      return waiting == 0 && nanos.getAsLong() - since >= HOPELESS.toNanos();
    }

    private void onAbandoned() {
      Thread running = runner;
      if (waiting == 0 && running == null) {
        // No thread has begun it, and none needs to.
        underWay.remove(host);
      } else if (waiting == 0 && running != null) {
        interrupted = true;
        running.interrupt();
      }
    }

    @Override
    public void run() {
      if (!tryStart()) {
        return;
      }
      try {
        List<InetAddress> addresses = lookup.call();
        onReturn();
        found.complete(addresses);
      } catch (Throwable e) {
        onReturn();
        // CompletableFuture calls toString() of what completes it, which may throw again: hence the
        // wrapper.
        found.completeExceptionally(new ExecutionException("the DNS lookup threw", e));
      }
    }

    private boolean tryStart() {
      lock.lock();
      try {
        boolean wanted = underWay.get(host) == this;
        runner = wanted ? Thread.currentThread() : null;
        return wanted;
      } finally {
        lock.unlock();
      }
    }

    private void onReturn() {
      lock.lock();
      try {
        runner = null;
        underWay.remove(host, this);
      } finally {
        lock.unlock();
      }
    }
  }
}
