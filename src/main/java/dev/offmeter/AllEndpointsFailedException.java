// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import java.time.Duration;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;

/**
 * Signals that no endpoint gave an answer. The message lists every attempt in order, one line each,
 * and ends with a link to the page that says what to do about the decisive one: the first failure
 * of an endpoint that was asked, because the rest often follow from it. If none was asked, the
 * first that was DOWN is decisive, and the link leads to the failure that took it DOWN.
 */
public final class AllEndpointsFailedException extends LlmException {
  private static final long serialVersionUID = 1L;
  static final String GUIDE =
      "https://github.com/offmeter/offmeter/blob/main/docs/troubleshooting.md#";

  /**
   * Kinds that say nothing about an endpoint, because it was not asked, or not until its answer was
   * due.
   */
  private static final Set<FailureKind> NOT_ASKED =
      EnumSet.of(
          FailureKind.CIRCUIT_OPEN,
          FailureKind.NOT_PERMITTED,
          FailureKind.NOT_CAPABLE,
          FailureKind.BULKHEAD_FULL,
          FailureKind.CLIENT_RATE_LIMITED,
          FailureKind.BUDGET_EXCEEDED,
          FailureKind.DEADLINE_EXCEEDED,
          FailureKind.CANCELLED);

  /** Not serialised, because the attempts are not. */
  private final transient Optional<Duration> retryAfter;

  /**
   * Creates an exception without a time after which asking again may help.
   *
   * @param attempts every attempt, in order
   * @param elapsed how long the call took
   */
  public AllEndpointsFailedException(List<Attempt> attempts, Duration elapsed) {
    this(attempts, elapsed, Optional.empty());
  }

  /**
   * Creates an exception.
   *
   * @param attempts every attempt, in order
   * @param elapsed how long the call took
   * @param retryAfter when the next endpoint may be asked
   */
  public AllEndpointsFailedException(
      List<Attempt> attempts, Duration elapsed, Optional<Duration> retryAfter) {
    super(summary(attempts, elapsed), attempts);
    this.retryAfter = Objects.requireNonNull(retryAfter, "retryAfter");
  }

  /** Returns the failure of the decisive attempt; empty if there was no attempt. */
  @Override
  public Optional<FailureKind> failure() {
    return decisive(attempts()).flatMap(Attempt::failure);
  }

  /**
   * Returns the time from the end of the call until the first back-off of an endpoint ends: that
   * after a failure, the cool-down that a server asked for, or the minute of {@code
   * requestsPerMinute}. A health check may admit calls earlier, and may keep them away for longer.
   * Empty if no endpoint that may serve the request is in a back-off, or its end is not known, as
   * while a model is being loaded.
   */
  public Optional<Duration> retryAfter() {
    return retryAfter == null ? Optional.empty() : retryAfter;
  }

  private static String summary(List<Attempt> attempts, Duration elapsed) {
    double seconds = elapsed.toNanos() / 1e9;
    StringBuilder message =
        new StringBuilder(String.format(Locale.ROOT, "no endpoint answered in %.3f s:", seconds));
    appendLines(message, attempts);
    String anchor =
        decisive(attempts)
            .flatMap(attempt -> attempt.openedBy().or(attempt::failure))
            .map(FailureKind::anchor)
            .orElse("");
    return message.append("\nsee ").append(GUIDE).append(anchor).toString();
  }

  /** Appends a numbered line for each attempt. */
  static void appendLines(StringBuilder message, List<Attempt> attempts) {
    for (int i = 0; i < attempts.size(); i++) {
      message.append("\n  ").append(i + 1).append(". ").append(attempts.get(i));
    }
  }

  private static Optional<Attempt> decisive(List<Attempt> attempts) {
    return first(attempts, AllEndpointsFailedException::wasAsked)
        .or(() -> first(attempts, attempt -> attempt.openedBy().isPresent()))
        .or(() -> first(attempts, attempt -> true));
  }

  /** Returns whether the endpoint was asked. The deadline may have passed before, or meanwhile. */
  private static boolean wasAsked(Attempt attempt) {
    boolean began =
        attempt.failure().filter(FailureKind.DEADLINE_EXCEEDED::equals).isPresent()
            && !attempt.elapsed().isZero();
    return began || attempt.failure().filter(NOT_ASKED::contains).isEmpty();
  }

  private static Optional<Attempt> first(List<Attempt> attempts, Predicate<Attempt> wanted) {
    return attempts.stream()
        .filter(attempt -> attempt.failure().isPresent())
        .filter(wanted)
        .findFirst();
  }
}
