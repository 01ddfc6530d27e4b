// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import okhttp3.Headers;

/** A reply that a real server sent; see the README beside the files. */
public record RecordedReply(int status, Headers headers, String body) {
  public static RecordedReply read(String name) {
    return read("ollama", name);
  }

  static RecordedReply read(String server, String name) {
    try (InputStream file =
        RecordedReply.class.getResourceAsStream("/" + server + "/" + name + ".http")) {
      return parse(new String(file.readAllBytes(), StandardCharsets.UTF_8));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static RecordedReply parse(String text) {
    int end = text.indexOf("\n\n");
    String[] head = text.substring(0, end).split("\n");
    Headers.Builder headers = new Headers.Builder();
    for (int i = 1; i < head.length; i++) {
      headers.add(head[i]);
    }
    return new RecordedReply(
        Integer.parseInt(head[0].split(" ")[1]), headers.build(), text.substring(end + 2));
  }

  ErrorResponse reply() {
    return new ErrorResponse(status, headers, body);
  }
}
