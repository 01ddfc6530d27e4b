// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import dev.offmeter.internal.AttemptException;
import java.io.IOException;
import okhttp3.Headers;
import okio.BufferedSource;

/** The first look at the body of an HTTP 200: a page shows itself there. */
public final class BodySniffer {
  /** As much of a page as is needed to name it. */
  private static final long PAGE_BYTES = 64 * 1024;

  private BodySniffer() {}

  /** The first byte after a byte order mark and white space, -1 if there is none. */
  public static int of(BufferedSource source) throws IOException {
    for (long i = 0; i == 0 ? isThere(source) : source.request(i + 1); i++) {
      int next = source.getBuffer().getByte(i) & 0xff;
      boolean blank = next == ' ' || next == '\n' || next == '\r' || next == '\t';
      boolean mark = next >= 0x80 && i < 3;
      if ((!blank && !mark) || i == PAGE_BYTES) {
        return next;
      }
    }
    return -1;
  }

  /**
   * Whether there is a byte. OkHttp asks {@code request} of its own buffer beneath for every chunk;
   * asked of both, it is compiled with the whole chain of sources in itself, again and again.
   */
  static boolean isThere(BufferedSource source) throws IOException {
    // A source of somebody else's may read none and not be at its end.
    return !source.exhausted() && (source.getBuffer().size() > 0 || source.request(1));
  }

  /** What the page is that begins here. */
  public static AttemptException page(BufferedSource source) throws IOException {
    source.request(PAGE_BYTES);
    String page = source.getBuffer().snapshot().utf8().replace('\ufffd', '?');
    return HttpErrorClassifier.of(new ErrorResponse(200, Headers.EMPTY, page));
  }
}
