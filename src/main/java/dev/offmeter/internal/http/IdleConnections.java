// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.LongSupplier;
import okhttp3.ConnectionPool;

/**
 * Keeps the idle connections to one server, for all its endpoints. They take the same way through
 * the same routers and have idled side by side, so when one turns out to be dead, all are dropped.
 * Safe for use by many threads.
 */
final class IdleConnections {
  private static final int MOST = 64;

  /** Azure's load balancer drops an idle connection after 4 min, others sooner. */
  private static final long MINUTES = 2;

  /** A clock adjustment moves the clocks apart by less; a machine that slept, by more. */
  private static final long ASLEEP_MILLIS = 10_000;

  private final ConnectionPool pool = OkHttpThreads.pool(MOST, MINUTES, TimeUnit.MINUTES);
  private final AtomicInteger generation = new AtomicInteger();
  private final LongSupplier calendarMillis;
  private final LongSupplier nanos;
  private volatile long clockDrift;
  private volatile long lastUse;

  IdleConnections() {
    this(System::currentTimeMillis, System::nanoTime);
  }

  IdleConnections(LongSupplier calendarMillis, LongSupplier nanos) {
    this.calendarMillis = calendarMillis;
    this.nanos = nanos;
    this.clockDrift = clockDrift();
    this.lastUse = nanos.getAsLong();
  }

  ConnectionPool pool() {
    return pool;
  }

  /**
   * Called before a connection is used. Drops all if they have idled too long or the machine has
   * slept: the wall clock, which runs on during sleep, is then ahead of the monotonic one.
   */
  void onUse() {
    long now = nanos.getAsLong();
    long apartNow = clockDrift();
    boolean slept = Math.abs(apartNow - clockDrift) > ASLEEP_MILLIS;
    // OkHttp evicts idle connections too, but late if this process stood still.
    boolean idled = now - lastUse > TimeUnit.MINUTES.toNanos(MINUTES);
    lastUse = now;
    clockDrift = slept ? apartNow : clockDrift;
    if (slept || idled) {
      dropIdle();
    }
  }

  private long clockDrift() {
    return calendarMillis.getAsLong() - TimeUnit.NANOSECONDS.toMillis(nanos.getAsLong());
  }

  /** Returns the current generation: connections of an earlier one are no longer kept. */
  int generation() {
    return generation.get();
  }

  /**
   * Drops all idle connections because one of this generation was dead.
   *
   * @return whether the caller is the first to report that generation
   */
  boolean dropIdle(int found) {
    boolean first = generation.compareAndSet(found, found + 1);
    if (first) {
      pool.evictAll();
    }
    return first;
  }

  /** Drops all idle connections. */
  void dropIdle() {
    dropIdle(generation());
  }
}
