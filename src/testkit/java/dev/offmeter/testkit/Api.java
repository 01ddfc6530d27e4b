// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.testkit;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Writes the replies of one API, from its documentation and the sources of its servers. */
interface Api {
  /** The tokens that every prompt is said to have. */
  int PROMPT_TOKENS = 10;

  /** A streamed reply: the bytes of each piece, and those that end it. */
  record Streamed(List<String> pieces, String end) {}

  boolean isCall(String method, String path);

  default boolean isStreamed(String path, JsonNode body) {
    return body.path("stream").asBoolean(false);
  }

  default String model(String path, JsonNode body) {
    return body.path("model").asText("");
  }

  String streamType();

  Streamed streamed(String model, List<Piece> pieces);

  String whole(String model, List<Piece> pieces);

  String errorInStream(String message);

  /** Returns the body of an HTTP error. */
  String error(int status, String message, @Nullable Duration retryAfter);

  /** Returns what the server says when it has no such model. */
  String noSuchModel(String model);

  /** Returns the header with the time after which to ask again; null if the body has it. */
  default @Nullable String retryAfterHeader() {
    return "Retry-After";
  }

  /**
   * Returns the reply to a question about the server, such as its models; null for an unknown path.
   *
   * @param known the models that have been asked for
   * @param loaded those in memory
   */
  @Nullable String info(String method, String path, Set<String> known, Set<String> loaded);

  /** Returns all text of an answer. */
  static String joined(List<Piece> pieces, Piece.Kind kind) {
    StringBuilder text = new StringBuilder();
    pieces.stream()
        .filter(piece -> piece.kind() == kind)
        .forEach(piece -> text.append(piece.text()));
    return text.toString();
  }

  static List<Piece> toolCalls(List<Piece> pieces) {
    return pieces.stream().filter(piece -> piece.kind() == Piece.Kind.TOOL_CALL).toList();
  }

  static String event(String json) {
    return "data: " + json + "\n\n";
  }
}
