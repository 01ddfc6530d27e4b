// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.observe;

import dev.offmeter.Capability;
import dev.offmeter.FailureKind;
import java.time.Duration;
import java.time.Instant;
import java.util.Collections;
import java.util.EnumSet;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * The status of one endpoint at one moment.
 *
 * @param endpoint the endpoint's name
 * @param origin scheme, host and port, without a path; empty for a function
 * @param state whether calls are sent to it
 * @param asked whether a call or a health check was sent to it since the client was built; until
 *     then its real state is unknown, although it is {@code UP}
 * @param since when it entered this state; for one that was always UP, when the client was built
 * @param stateDuration how long it has been in this state
 * @param cause the failure that took it DOWN; empty while it is UP
 * @param message the failure in words, redacted; while it is UP empty, or that it is overloaded and
 *     how many calls at a time are admitted
 * @param nextHealthCheck the time until it is asked again: by a health check, or, where there is
 *     none, by the first call after its back-off; zero when that is due; empty while it is UP or in
 *     TRIAL
 * @param inFlight calls running there now; health checks and loads are not counted
 * @param latency how long its last answers took
 * @param capabilities the capabilities that it has, as declared or reported by its server
 * @param lacking the capabilities that it lacks, as declared or reported; those in neither set are
 *     unknown, which skips no request except for {@link Capability#FRONTIER}
 * @param contextLength the tokens of its model's context, as declared or reported; empty if unknown
 * @param queueAlert what the episode began with in which requests wait longer for a first token
 *     than is usual there; empty while there is none
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
    Latency latency,
    Set<Capability> capabilities,
    Set<Capability> lacking,
    OptionalInt contextLength,
    Optional<QueueAlert> queueAlert) {
  /** Copies the sets, in the order of the constants. */
  public EndpointStatus {
    capabilities = ordered(capabilities);
    lacking = ordered(lacking);
  }

  private static Set<Capability> ordered(Set<Capability> set) {
    return set.isEmpty() ? Set.of() : Collections.unmodifiableSet(EnumSet.copyOf(set));
  }

  /**
   * The duration of the last answers, up to a hundred, from the dispatch of their attempts; earlier
   * attempts elsewhere are not included. All zero without an answer.
   *
   * @param answers the number of answers
   * @param firstTokenMedian the median time to the first piece of answer or thinking
   * @param firstToken95 the 95th percentile of that
   * @param totalMedian the median time to the end of the answer
   * @param total95 the 95th percentile of that
   */
  public record Latency(
      int answers,
      Duration firstTokenMedian,
      Duration firstToken95,
      Duration totalMedian,
      Duration total95) {

    /** Returns the times in seconds: first token and total, each as median and 95th percentile. */
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

  /** Returns one line to read: name, state, how long, why, and what comes next. */
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
        + latency
        + (contextLength.isEmpty() ? "" : ", context " + contextText())
        + (capabilities.isEmpty() ? "" : ", can " + capabilitiesText());
  }

  /** Returns the tokens of the context; empty if unknown. */
  String contextText() {
    return contextLength.isEmpty() ? "" : String.valueOf(contextLength.getAsInt());
  }

  /** Returns the capabilities that it has, in lower case; empty if none is known. */
  String capabilitiesText() {
    return capabilities.stream()
        .map(capability -> capability.name().toLowerCase(Locale.ROOT))
        .collect(Collectors.joining("+"));
  }

  /**
   * Returns the cause, the origin and the message; without a cause, an overload, that requests
   * wait, or that nothing was asked yet.
   */
  String why() {
    String where = origin.isEmpty() ? "" : " at " + origin;
    return cause
        .map(kind -> kind + where + ": " + message)
        .orElseGet(() -> asked ? complaints() : "not asked yet");
  }

  private String complaints() {
    return Stream.concat(
            Stream.of(message).filter(text -> !text.isEmpty()),
            queueAlert.stream().map(alert -> "requests wait: " + alert))
        .collect(Collectors.joining("; "));
  }

  /** Returns how long the endpoint has been in its state, in the two largest units. */
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
