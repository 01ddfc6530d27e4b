// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.util.function.Supplier;

/**
 * Keeps the log's lines back while a draft is written: they would stand between its words, and the
 * rows to be cleared would be counted wrong.
 */
final class HeldWarnings {
  private HeldWarnings() {}

  static <T> T during(Supplier<T> draft) {
    PrintStream err = System.err;
    ByteArrayOutputStream held = new ByteArrayOutputStream();
    System.setErr(new PrintStream(held, true));
    try {
      return draft.get();
    } finally {
      System.setErr(err);
      err.writeBytes(held.toByteArray());
      err.flush();
    }
  }
}
