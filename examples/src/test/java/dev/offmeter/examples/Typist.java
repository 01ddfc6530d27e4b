// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.util.List;
import mockwebserver3.MockResponse;
import mockwebserver3.MockResponseBody;
import mockwebserver3.SocketEffect;
import okio.BufferedSink;

/** An answer of Ollama's that goes on only when all of it so far is on show. */
record Typist(Watched screen, List<String> pieces, String end) implements MockResponseBody {
  private static final String LINE =
      "{\"model\":\"qwen3:8b\",\"message\":{\"role\":\"assistant\",\"content\":\"%s\"},\"done\":%s}\n";
  static final String LAST =
      LINE.formatted(
          "", "true,\"done_reason\":\"stop\",\"prompt_eval_count\":20,\"eval_count\":30");

  static MockResponse finishing(Watched screen, String... pieces) {
    Typist typist = new Typist(screen, List.of(pieces), LAST);
    return new MockResponse.Builder().body(typist).build();
  }

  /** Returns the reply of a machine that is switched off in the middle of a line. */
  static MockResponse dying(Watched screen, String... pieces) {
    Typist typist = new Typist(screen, List.of(pieces), "{\"model\":\"qw");
    return new MockResponse.Builder()
        .body(typist)
        .setHeader("Content-Length", 1_000_000)
        .onResponseEnd(new SocketEffect.CloseSocket())
        .build();
  }

  @Override
  public void writeTo(BufferedSink sink) throws IOException {
    StringBuilder shown = new StringBuilder();
    for (String piece : pieces) {
      sink.writeUtf8(line(piece)).flush();
      screen.await(shown.append(piece).toString());
    }
    sink.writeUtf8(end).flush();
  }

  static String line(String piece) {
    return LINE.formatted(piece.replace("\n", "\\n"), "false");
  }

  @Override
  public long getContentLength() {
    return pieces.stream().mapToLong(piece -> line(piece).getBytes(UTF_8).length).sum()
        + end.length();
  }
}
