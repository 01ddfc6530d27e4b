// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.observe;

import dev.offmeter.FailureKind;
import java.time.Duration;
import java.time.Instant;
import java.util.Locale;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * How one endpoint is at one moment.
 *
 * @param endpoint its name
 * @param state whether calls go there
 * @param since when it came into this state; for one that was never down, when the client was made
 * @param cause what took it down, null while it is up
 * @param message the same in words, redacted; empty while it is up
 * @param nextLook how long until it is looked at again: by a health check, or, where there is none,
 *     by the next call; empty while it is up, on trial or warming
 * @param inFlight calls that are there now
 * @param latency how long its last answers took
 */
public record EndpointStatus(
    String endpoint,
    EndpointState state,
    Instant since,
    @Nullable FailureKind cause,
    String message,
    Optional<Duration> nextLook,
    int inFlight,
    Latency latency) {

  /**
   * How long the last answers took, up to a hundred; all zero when there was none. From dispatch;
   * what went before at other endpoints is not in it.
   *
   * @param answers how many answers that is
   * @param firstTokenMedian to the first piece of answer or thinking, for half of them at most
   * @param firstToken95 the same for 95 of a hundred
   * @param totalMedian to the end of the answer
   * @param total95 the same for 95 of a hundred
   */
  public record Latency(
      int answers,
      Duration firstTokenMedian,
      Duration firstToken95,
      Duration totalMedian,
      Duration total95) {

    /** Seconds: first token and total, each as median and 95th percentile. */
    @Override
    public String toString() {
      return answers == 0
          ? "no answer yet"
          : String.format(
              Locale.ROOT,
              "first token %s / %s s, total %s / %s s (median / 95th of %d)",
              seconds(firstTokenMedian),
              seconds(firstToken95),
              seconds(totalMedian),
              seconds(total95),
              answers);
    }
  }

  /** One line for a person. */
  @Override
  public String toString() {
    return endpoint
        + " is "
        + state
        + " since "
        + since.truncatedTo(java.time.temporal.ChronoUnit.SECONDS)
        + (cause == null ? "" : " (" + cause + ": " + message + ")")
        + nextLook.map(left -> ", looked at again in " + seconds(left) + " s").orElse("")
        + ", "
        + inFlight
        + " in flight, "
        + latency;
  }

  private static String seconds(Duration duration) {
    return String.format(Locale.ROOT, "%.1f", duration.toMillis() / 1000.0);
  }
}
