// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.UserCode;
import java.util.regex.Pattern;

/**
 * Turns a linkage error in the middle of an attempt, of a library that is missing or of another
 * version, into a failure.
 */
final class LinkageErrors {
  /** The names that the JVM puts into such a message; any other message may quote a prompt. */
  private static final Pattern NAMES =
      Pattern.compile(
          "(Could not initialize class )?[\\w$]+([./][\\w$]+)+"
              + "|'[\\w.$\\[\\]]+ [\\w$]+(\\.[\\w$<>]+)+\\([\\w.$\\[\\], ]*\\)'");

  private LinkageErrors() {}

  static AttemptException failure(LinkageError e) {
    String message = String.valueOf(UserCode.message(e));
    String what = NAMES.matcher(message).matches() ? message : UserCode.describe(e);
    return AttemptException.of(
        FailureKind.INTERNAL, "a library is missing or of another version: " + what);
  }
}
