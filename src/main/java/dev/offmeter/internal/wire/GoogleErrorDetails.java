// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import com.fasterxml.jackson.databind.JsonNode;
import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.json.Json;
import java.time.Duration;
import java.util.Optional;

/** The details of a Google error ({@code google.rpc.Status}), where its meaning may stand alone. */
public final class GoogleErrorDetails {
  /** A quota of a day comes back in hours. For how long it is heeded is bounded elsewhere. */
  private static final Duration DAILY = Duration.ofHours(1);

  private static final double LONGEST_SECONDS = 24 * 3600;

  private GoogleErrorDetails() {}

  /** The failure with what only the details say; Gemini's compatible endpoint has them too. */
  public static AttemptException refined(AttemptException failure, ErrorResponse reply) {
    String text = reply.body().strip();
    boolean json = text.startsWith("{") || text.startsWith("[");
    return json ? refined(failure, Json.tree(text)) : failure;
  }

  /** The failure of an error in an answer, which stands alone or in an array of one. */
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
   * Whether only a person can mend it: an invalid key is HTTP 400 here, not 401, and so is a free
   * tier that the region does not have.
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

  /** There is no {@code Retry-After}: the pause stands in {@code RetryInfo} alone. */
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

  /** A {@code google.protobuf.Duration} in JSON: seconds with a fraction, and an {@code s}. */
  private static Optional<Duration> seconds(String text) {
    if (!text.matches("\\d{1,9}(\\.\\d{1,9})?s")) {
      return Optional.empty();
    }
    double seconds = Double.parseDouble(text.substring(0, text.length() - 1));
    return Optional.of(Duration.ofMillis((long) (Math.min(seconds, LONGEST_SECONDS) * 1000)));
  }
}
