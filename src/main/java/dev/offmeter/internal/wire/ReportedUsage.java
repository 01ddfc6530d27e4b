// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import com.fasterxml.jackson.databind.JsonNode;
import dev.offmeter.Usage;
import java.time.Duration;

/**
 * Collects the counts and times that one reply reports. A count that the reply leaves out, or that
 * is none, is unknown; a part that is more than its whole is left out. Used by one thread.
 */
public final class ReportedUsage {
  private static final int UNKNOWN = -1;
  private static final double NANOS_PER_MILLI = 1e6;

  /** Far longer than any answer takes, and short enough that a sum does not overflow. */
  private static final long LONGEST_NANOS = Duration.ofDays(1).toNanos();

  private int input = UNKNOWN;
  private int output = UNKNOWN;
  private int cached;
  private int cacheWrite;
  private int thinking;
  private long computeNanos;
  private long loadNanos;

  /** Sets the input to the sum of the fields that are there. */
  public void setInput(JsonNode counts, String... fields) {
    input = sum(counts, fields);
  }

  /** Sets the output to the sum of the fields that are there. */
  public void setOutput(JsonNode counts, String... fields) {
    output = sum(counts, fields);
  }

  /** Sets both as Ollama reports them, where a count of 0 is left out. */
  public void setIfPositive(int inputTokens, int outputTokens) {
    input = inputTokens > 0 ? inputTokens : UNKNOWN;
    output = outputTokens > 0 ? outputTokens : UNKNOWN;
  }

  /** Sets the part of the input that a cache served. */
  public void setCached(JsonNode count) {
    cached = TokenCount.of(count);
  }

  /** Sets the part of the input that was written to a cache. */
  public void setCacheWrite(JsonNode count) {
    cacheWrite = TokenCount.of(count);
  }

  /** Sets the part of the output that was thinking. */
  public void setThinking(JsonNode count) {
    thinking = TokenCount.of(count);
  }

  /** Sets the times, in nanoseconds. */
  public void setNanos(double compute, double load) {
    computeNanos = span(compute);
    loadNanos = span(load);
  }

  /** Sets the compute time to the sum of the fields, in milliseconds. */
  public void setComputeMillis(JsonNode times, String... fields) {
    double sum = 0;
    for (String field : fields) {
      sum += times.path(field).asDouble(0);
    }
    computeNanos = span(sum * NANOS_PER_MILLI);
  }

  private static long span(double nanos) {
    return nanos >= 0 && nanos <= LONGEST_NANOS ? (long) nanos : 0;
  }

  private static int sum(JsonNode counts, String... fields) {
    int sum = UNKNOWN;
    for (String field : fields) {
      JsonNode value = counts.path(field);
      if (!value.isMissingNode() && !value.isNull()) {
        if (!TokenCount.isCount(value)) {
          return UNKNOWN;
        }
        sum = Math.max(0, sum) + TokenCount.of(value);
      }
    }
    return sum;
  }

  /** Returns what has been reported so far. */
  public Usage usage() {
    int in = Math.max(0, input);
    int out = Math.max(0, output);
    boolean partsFit = (long) cached + cacheWrite <= in;
    boolean nothing = input == UNKNOWN && output == UNKNOWN && computeNanos + loadNanos == 0;
    return nothing
        ? Usage.NONE
        : new Usage(
            in,
            out,
            partsFit ? cached : 0,
            partsFit ? cacheWrite : 0,
            thinking <= out ? thinking : 0,
            Duration.ofNanos(computeNanos),
            Duration.ofNanos(loadNanos),
            input != UNKNOWN && output != UNKNOWN);
  }
}
