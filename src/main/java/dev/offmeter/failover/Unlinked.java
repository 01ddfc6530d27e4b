// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import dev.offmeter.FailureKind;
import dev.offmeter.wire.Failure;
import dev.offmeter.wire.ForeignCode;
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
    String message = String.valueOf(ForeignCode.message(e));
    String what = NAMES.matcher(message).matches() ? message : ForeignCode.described(e);
    return Failure.of(FailureKind.INTERNAL, "a library is missing or of another version: " + what);
  }
}
