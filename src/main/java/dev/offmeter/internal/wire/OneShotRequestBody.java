// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.util.function.BooleanSupplier;
import okhttp3.MediaType;
import okhttp3.RequestBody;
import okio.Buffer;
import okio.BufferedSink;
import org.jspecify.annotations.Nullable;

/**
 * Holds a JSON body that is written once: OkHttp may still replace a dead connection before
 * sending, but never sends a prompt a second time by itself. {@link #prepare} makes its text, or
 * else the first use does.
 */
final class OneShotRequestBody extends RequestBody {
  private static final MediaType JSON = MediaType.get("application/json");

  private final Content text;
  private @Nullable Buffer json;
  private long length;

  /** Writes the text. */
  interface Content {
    void write(OutputStream to) throws IOException;
  }

  OneShotRequestBody(Content text) {
    this.text = text;
  }

  /** Makes the text, unless the request is abandoned meanwhile. */
  void prepare(BooleanSupplier unwanted) throws InterruptedIOException {
    Buffer unused = take(unwanted);
  }

  @Override
  public MediaType contentType() {
    return JSON;
  }

  @Override
  public long contentLength() throws InterruptedIOException {
    Buffer unused = take(() -> false);
    return length;
  }

  @Override
  public boolean isOneShot() {
    return true;
  }

  @Override
  public void writeTo(BufferedSink sink) throws IOException {
    Buffer made = take(() -> false);
    if (made.size() < length) {
      throw new IOException("a request is sent once; an interceptor asked for it again");
    }
    sink.write(made, length);
  }

  private Buffer take(BooleanSupplier unwanted) throws InterruptedIOException {
    Buffer before = json;
    if (before != null) {
      return before;
    }
    Buffer made = new Buffer();
    try {
      text.write(new AbortableOutputStream(made.outputStream(), unwanted));
    } catch (InterruptedIOException e) {
      throw e;
    } catch (IOException e) {
      throw new UncheckedIOException("a buffer in memory does not fail", e);
    }
    json = made;
    length = made.size();
    return made;
  }

  /** Aborts the encoding, which takes longer for a very long prompt than the call may have time. */
  private static final class AbortableOutputStream extends OutputStream {
    private final OutputStream to;
    private final BooleanSupplier unwanted;

    AbortableOutputStream(OutputStream to, BooleanSupplier unwanted) {
      this.to = to;
      this.unwanted = unwanted;
    }

    @Override
    public void write(int b) throws IOException {
      to.write(b);
    }

    @Override
    public void write(byte[] bytes, int from, int count) throws IOException {
      if (unwanted.getAsBoolean()) {
        throw new InterruptedIOException("the request was abandoned");
      }
      to.write(bytes, from, count);
    }
  }
}
