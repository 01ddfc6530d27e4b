// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import okhttp3.ResponseBody;
import okio.Buffer;
import okio.Okio;
import okio.Source;
import okio.Timeout;

/** A body that arrives in the pieces, and with the end, that a test wants. */
public final class ScriptedBody implements Source {
  private final Deque<byte[]> pieces = new ArrayDeque<>();
  private Runnable beforeEach = () -> {};
  private IOException end;

  private ScriptedBody() {}

  public static ScriptedBody of(byte[] bytes) {
    ScriptedBody delivery = new ScriptedBody();
    delivery.pieces.add(bytes);
    return delivery;
  }

  public static ScriptedBody of(String text) {
    return of(text.getBytes(StandardCharsets.UTF_8));
  }

  /** Each text at a time. */
  static ScriptedBody ofParts(String... parts) {
    ScriptedBody delivery = new ScriptedBody();
    for (String part : parts) {
      delivery.pieces.add(part.getBytes(StandardCharsets.UTF_8));
    }
    return delivery;
  }

  /** Splits the body into parts of so many bytes. */
  public ScriptedBody splitEvery(int size) {
    byte[] all = pieces.remove();
    for (int from = 0; from < all.length; from += size) {
      pieces.add(Arrays.copyOfRange(all, from, Math.min(all.length, from + size)));
    }
    return this;
  }

  /** Splits the body in two. */
  public ScriptedBody splitAt(int position) {
    byte[] all = pieces.remove();
    pieces.add(Arrays.copyOf(all, position));
    pieces.add(Arrays.copyOfRange(all, position, all.length));
    return this;
  }

  /** Splits the body into its lines. */
  public ScriptedBody splitLines() {
    String all = new String(pieces.remove(), StandardCharsets.UTF_8);
    for (String line : all.split("(?<=\n)")) {
      pieces.add(line.getBytes(StandardCharsets.UTF_8));
    }
    return this;
  }

  /** The connection breaks where the body would have ended. */
  public ScriptedBody thenReset() {
    end = new IOException("connection reset");
    return this;
  }

  /** Run before each piece is handed out, and before the end. */
  public ScriptedBody beforeEach(Runnable action) {
    beforeEach = action;
    return this;
  }

  ResponseBody body() {
    return ResponseBody.create(Okio.buffer(this), null, -1);
  }

  @Override
  public long read(Buffer sink, long byteCount) throws IOException {
    beforeEach.run();
    byte[] piece = pieces.poll();
    if (piece == null) {
      if (end != null) {
        throw end;
      }
      return -1;
    }
    if (piece.length > byteCount) {
      pieces.addFirst(Arrays.copyOfRange(piece, (int) byteCount, piece.length));
      piece = Arrays.copyOf(piece, (int) byteCount);
    }
    sink.write(piece);
    return piece.length == 0 ? read(sink, byteCount) : piece.length;
  }

  @Override
  public Timeout timeout() {
    return Timeout.NONE;
  }

  @Override
  public void close() {}
}
