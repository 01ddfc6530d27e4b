// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.wire.HeapBudget;
import java.io.IOException;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Stream;
import java.util.zip.Inflater;
import okhttp3.Response;
import okhttp3.ResponseBody;
import okio.Buffer;
import okio.BufferedSource;
import okio.ByteString;
import okio.ForwardingSource;
import okio.GzipSource;
import okio.InflaterSource;
import okio.Okio;
import okio.Source;
import okio.Timeout;
import org.jspecify.annotations.Nullable;

/**
 * Decompresses a body that came compressed although the request accepts no encoding. Some servers
 * and proxies compress whatever the request says; others claim to and do not.
 */
final class DecompressingSource implements Source {
  private static final Set<String> GZIP = Set.of("gzip", "x-gzip");
  private static final String DEFLATE = "deflate";

  /** Values that name no content encoding. */
  private static final Set<String> PLAIN =
      Set.of("", "identity", "none", "null", "utf-8", "utf8", "binary", "8bit", "text", "chunked");

  private static final Set<String> FRAMINGS = Set.of("", "chunked", "identity");

  /**
   * First bytes of a body that is not compressed whatever its header says: no deflated text has
   * them.
   */
  private static final List<ByteString> BEGINNINGS =
      Stream.of("data:", "event:", "{\"", "[{\"", ": ").map(ByteString::encodeUtf8).toList();

  private static final int LONGEST_BEGINNING = 6;

  private final BufferedSource coded;
  private final boolean gzip;
  private @Nullable Source plain;
  private final HeapBudget heapBudget = new HeapBudget();
  private long unused;

  private DecompressingSource(BufferedSource coded, boolean gzip) {
    this.coded = coded;
    this.gzip = gzip;
  }

  /**
   * Returns the body of a reply without its encoding. The reader counts what it takes.
   *
   * @throws AttemptException if the encoding is unknown
   */
  static ResponseBody body(Response response) throws AttemptException {
    throwUnlessFramed(response);
    ResponseBody body = response.body();
    String encoding = response.header("Content-Encoding");
    if (encoding == null) {
      return body;
    }
    BufferedSource source = body.source();
    String[] codings = encoding.toLowerCase(Locale.ROOT).split(",", 4);
    for (int i = codings.length - 1; i >= 0; i--) {
      source = decoded(source, codings[i].strip(), response.code());
    }
    return ResponseBody.create(source, body.contentType(), -1);
  }

  /**
   * Accepts chunked as the only transfer coding, which is all that HTTP/1.1 permits without a TE
   * header (RFC 9112, section 6.1). With an unknown one, chunk sizes would stand in the text.
   */
  private static void throwUnlessFramed(Response response) throws AttemptException {
    for (String coding : response.headers("Transfer-Encoding")) {
      if (!FRAMINGS.contains(coding.strip().toLowerCase(Locale.ROOT))) {
        throw AttemptException.of(
                FailureKind.UNEXPECTED_RESPONSE, "the body is sent in an unknown transfer coding")
            .withStatus(response.code());
      }
    }
  }

  private static BufferedSource decoded(BufferedSource source, String coding, int status)
      throws AttemptException {
    if (PLAIN.contains(coding)) {
      return source;
    }
    if (!GZIP.contains(coding) && !coding.equals(DEFLATE)) {
      throw AttemptException.of(FailureKind.UNEXPECTED_RESPONSE, unknown(coding))
          .withStatus(status);
    }
    return Okio.buffer(new DecompressingSource(source, GZIP.contains(coding)));
  }

  private static String unknown(String coding) {
    String named = coding.matches("[a-z0-9-]{1,20}") ? "with '" + coding + "'" : "in some way";
    return "the body is compressed " + named + ", though no compression was asked for";
  }

  @Override
  public long read(Buffer sink, long byteCount) throws IOException {
    Source from = plain == null ? detect() : plain;
    plain = from;
    long count = from.read(sink, byteCount);
    unused = 0;
    heapBudget.keep(sink.size());
    return count;
  }

  /**
   * Bounds the coded bytes from which nothing has been decoded yet. A gzip header may hold a name
   * without end, and a body may consist of empty blocks.
   */
  private final class CompressedSource extends ForwardingSource {
    CompressedSource() {
      super(coded);
    }

    @Override
    public long read(Buffer sink, long byteCount) throws IOException {
      long count = super.read(sink, byteCount);
      unused += Math.max(0, count);
      if (unused > BoundedSocket.MOST_UNUSED) {
        throw BoundedSocket.tooManyUnread();
      }
      return count;
    }
  }

  private Source detect() throws IOException {
    if (!coded.request(LONGEST_BEGINNING) && !coded.request(2)) {
      return coded;
    }
    int first = coded.getBuffer().getByte(0) & 0xff;
    int second = coded.getBuffer().getByte(1) & 0xff;
    if (gzip) {
      return first == 0x1f && second == 0x8b ? new GzipSource(new CompressedSource()) : coded;
    }
    if (BEGINNINGS.stream().anyMatch(this::isStartedBy)) {
      return coded;
    }
    // Half of the servers send raw deflate, without the zlib header of RFC 1950.
    boolean headed = (first & 0x0f) == 8 && ((first << 8) | second) % 31 == 0;
    return new InflaterSource(Okio.buffer(new CompressedSource()), new Inflater(!headed));
  }

  private boolean isStartedBy(ByteString text) {
    return coded.getBuffer().rangeEquals(0, text);
  }

  @Override
  public Timeout timeout() {
    return coded.timeout();
  }

  @Override
  public void close() throws IOException {
    heapBudget.release();
    Source from = plain;
    if (from != null) {
      from.close();
    }
    coded.close();
  }
}
