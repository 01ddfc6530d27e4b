// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import dev.offmeter.internal.AttemptException;
import java.io.IOException;
import okhttp3.Headers;
import okio.BufferedSource;

/** Inspects the beginning of the body of an HTTP 200, which may be an HTML page. */
public final class BodySniffer {
  /** The bytes of a page that are searched for its title. */
  private static final long PAGE_BYTES = 64 * 1024;

  private BodySniffer() {}

  /** Returns the first byte after a byte order mark and white space, -1 if there is none. */
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
   * Returns whether there is a byte. OkHttp calls {@code request} on its own buffer beneath for
   * every chunk; if this did too, the JIT would inline the whole chain of sources into it,
   * repeatedly.
   */
  static boolean isThere(BufferedSource source) throws IOException {
    // A third party's source may read no byte without being at its end.
    return !source.exhausted() && (source.getBuffer().size() > 0 || source.request(1));
  }

  /** Returns the failure for the page that begins here. */
  public static AttemptException page(BufferedSource source) throws IOException {
    source.request(PAGE_BYTES);
    String page = source.getBuffer().snapshot().utf8().replace('\ufffd', '?');
    return HttpErrorClassifier.of(new ErrorResponse(200, Headers.EMPTY, page));
  }
}
