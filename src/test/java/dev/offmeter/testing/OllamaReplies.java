// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.testing;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Collectors;

/** Creates Ollama's replies as bytes on the wire. */
public final class OllamaReplies {
  /** The head of a streamed reply. */
  public static final String STREAM_HEAD =
      "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n";

  /** The end of a chunked body. */
  public static final String LAST_CHUNK = "0\r\n\r\n";

  private OllamaReplies() {}

  /** Returns a script for HTTP 200 with a body that ends with its connection. */
  public static Node.Script closing(String body) {
    return (connection, request) -> {
      connection.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body);
      connection.close();
    };
  }

  /** Returns a script that answers with these deltas. */
  public static Node.Script answering(String... pieces) {
    String reply = STREAM_HEAD + tokens(pieces) + end("stop", pieces.length) + LAST_CHUNK;
    return (connection, request) -> connection.send(reply);
  }

  /** Returns a script that answers with this status, content type and body. */
  public static Node.Script status(int status, String type, String body, String... headers) {
    String reply = head(status, type, body, headers) + body;
    return (connection, request) -> connection.send(reply);
  }

  private static String head(int status, String type, String body, String... headers) {
    String more = Arrays.stream(headers).map(h -> h + "\r\n").collect(Collectors.joining());
    String typed = type.isEmpty() ? "" : "Content-Type: " + type + "\r\n";
    int length = body.getBytes(StandardCharsets.UTF_8).length;
    return "HTTP/1.1 "
        + status
        + " X\r\n"
        + typed
        + more
        + "Content-Length: "
        + length
        + "\r\n\r\n";
  }

  /** Returns a script that takes the request and sends nothing. */
  public static Node.Script hanging() {
    return (connection, request) -> connection.hang();
  }

  /**
   * Returns a script that answers one call with two tokens, each when there is a permit for it, and
   * then sends nothing more; to further calls it sends nothing at all.
   */
  public static Node.Script tokenByToken(Semaphore permits) {
    AtomicBoolean talking = new AtomicBoolean();
    return (connection, request) -> {
      if (talking.compareAndSet(false, true)) {
        connection.send(STREAM_HEAD);
        for (int i = 0; i < 2; i++) {
          permits.acquireUninterruptibly();
          connection.send(tokens("x"));
        }
      }
      connection.hang();
    };
  }

  /**
   * Returns a script that answers health checks.
   *
   * @param load answers the loads
   * @param models those that are listed as being in memory
   */
  public static Node.Script probes(Node.Script load, String... models) {
    String names =
        Arrays.stream(models).map(m -> "{\"name\":\"" + m + "\"}").collect(Collectors.joining(","));
    Node.Script listed = status(200, "application/json", "{\"models\":[" + names + "]}");
    Node.Script version = status(200, "application/json", "{\"version\":\"0.32.15\"}");
    return (connection, request) -> {
      boolean lists = request.line().contains("/api/ps");
      Node.Script looked = lists ? listed : version;
      (request.line().startsWith("POST") ? load : looked).answer(connection, request);
    };
  }

  /** Returns a script for a load that ends at once. */
  public static Node.Script loadCompleted() {
    return status(200, "application/json", "{\"done\":true,\"done_reason\":\"load\"}");
  }

  /** Returns lines of answer, each in a chunk of its own. */
  public static String tokens(String... pieces) {
    return Arrays.stream(pieces).map(OllamaReplies::token).collect(Collectors.joining());
  }

  private static String token(String piece) {
    return chunk(
        "{\"model\":\"served\",\"created_at\":\"2026-11-21T09:17:27.213301021Z\",\"message\":"
            + "{\"role\":\"assistant\",\"content\":\""
            + piece
            + "\"},\"done\":false}\n");
  }

  /** Returns the last line, with the number of tokens. */
  public static String end(String reason, int tokens) {
    return chunk(
        "{\"model\":\"served\",\"created_at\":\"2026-11-21T09:17:27.44168506Z\",\"message\":"
            + "{\"role\":\"assistant\",\"content\":\"\"},\"done\":true,\"done_reason\":\""
            + reason
            + "\",\"total_duration\":455831113,\"prompt_eval_count\":24,\"eval_count\":"
            + tokens
            + "}\n");
  }

  /** Returns any text as one chunk. */
  public static String chunk(String text) {
    int length = text.getBytes(StandardCharsets.UTF_8).length;
    return Integer.toHexString(length) + "\r\n" + text + "\r\n";
  }
}
