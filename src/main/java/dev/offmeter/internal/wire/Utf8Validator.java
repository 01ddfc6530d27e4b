// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/**
 * Finds bytes that are not UTF-8 (RFC 3629): a byte out of place, an overlong form, half of a
 * surrogate pair, a number beyond Unicode. Jackson accepts the last three. A character may be split
 * over several reads.
 */
final class Utf8Validator {
  private static final VarHandle EIGHT =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.nativeOrder());

  /** The high bit of each of eight bytes, which ASCII does not have. */
  private static final long BEYOND_ASCII = 0x8080_8080_8080_8080L;

  /** The number of bytes of the character that are still to come. */
  private int open;

  /** The least and the greatest value that the next byte may have. */
  private int least;

  private int greatest;

  /** Returns the position of the first byte that is invalid; {@code to} if there is none. */
  int read(byte[] bytes, int from, int to) {
    int at = from;
    while (at < to) {
      int next = bytes[at];
      if (next < 0 ? !isInPlace(next & 0xff) : open > 0) {
        return at;
      }
      at = next < 0 ? at + 1 : afterAscii(bytes, at + 1, to);
    }
    return to;
  }

  /** Skips ASCII, eight bytes at a time, which is nearly all of JSON. */
  private static int afterAscii(byte[] bytes, int from, int to) {
    int at = from;
    while (to - at >= Long.BYTES && ((long) EIGHT.get(bytes, at) & BEYOND_ASCII) == 0) {
      at += Long.BYTES;
    }
    while (at < to && bytes[at] >= 0) {
      at++;
    }
    return at;
  }

  /** Returns whether the last character is complete. */
  boolean isWhole() {
    return open == 0;
  }

  private boolean isInPlace(int next) {
    if (open > 0) {
      boolean fits = next >= least && next <= greatest;
      open--;
      least = 0x80;
      greatest = 0xbf;
      return fits;
    }
    least = next == 0xe0 ? 0xa0 : next == 0xf0 ? 0x90 : 0x80;
    greatest = next == 0xed ? 0x9f : next == 0xf4 ? 0x8f : 0xbf;
    open = next >= 0xf0 ? 3 : next >= 0xe0 ? 2 : 1;
    return next >= 0xc2 && next <= 0xf4;
  }

  /** Returns whether a text is complete and valid UTF-8. */
  static boolean isValid(byte[] bytes, int length) {
    Utf8Validator utf8 = new Utf8Validator();
    return utf8.read(bytes, 0, length) == length && utf8.isWhole();
  }
}
