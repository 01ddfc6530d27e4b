// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import java.io.IOException;
import java.io.InputStream;

/**
 * Fails once a body, or a single line of it, is larger than permitted. Counts bytes after any
 * content decoding.
 */
public final class BoundedInputStream extends InputStream {
  /** The bytes that a parser may read beyond the current line. */
  private static final int READ_AHEAD = 16 * 1024;

  static final String NO_UTF8 = "the answer is not valid UTF-8";

  private final InputStream body;
  private final long maxLine;
  private final long maxBody;
  private long read;
  private long lineStart;
  private boolean isEnded;
  private final HeapBudget heapBudget = new HeapBudget();
  private final Utf8Validator utf8 = new Utf8Validator();
  private boolean broken;

  public BoundedInputStream(InputStream body, long maxLine, long maxBody) {
    this.body = body;
    this.maxLine = maxLine;
    this.maxBody = maxBody;
  }

  /** Called when a line ends at {@code offset}, where the next begins. */
  public void onLineEnd(long offset) throws AttemptException {
    if (offset - lineStart > maxLine) {
      throw tooLarge("a line", maxLine);
    }
    // The line break belongs to neither line.
    lineStart = offset + 1;
  }

  /** Releases the heap budget of the body. */
  public void release() {
    heapBudget.release();
  }

  /** Returns whether there was an attempt to read beyond the end. */
  public boolean isEnded() {
    return isEnded;
  }

  @Override
  public int read() throws IOException {
    byte[] one = new byte[1];
    return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
  }

  @Override
  public int read(byte[] bytes, int offset, int length) throws IOException {
    if (broken) {
      throw notUtf8();
    }
    // At most one byte beyond the limit, and only after all others were read: what a parser reads
    // ahead of the last line is not part of the answer.
    int count = body.read(bytes, offset, (int) Math.min(length, Math.max(1, maxBody - read)));
    isEnded |= count < 0;
    if (count > 0) {
      count = utf8(bytes, offset, count);
      read += count;
      if (read > maxBody) {
        throw new UnreadableReplyException(tooLarge("the answer", maxBody));
      }
      if (read - lineStart > maxLine + READ_AHEAD) {
        throw new UnreadableReplyException(tooLarge("a line", maxLine));
      }
      heapBudget.keep(read - lineStart);
    }
    return count;
  }

  /**
   * Returns how many of the bytes are valid UTF-8: a parser that reads ahead may not need the
   * others.
   */
  private int utf8(byte[] bytes, int offset, int count) throws UnreadableReplyException {
    int text = utf8.read(bytes, offset, offset + count) - offset;
    broken = text < count;
    if (text == 0) {
      throw notUtf8();
    }
    return text;
  }

  private static UnreadableReplyException notUtf8() {
    return new UnreadableReplyException(
        AttemptException.of(FailureKind.UNEXPECTED_RESPONSE, NO_UTF8));
  }

  private static AttemptException tooLarge(String what, long limit) {
    return AttemptException.of(
        FailureKind.RESPONSE_TOO_LARGE, what + " is larger than " + limit + " bytes");
  }
}
