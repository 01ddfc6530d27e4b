// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import com.fasterxml.jackson.databind.JsonNode;
import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import java.util.Locale;
import java.util.Set;

/**
 * Reads an error that comes in place of an answer, after HTTP 200. Its words, type and code decide
 * what it is: vLLM, TGI, LocalAI and Anthropic send errors so that would otherwise have a status.
 * TGI's {@code http_status_code} is not read: by its source it is 422 for every error in a stream.
 */
public final class InBandError {
  /**
   * Fields that only a reply has; beside these, a field that may belong to an error does not make
   * one.
   */
  private static final Set<String> REPLY =
      Set.of(
          "choices", "candidates", "usageMetadata", "promptFeedback", "delta", "done", "content");

  /** Other names of the field {@code error}. */
  private static final Set<String> NAMES = Set.of("error_msg", "error_message", "errorMessage");

  /** Values that say that nothing went wrong. */
  private static final Set<String> NONE =
      Set.of("", "0", "0.0", "200", "false", "null", "none", "nil", "ok", "success");

  /** Values that say that nothing has gone wrong yet. */
  private static final Set<String> UNDER_WAY =
      Set.of("connected", "started", "pending", "queued", "processing", "running", "in_progress");

  private InBandError() {}

  /** Returns whether the object holds an error or is one, or is an array of one such object. */
  public static boolean isIn(JsonNode node) {
    JsonNode single = node.isArray() && node.size() == 1 ? node.get(0) : node;
    if (!single.isObject()) {
      return false;
    }
    JsonNode error = single.path("error");
    if (error.isMissingNode() || error.isNull()) {
      return isError(single);
    }
    return !isNothing(error) || !isPart(single);
  }

  /** Returns whether an object has a field that only a reply has. */
  static boolean isPart(JsonNode node) {
    return REPLY.stream().anyMatch(node::has);
  }

  /**
   * Returns whether the value says that there is no error: some servers send the field in every
   * chunk, as false, empty, zero, or a word for none.
   */
  private static boolean isNothing(JsonNode error) {
    if (!error.isContainerNode()) {
      return NONE.contains(error.asText().toLowerCase(Locale.ROOT));
    }
    for (JsonNode part : error) {
      if (!isNothing(part)) {
        return false;
      }
    }
    return true;
  }

  /** Returns whether a field for a code or a status reports an error. */
  private static boolean isCoded(JsonNode code) {
    return !isNothing(code) && !UNDER_WAY.contains(code.asText().toLowerCase(Locale.ROOT));
  }

  /**
   * Returns whether the object is an error without the field {@code error}, and not part of a
   * reply.
   */
  private static boolean isError(JsonNode node) {
    if (node.path("object").asText("").equals("error")) {
      return true;
    }
    String type = node.path("type").asText("");
    boolean event = type.startsWith("message") || type.startsWith("content_block");
    if (event || isPart(node)) {
      return false;
    }
    JsonNode message = node.path("message");
    boolean listed = isFilled(node.path("detail")) || isFilled(node.path("errors"));
    boolean nested = message.has("detail") || message.has("error");
    boolean problem = node.has("title") && node.path("status").asInt() >= 400;
    // A message alone could be part of an answer, unless a server is known to report errors so.
    boolean coded =
        isCoded(node.path("code")) || isCoded(node.path("status")) || type.equals("error");
    boolean worded = message.isTextual() && (coded || isWorded(node));
    boolean named = NAMES.stream().anyMatch(name -> node.path(name).isTextual());
    return listed || nested || problem || worded || named || hasOddName(node);
  }

  private static boolean isWorded(JsonNode node) {
    ErrorClassifier words = ErrorClassifier.of(ErrorBody.of(node));
    return words.refusal(false).or(words::request).isPresent();
  }

  private static boolean isFilled(JsonNode value) {
    return value.isContainerNode() ? !value.isEmpty() : !value.asText("").isEmpty();
  }

  private static boolean hasOddName(JsonNode node) {
    return node.size() == 1 && node.fieldNames().next().startsWith("error ");
  }

  public static AttemptException of(JsonNode node) {
    return GoogleErrorDetails.refined(of(ErrorBody.of(node)), node);
  }

  /** Reads an error that is a text, or JSON in a text. */
  static AttemptException ofText(String text) {
    return of(ErrorBody.ofText(text));
  }

  private static AttemptException of(ErrorBody error) {
    FailureKind kind = ErrorClassifier.of(error).inBand(false);
    String message = ErrorClassifier.shown(kind, error.message());
    return message.isEmpty()
        ? AttemptException.of(kind, "an error without a message")
        : AttemptException.told(kind, message);
  }
}
