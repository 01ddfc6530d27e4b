// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

/**
 * Collects a text from deltas and never keeps half a character: a surrogate without its other half
 * becomes U+FFFD. A high one at the very end waits for the next delta.
 */
final class SurrogateSafeText implements CharSequence {
  private static final char REPLACEMENT = '\ufffd';

  private final StringBuilder text = new StringBuilder();

  void append(CharSequence delta) {
    int from = text.length();
    text.append(delta);
    if (hasHalfAtEnd(from)) {
      repairFrom(from - 1);
    } else if (hasSurrogate(delta)) {
      repairFrom(from);
    }
  }

  /** Ends the text: a high surrogate that still waits becomes U+FFFD. */
  void finish() {
    int length = text.length();
    if (hasHalfAtEnd(length)) {
      text.setCharAt(length - 1, REPLACEMENT);
    }
  }

  void clear() {
    text.setLength(0);
  }

  private boolean hasHalfAtEnd(int length) {
    return length > 0 && Character.isHighSurrogate(text.charAt(length - 1));
  }

  private static boolean hasSurrogate(CharSequence delta) {
    for (int i = 0; i < delta.length(); i++) {
      if (Character.isSurrogate(delta.charAt(i))) {
        return true;
      }
    }
    return false;
  }

  private void repairFrom(int from) {
    for (int i = from; i < text.length(); i++) {
      char c = text.charAt(i);
      boolean last = i + 1 == text.length();
      if (!last && Character.isSurrogatePair(c, text.charAt(i + 1))) {
        i++;
      } else if (Character.isLowSurrogate(c) || (Character.isHighSurrogate(c) && !last)) {
        text.setCharAt(i, REPLACEMENT);
      }
    }
  }

  @Override
  public int length() {
    return text.length();
  }

  @Override
  public char charAt(int index) {
    return text.charAt(index);
  }

  @Override
  public CharSequence subSequence(int start, int end) {
    return text.substring(start, end);
  }

  @Override
  public String toString() {
    return text.toString();
  }
}
