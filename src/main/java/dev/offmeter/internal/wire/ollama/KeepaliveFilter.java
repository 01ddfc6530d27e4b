// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire.ollama;

import java.io.IOException;
import java.io.InputStream;
import java.util.Set;

/**
 * Blanks out the lines that a proxy puts between lines of JSON to keep the connection open:
 * comments and names of server-sent events. No line of JSON begins like those.
 */
final class KeepaliveFilter extends InputStream {
  private static final int LONGEST_FIELD = 5;
  private static final Set<String> FIELDS = Set.of("event", "id", "retry");

  /** A byte that no JSON contains. */
  private static final byte ILLEGAL = 0x01;

  private final InputStream body;
  private final StringBuilder field = new StringBuilder();
  private State state = State.LINE_START;

  private enum State {
    LINE_START,
    JSON,
    FIELD,
    KEEPALIVE
  }

  KeepaliveFilter(InputStream body) {
    this.body = body;
  }

  @Override
  public int read() throws IOException {
    byte[] one = new byte[1];
    return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
  }

  @Override
  public int read(byte[] bytes, int offset, int length) throws IOException {
    int count = body.read(bytes, offset, length);
    int end = offset + count;
    int at = offset;
    while (at < end) {
      at = state == State.JSON ? lineEnd(bytes, at, end) : at;
      if (at < end && bytes[at] == '\n') {
        state = State.LINE_START;
      } else if (at < end) {
        bytes[at] = filtered(bytes[at]);
      }
      at++;
    }
    return count;
  }

  /** Skips to the end of a line, in a loop over which nearly all bytes pass. */
  private static int lineEnd(byte[] bytes, int from, int end) {
    int at = from;
    while (at < end && bytes[at] != '\n') {
      at++;
    }
    return at;
  }

  private byte filtered(byte next) {
    if (state == State.LINE_START) {
      state = begun(next);
      field.setLength(0);
    }
    if (state == State.FIELD) {
      return inField(next);
    }
    return state == State.KEEPALIVE ? inKeepalive(next) : next;
  }

  /**
   * Blanks a byte of a keepalive line. A line that holds an object is damaged, and may have been
   * the answer.
   */
  private byte inKeepalive(byte next) {
    if (next == '{' || next == '}') {
      state = State.JSON;
      return ILLEGAL;
    }
    return ' ';
  }

  private static State begun(byte first) {
    return switch (first) {
      case ':' -> State.KEEPALIVE;
      case 'e', 'i', 'r' -> State.FIELD;
      default -> State.JSON;
    };
  }

  private byte inField(byte next) {
    if (next == ':' && FIELDS.contains(field.toString())) {
      state = State.KEEPALIVE;
    } else if (field.length() == LONGEST_FIELD || next == ':' || next == '}') {
      state = State.JSON;
      return ILLEGAL;
    } else {
      field.append((char) next);
    }
    return ' ';
  }
}
