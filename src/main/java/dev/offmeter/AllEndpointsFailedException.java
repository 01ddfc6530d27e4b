// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import java.time.Duration;
import java.util.List;
import java.util.Locale;

/**
 * No endpoint gave an answer. The message lists every attempt in order, one line each, and ends
 * with a link to the page that says what to do about the first of them.
 */
public final class AllEndpointsFailedException extends LlmException {
  private static final long serialVersionUID = 1L;
  private static final String GUIDE =
      "https://github.com/offmeter/offmeter/blob/main/docs/troubleshooting.md#";

  /**
   * An exception.
   *
   * @param attempts every attempt, in order
   * @param elapsed how long the call took
   */
  public AllEndpointsFailedException(List<Attempt> attempts, Duration elapsed) {
    super(story(attempts, elapsed), attempts);
  }

  private static String story(List<Attempt> attempts, Duration elapsed) {
    double seconds = elapsed.toNanos() / 1e9;
    StringBuilder story =
        new StringBuilder(String.format(Locale.ROOT, "no endpoint answered in %.3f s:", seconds));
    for (int i = 0; i < attempts.size(); i++) {
      story.append("\n  ").append(i + 1).append(". ").append(attempts.get(i));
    }
    return story.append("\nsee ").append(GUIDE).append(anchor(attempts)).toString();
  }

  /** The first thing that went wrong is the one to mend; the rest often follow from it. */
  private static String anchor(List<Attempt> attempts) {
    List<FailureKind> kinds =
        attempts.stream().flatMap(attempt -> attempt.failure().stream()).toList();
    return kinds.stream()
        .filter(kind -> kind != FailureKind.CIRCUIT_OPEN)
        .findFirst()
        .or(() -> kinds.stream().findFirst())
        .map(FailureKind::anchor)
        .orElse("");
  }
}
