// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import com.fasterxml.jackson.databind.JsonNode;
import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.json.Json;
import java.time.Duration;
import java.util.Optional;

/**
 * Reads the details of a Google error ({@code google.rpc.Status}), which alone may hold its
 * meaning.
 */
public final class GoogleErrorDetails {
  /** A daily quota comes back in hours. The caller bounds how much of this time is honoured. */
  private static final Duration DAILY = Duration.ofHours(1);

  private static final double LONGEST_SECONDS = 24 * 3600;

  private GoogleErrorDetails() {}

  /** Refines a failure by its details; Gemini's OpenAI-compatible endpoint sends them too. */
  public static AttemptException refined(AttemptException failure, ErrorResponse reply) {
    String text = reply.body().strip();
    boolean json = text.startsWith("{") || text.startsWith("[");
    return json ? refined(failure, Json.tree(text)) : failure;
  }

  /** Refines a failure of an error in an answer, which stands alone or in an array of one. */
  static AttemptException refined(AttemptException failure, JsonNode body) {
    JsonNode error = (body.isArray() ? body.path(0) : body).path("error");
    if (failure.kind() == FailureKind.BAD_REQUEST && isForAPerson(error)) {
      return failure.withKind(FailureKind.UNAUTHORIZED);
    }
    return failure.kind() == FailureKind.RATE_LIMITED
        ? retryDelay(error).map(failure::withRetryAfter).orElse(failure)
        : failure;
  }

  /**
   * Returns whether the error requires operator action: an invalid key is HTTP 400 here, not 401,
   * and so is a free tier that is not offered in the region.
   */
  private static boolean isForAPerson(JsonNode error) {
    if (error.path("status").asText("").equals("FAILED_PRECONDITION")) {
      return true;
    }
    for (JsonNode detail : error.path("details")) {
      if (detail.path("reason").asText("").startsWith("API_KEY_")) {
        return true;
      }
    }
    return false;
  }

  /** Reads the back-off from {@code RetryInfo}: Google sends no {@code Retry-After}. */
  private static Optional<Duration> retryDelay(JsonNode error) {
    Optional<Duration> delay = Optional.empty();
    for (JsonNode detail : error.path("details")) {
      for (JsonNode violation : detail.path("violations")) {
        if (violation.path("quotaId").asText("").contains("PerDay")) {
          return Optional.of(DAILY);
        }
      }
      if (detail.path("retryDelay").isTextual()) {
        delay = seconds(detail.path("retryDelay").asText());
      }
    }
    return delay;
  }

  /**
   * Reads a {@code google.protobuf.Duration} in JSON: seconds with a fraction, and an {@code s}.
   */
  private static Optional<Duration> seconds(String text) {
    if (!text.matches("\\d{1,9}(\\.\\d{1,9})?s")) {
      return Optional.empty();
    }
    double seconds = Double.parseDouble(text.substring(0, text.length() - 1));
    return Optional.of(Duration.ofMillis((long) (Math.min(seconds, LONGEST_SECONDS) * 1000)));
  }
}
