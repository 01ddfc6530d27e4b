// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.observe;

import dev.offmeter.FailureKind;
import java.time.Duration;
import java.time.Instant;
import java.util.Locale;
import java.util.Optional;

/**
 * How one endpoint is at one moment.
 *
 * @param endpoint its name
 * @param origin where it is: scheme, host and port, without a path; empty for a function
 * @param state whether calls go there
 * @param asked whether a call or a health check has been there since the client was made; until
 *     then nothing is known of it, although it is {@code UP}
 * @param since when it came into this state; for one that was never down, when the client was made
 * @param stateDuration for how long that is
 * @param cause what took it down, empty while it is up
 * @param message the same in words, redacted; while it is up empty, or that it is overloaded and
 *     how many calls at a time are let in
 * @param nextHealthCheck how long until it is asked again: by a health check, or, where there is
 *     none, by the first call after its pause; zero when that is due; empty while it is up or on
 *     trial
 * @param inFlight calls that are there now; health checks and loads are not counted
 * @param latency how long its last answers took
 */
public record EndpointStatus(
    String endpoint,
    String origin,
    EndpointState state,
    boolean asked,
    Instant since,
    Duration stateDuration,
    Optional<FailureKind> cause,
    String message,
    Optional<Duration> nextHealthCheck,
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
          : "first token "
              + firstTokenPair()
              + ", total "
              + totalPair()
              + " (median/95th of "
              + answers
              + ")";
    }

    String firstTokenPair() {
      return seconds(firstTokenMedian, 2) + "/" + seconds(firstToken95, 2) + " s";
    }

    String totalPair() {
      return seconds(totalMedian, 2) + "/" + seconds(total95, 2) + " s";
    }
  }

  /** One line for a person: what it is, for how long, why, and what comes next. */
  @Override
  public String toString() {
    return endpoint
        + ": "
        + state
        + " for "
        + age()
        + cause.map(kind -> " (" + why() + ")").orElse(why().isEmpty() ? "" : ", " + why())
        + nextHealthCheck
            .map(left -> ", next health check in " + seconds(left, 1) + " s")
            .orElse("")
        + ", "
        + inFlight
        + " in flight, "
        + latency;
  }

  /** Returns the cause, where, and its message; without a cause, what else there is to be said. */
  String why() {
    String where = origin.isEmpty() ? "" : " at " + origin;
    return cause
        .map(kind -> kind + where + ": " + message)
        .orElse(asked ? message : "not asked yet");
  }

  /** Returns how long it has been in its state, in the two largest units. */
  String age() {
    if (stateDuration.toMinutes() == 0) {
      return stateDuration.toSeconds() + " s";
    }
    if (stateDuration.toHours() == 0) {
      return stateDuration.toMinutes() + " min " + stateDuration.toSecondsPart() + " s";
    }
    return stateDuration.toDays() == 0
        ? stateDuration.toHours() + " h " + stateDuration.toMinutesPart() + " min"
        : stateDuration.toDays() + " d " + stateDuration.toHoursPart() + " h";
  }

  static String seconds(Duration duration, int decimals) {
    return String.format(Locale.ROOT, "%." + decimals + "f", duration.toMillis() / 1000.0);
  }
}
