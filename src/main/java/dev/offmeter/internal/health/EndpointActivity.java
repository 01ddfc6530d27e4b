// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.health;

import dev.offmeter.internal.http.AttemptTimeouts;
import java.time.Duration;

/**
 * What comes of all calls at one endpoint, and what it shows of its life. Safe for use by many
 * threads.
 */
public final class EndpointActivity {
  private static final long RECENT = Duration.ofSeconds(1).toNanos();

  /** Before anything that is compared with it. */
  private static final long LONG_AGO = Duration.ofDays(1).toNanos();

  private final long stall;
  private final long attempt;
  private volatile boolean used;
  private volatile long lastPiece;
  private volatile long lastAnswer;
  private volatile long longestRequest;
  private volatile boolean buffered;
  private long waitCountedUntil;
  private long fruitlessWait;

  public EndpointActivity(AttemptTimeouts timeouts, long now) {
    this.stall = timeouts.stall().toNanos();
    this.attempt = timeouts.attempt().toNanos();
    this.lastPiece = now - Math.max(stall, LONG_AGO);
    this.lastAnswer = now;
    this.waitCountedUntil = now;
  }

  /** A call or a health check goes there. */
  public void onRequest() {
    // Read first: many threads come here, and only the first of them has news.
    if (!used) {
      used = true;
    }
  }

  /** Returns whether any call or health check has been there. */
  public boolean isUsed() {
    return used;
  }

  /** Some call has got a piece of its answer. */
  public void onPiece(long now) {
    lastPiece = now;
  }

  /**
   * Returns whether a call other than the one whose last piece came at {@code own} is being served:
   * it has had a piece since, and within half the stall limit. Streams that die together end within
   * moments of each other, and the last of them is no evidence of life.
   */
  public boolean isServingOthers(long now, long own) {
    long seen = lastPiece;
    return seen - own > 0 && now - seen < stall / 2;
  }

  /** Returns whether any call has had a piece since. */
  public boolean hasServedSince(long then) {
    return lastPiece - then > 0;
  }

  /** Returns whether a piece has come so lately that there is no need to ask whether it lives. */
  boolean isRecentlyActive(long now) {
    return now - lastPiece < RECENT;
  }

  /** When some call last got its whole answer. */
  long lastAnswer() {
    return lastAnswer;
  }

  /** A request of so many characters has got its whole answer. */
  public void onServed(long length) {
    if (length > longestRequest) {
      longestRequest = length;
    }
  }

  /** Returns how long the longest request was that got its whole answer, in characters. */
  long longestRequest() {
    return longestRequest;
  }

  /** A whole answer of many pieces came, with or without time between them. */
  public void setBuffered(boolean atOnce) {
    if (buffered != atOnce) {
      buffered = atOnce;
    }
  }

  /** Returns whether something on the way holds answers back until they are whole. */
  public boolean isBuffered() {
    return buffered;
  }

  /** Some call has got its whole answer. */
  public void onAnswer(long now) {
    lastAnswer = now;
  }

  /**
   * A call has waited here from {@code since} to {@code now} and got no answer, for a reason that
   * by itself is no fault of the endpoint: the caller was in a hurry, or others were being served.
   * Such waits add up until some call gets a whole answer; waits at the same time count once. A
   * piece is not enough: a node that begins every answer and ends none serves nobody.
   *
   * @param limits how many attempts' limits they may come to
   * @return whether they have come to that
   */
  public synchronized boolean addFruitlessWait(long since, long now, int limits) {
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
    return fruitlessWait >= limits * attempt;
  }
}
