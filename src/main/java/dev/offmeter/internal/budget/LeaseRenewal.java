// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.budget;

import dev.offmeter.internal.time.TimeSource;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/**
 * Puts the ends of leases off while their requests run: a stream whose reader rests runs longer
 * than any limit of an attempt. Safe for use by many threads.
 */
final class LeaseRenewal {
  /** Three times within the margin of a lease, so that one that is late does no harm. */
  static final Duration INTERVAL = Duration.ofSeconds(20);

  private final LimitedStore store;
  private final TimeSource time;

  /** The holds that are not settled, with the ends of their leases. */
  private final Map<BudgetHold, Instant> holds = new ConcurrentHashMap<>();

  private final AtomicBoolean scheduled = new AtomicBoolean();
  private volatile @Nullable Future<?> next;
  private volatile boolean closed;

  LeaseRenewal(LimitedStore store, TimeSource time) {
    this.store = store;
    this.time = time;
  }

  void add(BudgetHold hold, Instant now) {
    holds.put(hold, now.plus(hold.lease()));
    if (!scheduled.get()) {
      schedule();
    }
  }

  void remove(BudgetHold hold) {
    holds.remove(hold);
  }

  private void schedule() {
    if (!closed && scheduled.compareAndSet(false, true)) {
      Future<?> renewal = time.schedule(INTERVAL.toNanos(), this::renewDue);
      next = renewal;
      if (renewal == null) {
        scheduled.set(false);
      } else if (closed) {
        renewal.cancel(false);
      }
    }
  }

  private void renewDue() {
    Instant now = time.instant();
    Instant due = now.plus(INTERVAL.multipliedBy(2));
    holds.forEach(
        (hold, leaseEnd) -> {
          if (leaseEnd.isBefore(due) && !store.hangs()) {
            store.execute(() -> renew(hold, leaseEnd));
          }
        });
    scheduled.set(false);
    if (!holds.isEmpty()) {
      schedule();
    }
  }

  /** Renews; if the store fails, the old end stands, and it is tried again. */
  private void renew(BudgetHold hold, Instant leaseEnd) {
    Instant now = time.instant();
    if (leaseEnd.equals(holds.get(hold)) && hold.renew(store, now)) {
      holds.replace(hold, leaseEnd, now.plus(hold.lease()));
    }
  }

  void close() {
    closed = true;
    TimeSource.cancel(next);
  }
}
