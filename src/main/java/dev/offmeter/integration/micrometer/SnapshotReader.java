// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.micrometer;

import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;

/**
 * Takes one snapshot for all gauges of a scrape. A registry does not say when a scrape begins; but
 * it reads each gauge once, so one that is read again begins the next.
 */
final class SnapshotReader {
  /** After that, nanoseconds, a gauge that is read alone must not show what others have read. */
  private static final long MAX_AGE = 1_000_000_000L;

  private final OffmeterMetrics.Source source;
  private final LongSupplier nanos;
  private final Consumer<StatusSnapshot> onSnapshot;
  private final ReentrantLock lock = new ReentrantLock();

  // Guarded by the lock: the last snapshot, and how many there were.

  private @Nullable StatusSnapshot last;
  private long taken;

  /**
   * Creates a reader.
   *
   * @param onSnapshot is told of each that is taken
   */
  SnapshotReader(
      OffmeterMetrics.Source source, LongSupplier nanos, Consumer<StatusSnapshot> onSnapshot) {
    this.source = source;
    this.nanos = nanos;
    this.onSnapshot = onSnapshot;
  }

  /** Returns a new snapshot, which no gauge shows: the first scrape takes its own. */
  StatusSnapshot read() {
    StatusSnapshot first = StatusSnapshot.of(source, nanos.getAsLong());
    onSnapshot.accept(first);
    return first;
  }

  private StatusSnapshot take() {
    StatusSnapshot now = StatusSnapshot.of(source, nanos.getAsLong());
    last = now;
    taken++;
    return now;
  }

  /** Returns a number of the snapshots for one gauge. */
  Reading newReading(ToDoubleFunction<StatusSnapshot> number) {
    return new Reading(number);
  }

  /** One gauge's number. */
  final class Reading {
    private final ToDoubleFunction<StatusSnapshot> number;

    /** The number of the snapshot that was read last. Guarded by the lock. */
    private long seen;

    private Reading(ToDoubleFunction<StatusSnapshot> number) {
      this.number = number;
    }

    /** Returns the number now. */
    double value() {
      StatusSnapshot now;
      boolean isNew;
      lock.lock();
      try {
        StatusSnapshot before = last;
        isNew = before == null || seen == taken || isOld(before);
        now = before == null || isNew ? take() : before;
        seen = taken;
      } finally {
        lock.unlock();
      }
      if (isNew) {
        // Outside of the lock, because new gauges are registered.
        onSnapshot.accept(now);
      }
      return number.applyAsDouble(now);
    }

    private boolean isOld(StatusSnapshot snapshot) {
      return nanos.getAsLong() - snapshot.takenAt() > MAX_AGE;
    }
  }
}
