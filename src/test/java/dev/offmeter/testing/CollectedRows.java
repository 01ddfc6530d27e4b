// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.testing;

import dev.offmeter.meter.UsageLog;
import dev.offmeter.meter.UsageRecord;
import java.io.IOException;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;

/** A usage log in memory that can be told to fail or to hang. */
public final class CollectedRows implements UsageLog {
  private final List<List<UsageRecord>> batches = new CopyOnWriteArrayList<>();
  private final CountDownLatch released = new CountDownLatch(1);
  private volatile String failure = "";
  private volatile boolean hanging;
  private volatile int tried;

  @Override
  @SuppressWarnings("NonAtomicVolatileUpdate") // One batch at a time.
  public void write(List<UsageRecord> batch) throws Exception {
    tried++;
    if (hanging) {
      released.await();
    }
    if (!failure.isEmpty()) {
      throw new IOException(failure);
    }
    batches.add(batch);
  }

  /** Fails from now on with this message; works again with an empty one. */
  public CollectedRows fail(String message) {
    failure = message;
    return this;
  }

  /** Hangs at the next batch, until it is released. */
  public CollectedRows hang() {
    hanging = true;
    return this;
  }

  /** Lets a hanging batch be written. */
  public void release() {
    hanging = false;
    released.countDown();
  }

  /** Returns how many batches were handed over, those that failed included. */
  public int tried() {
    return tried;
  }

  /** Returns the batches that were written. */
  public List<List<UsageRecord>> batches() {
    return batches;
  }

  /** Returns the rows that were written. */
  public List<UsageRecord> rows() {
    return batches.stream().flatMap(List::stream).toList();
  }
}
