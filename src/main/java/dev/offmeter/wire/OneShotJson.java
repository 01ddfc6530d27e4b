// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.wire;

import java.io.IOException;
import okhttp3.MediaType;
import okhttp3.RequestBody;
import okio.Buffer;
import okio.BufferedSink;

/**
 * A JSON body that is written once: OkHttp may still replace a connection that was found dead
 * before sending, but never sends a prompt a second time by itself.
 */
final class OneShotJson extends RequestBody {
  private static final MediaType JSON = MediaType.get("application/json");

  private final Buffer json;
  private final long length;

  OneShotJson(Buffer json) {
    this.json = json;
    this.length = json.size();
  }

  @Override
  public MediaType contentType() {
    return JSON;
  }

  @Override
  public long contentLength() {
    return length;
  }

  @Override
  public boolean isOneShot() {
    return true;
  }

  @Override
  public void writeTo(BufferedSink sink) throws IOException {
    if (json.size() < length) {
      throw new IOException("a request is sent once; an interceptor asked for it again");
    }
    sink.write(json, length);
  }
}
