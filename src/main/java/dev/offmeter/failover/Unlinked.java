// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import dev.offmeter.FailureKind;
import dev.offmeter.wire.Failure;
import java.util.regex.Pattern;

/** A library that does not fit, as it shows in the midst of an attempt. */
final class Unlinked {
  /** The names that the JVM gives there; any other message may quote a prompt. */
  private static final Pattern NAMES =
      Pattern.compile(
          "(Could not initialize class )?[\\w$]+([./][\\w$]+)+"
              + "|'[\\w.$\\[\\]]+ [\\w$]+(\\.[\\w$<>]+)+\\([\\w.$\\[\\], ]*\\)'");

  private Unlinked() {}

  static Failure failure(LinkageError e) {
    String message = String.valueOf(e.getMessage());
    StackTraceElement[] trace = e.getStackTrace();
    String where = trace.length == 0 ? "" : " at " + trace[0];
    String what = NAMES.matcher(message).matches() ? message : e.getClass().getSimpleName() + where;
    return Failure.of(FailureKind.INTERNAL, "a library is missing or of another version: " + what);
  }
}
