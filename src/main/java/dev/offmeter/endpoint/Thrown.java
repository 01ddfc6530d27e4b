// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.endpoint;

import org.jspecify.annotations.Nullable;

/** Describes an exception without its message, which may quote a prompt. */
final class Thrown {
  private Thrown() {}

  static String described(@Nullable Throwable thrown) {
    if (thrown == null) {
      return "nothing";
    }
    StackTraceElement[] trace = thrown.getStackTrace();
    String where = trace.length == 0 ? "" : " at " + trace[0];
    return thrown.getClass().getName() + where;
  }
}
