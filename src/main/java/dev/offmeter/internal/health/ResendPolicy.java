// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.health;

import dev.offmeter.ChatRequest;
import dev.offmeter.ChatRequest.Tool;
import dev.offmeter.ChatResponse.ToolCall;
import dev.offmeter.Message;
import dev.offmeter.internal.time.TimeSource;
import java.time.Duration;
import java.util.Arrays;

/**
 * Decides when a request that is silent on a pooled connection is sent again over a new one. A
 * router that has forgotten a connection drops silently what is sent over it; a server that is
 * merely slow is as silent, and must not get every request twice. The silence therefore has to be
 * longer than twice the usual one, for a request not much longer than those that were answered, and
 * a health check over a new connection has to be answered meanwhile. If the second request is as
 * silent as the first, the connection was not to blame: then none is resent for 10 min, and twice
 * as long after each further one. Safe for use by many threads.
 */
public final class ResendPolicy {
  private static final long FRUITLESS_DELAY = Duration.ofMinutes(10).toNanos();
  private static final int MOST_DOUBLINGS = 6;

  /** The length of about a thousand tokens, which any server reads in moments. */
  private static final long SHORT = 4000;

  /** The characters of a text of 5,000 tokens, which is what an image may be. */
  private static final int IMAGE = 20_000;

  private static final int KEPT = 16;

  private final EndpointActivity activity;
  private final TimeSource time;

  // Guarded by this.
  private final long[] silences = new long[KEPT];
  private int count;
  private long allowedFrom;
  private int consecutiveFruitless;

  ResendPolicy(EndpointActivity activity, TimeSource time) {
    this.activity = activity;
    this.time = time;
    this.allowedFrom = time.nanos();
  }

  /**
   * Returns whether the request is to be sent again.
   *
   * @param since when the silence began
   * @param atLeast the shortest silence in any case
   */
  public boolean isDue(ChatRequest request, long since, long atLeast) {
    return hasAnswered()
        && time.nanos() - since >= atLeast
        && isLongSilence(request, since)
        && isAllowed();
  }

  /**
   * Returns whether the silence is longer than twice the usual one, for a request of usual length.
   */
  boolean isLongSilence(ChatRequest request, long since) {
    return time.nanos() - since >= 2 * median()
        && length(request) <= Math.max(SHORT, 2 * activity.longestRequest());
  }

  /** Records the nanoseconds from the dispatch of a request to its first piece. */
  public synchronized void onAnswer(long silence) {
    silences[count % KEPT] = silence;
    count = count + 1 < 2 * KEPT ? count + 1 : KEPT;
  }

  /** Returns whether a request was ever answered; until then the usual silence is unknown. */
  synchronized boolean hasAnswered() {
    return count > 0;
  }

  private synchronized long median() {
    long[] sorted = Arrays.copyOf(silences, Math.min(count, KEPT));
    Arrays.sort(sorted);
    return sorted.length == 0 ? 0 : sorted[sorted.length / 2];
  }

  private synchronized boolean isAllowed() {
    return time.nanos() - allowedFrom >= 0;
  }

  /** Records whether the second request had a piece sooner than the first timed out. */
  public synchronized void onOutcome(boolean sooner) {
    if (sooner) {
      consecutiveFruitless = 0;
    } else {
      allowedFrom =
          time.nanos() + (FRUITLESS_DELAY << Math.min(consecutiveFruitless, MOST_DOUBLINGS));
      consecutiveFruitless++;
    }
  }

  /**
   * Returns the characters of a request that the server has to read; an image is as long as a text
   * of its tokens.
   */
  public static long length(ChatRequest request) {
    long length = request.answerSchema().orElse("").length();
    for (Message message : request.messages()) {
      length += message.content().length() + (long) IMAGE * message.images().size();
      for (ToolCall call : message.toolCalls()) {
        length += call.name().length() + call.arguments().length();
      }
    }
    for (Tool tool : request.tools()) {
      length += tool.name().length() + tool.description().length() + tool.schema().length();
    }
    return length;
  }
}
