// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

/** Finds the end of JSON that comes in parts: where its last bracket closes. */
final class JsonEndDetector {
  private int depth;
  private boolean begun;
  private boolean text;
  private boolean escaped;

  /** Reads the next part. */
  void read(byte[] bytes) {
    for (byte next : bytes) {
      if (text) {
        inText(next);
      } else if (next == '"') {
        text = true;
      } else if (next == '{' || next == '[') {
        depth++;
        begun = true;
      } else if (next == '}' || next == ']') {
        depth--;
      }
    }
  }

  private void inText(byte next) {
    if (escaped) {
      escaped = false;
    } else if (next == '\\') {
      escaped = true;
    } else if (next == '"') {
      text = false;
    }
  }

  /** Returns whether all brackets are closed, of which there was at least one. */
  boolean isWhole() {
    return begun && depth <= 0 && !text;
  }
}
