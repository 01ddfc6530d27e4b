// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.FailureKind;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** The table, row by row, and its copy in the documentation. */
class FailurePolicyTest {
  private static final Map<FailurePolicy.CallAction, String> NEXT =
      Map.of(
          FailurePolicy.CallAction.NEXT_ENDPOINT, "next endpoint",
          FailurePolicy.CallAction.RETRY_OR_NEXT_ENDPOINT, "retry or next endpoint",
          FailurePolicy.CallAction.STOP, "stop");
  private static final Map<FailurePolicy.HealthEffect, String> HEALTH =
      Map.of(
          FailurePolicy.HealthEffect.NONE, "untouched",
          FailurePolicy.HealthEffect.COUNT_FAILURE, "counts",
          FailurePolicy.HealthEffect.OPEN, "trips",
          FailurePolicy.HealthEffect.LOAD_MODEL, "warms up",
          FailurePolicy.HealthEffect.COOL_DOWN, "cools down",
          FailurePolicy.HealthEffect.OPEN_UNTIL_REPAIRED, "set aside");

  @ParameterizedTest
  @CsvSource({
    "CONNECTION_REFUSED, NEXT_ENDPOINT, TRIPS",
    "UNKNOWN_HOST, NEXT_ENDPOINT, TRIPS",
    "TLS_FAILED, NEXT_ENDPOINT, TRIPS",
    "CONNECT_TIMEOUT, NEXT_ENDPOINT, TRIPS",
    "TUNNEL_DOWN, NEXT_ENDPOINT, TRIPS",
    "UNRESPONSIVE, NEXT_ENDPOINT, TRIPS",
    "MODEL_COLD, NEXT_ENDPOINT, WARMS",
    "ORIGIN_UNREACHABLE, RETRY_OR_NEXT_ENDPOINT, COUNTS",
    "GATEWAY_TIMEOUT, NEXT_ENDPOINT, COUNTS",
    "SERVER_ERROR, RETRY_OR_NEXT_ENDPOINT, COUNTS",
    "CONNECTION_LOST, RETRY_OR_NEXT_ENDPOINT, COUNTS",
    "TRUNCATED, RETRY_OR_NEXT_ENDPOINT, COUNTS",
    "STREAM_ERROR, RETRY_OR_NEXT_ENDPOINT, COUNTS",
    "MISSING_END_MARKER, RETRY_OR_NEXT_ENDPOINT, COUNTS",
    "UNEXPECTED_RESPONSE, RETRY_OR_NEXT_ENDPOINT, COUNTS",
    "EMPTY_ANSWER, RETRY_OR_NEXT_ENDPOINT, COUNTS",
    "FORMAT_MISMATCH, NEXT_ENDPOINT, UNTOUCHED",
    "MODEL_STOPPED, NEXT_ENDPOINT, UNTOUCHED",
    "ANSWER_REJECTED, NEXT_ENDPOINT, UNTOUCHED",
    "CONTENT_FILTERED, STOP, UNTOUCHED",
    "RESPONSE_TOO_LARGE, NEXT_ENDPOINT, COUNTS",
    "RUNAWAY, NEXT_ENDPOINT, COUNTS",
    "WEDGED, NEXT_ENDPOINT, COUNTS",
    "FIRST_TOKEN_TIMEOUT, NEXT_ENDPOINT, COUNTS",
    "STALLED, NEXT_ENDPOINT, COUNTS",
    "ATTEMPT_TIMEOUT, NEXT_ENDPOINT, COUNTS",
    "DEADLINE_SHARE_EXCEEDED, NEXT_ENDPOINT, UNTOUCHED",
    "OVERLOADED, NEXT_ENDPOINT, UNTOUCHED",
    "RATE_LIMITED, RETRY_OR_NEXT_ENDPOINT, COOLS_DOWN",
    "SERVER_BUSY, RETRY_OR_NEXT_ENDPOINT, COOLS_DOWN",
    "BULKHEAD_FULL, NEXT_ENDPOINT, UNTOUCHED",
    "CLIENT_RATE_LIMITED, NEXT_ENDPOINT, UNTOUCHED",
    "QUOTA_EXCEEDED, NEXT_ENDPOINT, SET_ASIDE",
    "UNAUTHORIZED, NEXT_ENDPOINT, SET_ASIDE",
    "ACCESS_DENIED, NEXT_ENDPOINT, SET_ASIDE",
    "BOT_CHALLENGE, NEXT_ENDPOINT, SET_ASIDE",
    "HOST_REJECTED, NEXT_ENDPOINT, SET_ASIDE",
    "REDIRECTED, NEXT_ENDPOINT, SET_ASIDE",
    "MODEL_NOT_FOUND, NEXT_ENDPOINT, SET_ASIDE",
    "PATH_NOT_FOUND, NEXT_ENDPOINT, SET_ASIDE",
    "OPTION_REJECTED, NEXT_ENDPOINT, SET_ASIDE",
    "BAD_REQUEST, NEXT_ENDPOINT, UNTOUCHED",
    "CONTEXT_OVERFLOW, NEXT_ENDPOINT, UNTOUCHED",
    "THINKING_ONLY, NEXT_ENDPOINT, UNTOUCHED",
    "TEXT_WITHDRAWN, NEXT_ENDPOINT, UNTOUCHED",
    "FUNCTION_FAILED, NEXT_ENDPOINT, UNTOUCHED",
    "NOT_PERMITTED, NEXT_ENDPOINT, UNTOUCHED",
    "CIRCUIT_OPEN, NEXT_ENDPOINT, UNTOUCHED",
    "DEADLINE_EXCEEDED, NEXT_ENDPOINT, UNTOUCHED",
    "CANCELLED, STOP, UNTOUCHED",
    "INTERNAL, NEXT_ENDPOINT, UNTOUCHED"
  })
  void judges(FailureKind kind, FailurePolicy.CallAction next, FailurePolicy.HealthEffect health) {
    assertThat(FailurePolicy.of(kind)).isEqualTo(new FailurePolicy.Verdict(next, health));
  }

  @Test
  void everyKindHasARow() {
    for (FailureKind kind : FailureKind.values()) {
      assertThat(FailurePolicy.of(kind)).isNotNull();
    }
  }

  @ParameterizedTest
  @EnumSource(FailureKind.class)
  void theDocumentationPrintsTheSameTable(FailureKind kind) throws IOException {
    List<String> rows =
        Files.readAllLines(Path.of("docs/failover.md")).stream()
            .filter(line -> line.startsWith("| `" + kind.name() + "` |"))
            .toList();

    assertThat(rows).hasSize(1);
    FailurePolicy.Verdict verdict = FailurePolicy.of(kind);
    String[] cells = rows.get(0).split("\\|");
    assertThat(cells[3].strip()).isEqualTo(NEXT.get(verdict.action()));
    assertThat(cells[4].strip()).isEqualTo(HEALTH.get(verdict.effect()));
  }

  @ParameterizedTest
  @EnumSource(FailureKind.class)
  void everyKindHasItsPlaceInTroubleshooting(FailureKind kind) throws IOException {
    assertThat(Files.readAllLines(Path.of("docs/troubleshooting.md")))
        .containsOnlyOnce("## " + kind.anchor());
  }
}
