// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.health;

import dev.offmeter.internal.http.AttemptTimeouts;
import java.time.Duration;

/**
 * Records what comes of all calls at one endpoint, as evidence that it is alive. Safe for use by
 * many threads.
 */
public final class EndpointActivity {
  private static final long RECENT = Duration.ofSeconds(1).toNanos();

  /** The initial value of a time: older than any that is compared with it. */
  private static final long LONG_AGO = Duration.ofDays(1).toNanos();

  private final long stall;
  private final long attempt;

  // Written by the thread of any call or health check; the last one wins.
  private volatile boolean used;
  private volatile long lastPiece;
  private volatile long lastAnswer;
  private volatile long longestRequest;
  private volatile boolean buffered;

  // Guarded by this.
  private long waitCountedUntil;
  private long fruitlessWait;

  public EndpointActivity(AttemptTimeouts timeouts, long now) {
    this.stall = timeouts.stall().toNanos();
    this.attempt = timeouts.attempt().toNanos();
    this.lastPiece = now - Math.max(stall, LONG_AGO);
    this.lastAnswer = now;
    this.waitCountedUntil = now;
  }

  /** Records that a call or a health check is sent. */
  public void onRequest() {
    // Read before it is written: many threads come here, and only the first has to write.
    if (!used) {
      used = true;
    }
  }

  /** Returns whether any call or health check has been sent. */
  public boolean isUsed() {
    return used;
  }

  /** Records a piece of an answer. */
  public void onPiece(long now) {
    lastPiece = now;
  }

  /**
   * Returns whether another call than the one whose last piece came at {@code own} is being served:
   * it has had a piece since, and within half the stall limit. Streams of a server that dies end
   * within moments of each other, so the last of them is no evidence of life.
   */
  public boolean isServingOthers(long now, long own) {
    long seen = lastPiece;
    return seen - own > 0 && now - seen < stall / 2;
  }

  /** Returns whether any call has had a piece since {@code then}. */
  public boolean hasServedSince(long then) {
    return lastPiece - then > 0;
  }

  /** Returns whether a piece has come so recently that no health check is needed. */
  boolean isRecentlyActive(long now) {
    return now - lastPiece < RECENT;
  }

  /** Returns when a call last got its whole answer. */
  long lastAnswer() {
    return lastAnswer;
  }

  /** Records a whole answer to a request of {@code length} characters. */
  public void onServed(long length) {
    if (length > longestRequest) {
      longestRequest = length;
    }
  }

  /** Returns the length in characters of the longest request that got its whole answer. */
  long longestRequest() {
    return longestRequest;
  }

  /** Records whether a whole answer of many pieces came without time between them. */
  public void setBuffered(boolean atOnce) {
    if (buffered != atOnce) {
      buffered = atOnce;
    }
  }

  /** Returns whether something between holds answers back until they are complete. */
  public boolean isBuffered() {
    return buffered;
  }

  /** Records a whole answer. */
  public void onAnswer(long now) {
    lastAnswer = now;
  }

  /**
   * Records the wait of a call that got no answer for a reason that by itself is no fault of the
   * endpoint: the caller was in a hurry, or others were being served. Such waits add up until a
   * call gets a whole answer; waits that overlap count once. A piece is not enough, because a node
   * that begins every answer and ends none serves nobody.
   */
  public synchronized void recordFruitlessWait(long since, long now) {
    long answer = lastAnswer;
    if (answer - waitCountedUntil >= 0) {
      fruitlessWait = 0;
      waitCountedUntil = answer;
    }
    long from = waitCountedUntil - since > 0 ? waitCountedUntil : since;
    if (now - from > 0) {
      fruitlessWait += now - from;
      waitCountedUntil = now;
    }
  }

  /**
   * Returns whether the recorded fruitless waits add up to so many timeouts of an attempt that they
   * are the endpoint's fault after all.
   */
  public synchronized boolean hasFruitlessWaitsOf(int timeouts) {
    return fruitlessWait >= timeouts * attempt;
  }
}
