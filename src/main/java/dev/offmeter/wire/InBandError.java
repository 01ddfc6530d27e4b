// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.wire;

import com.fasterxml.jackson.databind.JsonNode;
import dev.offmeter.FailureKind;

/**
 * An error that comes where an answer should, after HTTP 200. What it is stands in its own type and
 * code: vLLM, TGI, LocalAI and Anthropic send errors so that would else have had a status. TGI's
 * {@code http_status_code} is not read: its source says 422 of every error in a stream.
 */
final class InBandError {
  private InBandError() {}

  /** Whether the object holds an error, or an array of one does. */
  static boolean isIn(JsonNode node) {
    JsonNode single = node.isArray() && node.size() == 1 ? node.get(0) : node;
    JsonNode error = single.get("error");
    return error != null && !error.isNull();
  }

  static Failure of(JsonNode node) {
    ErrorBody error = ErrorBody.of(node);
    String message = error.message().strip();
    return Failure.of(kind(error), message.isEmpty() ? "an error without words" : message);
  }

  private static FailureKind kind(ErrorBody error) {
    if (error.isContextOverflow()) {
      return FailureKind.CONTEXT_OVERFLOW;
    }
    if (error.isQuotaSpent()) {
      return FailureKind.QUOTA_SPENT;
    }
    if (error.isContentFilter()) {
      return FailureKind.CONTENT_FILTERED;
    }
    if (error.isUnknownPath()) {
      return FailureKind.WRONG_PATH;
    }
    return byCode(error);
  }

  private static FailureKind byCode(ErrorBody error) {
    if (error.isRateLimit()) {
      return FailureKind.RATE_LIMITED;
    }
    if (error.isOverload()) {
      return FailureKind.SERVER_BUSY;
    }
    if (error.isKeyRejected()) {
      return FailureKind.UNAUTHORIZED;
    }
    return switch (error.code()) {
      case "400" -> FailureKind.BAD_REQUEST;
      case "404" -> error.speaksOfModel() ? FailureKind.MODEL_MISSING : FailureKind.WRONG_PATH;
      default -> FailureKind.STREAM_ERROR;
    };
  }
}
