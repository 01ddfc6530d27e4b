// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.LongSupplier;
import okhttp3.ConnectionPool;

/**
 * The idle connections that are kept to one server, for all endpoints there. What is learnt of one
 * of them is true of all: they lead the same way, through the same routers, and have idled side by
 * side. So they are dropped together. Safe for use by many threads.
 */
final class IdleConnections {
  private static final int MOST = 64;

  /** Azure's load balancer forgets a connection after 4 min without a word, others sooner. */
  private static final long MINUTES = 2;

  /** A calendar that is put right moves less; a machine that slept, more. */
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
   * One is about to be used. Drops them if all have idled for too long, or the machine has slept:
   * the clock that runs on in a sleep is then ahead.
   */
  void onUse() {
    long now = nanos.getAsLong();
    long apartNow = clockDrift();
    boolean slept = Math.abs(apartNow - clockDrift) > ASLEEP_MILLIS;
    // OkHttp sees to that too, but late where this process has stood still.
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

  /** Which connections can be had now: those of another generation are no longer kept. */
  int generation() {
    return generation.get();
  }

  /**
   * One of a generation leads nowhere: drops all that idle.
   *
   * @return whether it was the first of them that was found out
   */
  boolean dropIdle(int found) {
    boolean first = generation.compareAndSet(found, found + 1);
    if (first) {
      pool.evictAll();
    }
    return first;
  }

  /** Drops all that idle. */
  void dropIdle() {
    dropIdle(generation());
  }
}
