// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.FailureKind;
import dev.offmeter.internal.circuit.HealthEffect;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** The table of what failures mean, row by row. */
class FailurePolicyTest {
  @ParameterizedTest
  @CsvSource({
    "CONNECTION_REFUSED, NEXT_ENDPOINT, OPEN",
    "UNKNOWN_HOST, NEXT_ENDPOINT, OPEN",
    "TLS_FAILED, NEXT_ENDPOINT, OPEN",
    "CONNECT_TIMEOUT, NEXT_ENDPOINT, OPEN",
    "TUNNEL_DOWN, NEXT_ENDPOINT, OPEN",
    "UNRESPONSIVE, NEXT_ENDPOINT, OPEN",
    "MODEL_COLD, NEXT_ENDPOINT, LOAD_MODEL",
    "ORIGIN_UNREACHABLE, RETRY_OR_NEXT_ENDPOINT, COUNT_FAILURE",
    "GATEWAY_TIMEOUT, NEXT_ENDPOINT, COUNT_FAILURE",
    "SERVER_ERROR, RETRY_OR_NEXT_ENDPOINT, COUNT_FAILURE",
    "CONNECTION_LOST, RETRY_OR_NEXT_ENDPOINT, COUNT_FAILURE",
    "TRUNCATED, RETRY_OR_NEXT_ENDPOINT, COUNT_FAILURE",
    "STREAM_ERROR, RETRY_OR_NEXT_ENDPOINT, COUNT_FAILURE",
    "MISSING_END_MARKER, RETRY_OR_NEXT_ENDPOINT, COUNT_FAILURE",
    "UNEXPECTED_RESPONSE, RETRY_OR_NEXT_ENDPOINT, COUNT_FAILURE",
    "EMPTY_ANSWER, RETRY_OR_NEXT_ENDPOINT, COUNT_FAILURE",
    "FORMAT_MISMATCH, NEXT_ENDPOINT, NONE",
    "MODEL_STOPPED, NEXT_ENDPOINT, NONE",
    "ANSWER_REJECTED, NEXT_ENDPOINT, NONE",
    "CONTENT_FILTERED, STOP, NONE",
    "RESPONSE_TOO_LARGE, NEXT_ENDPOINT, COUNT_FAILURE",
    "RUNAWAY, NEXT_ENDPOINT, COUNT_FAILURE",
    "WEDGED, NEXT_ENDPOINT, COUNT_FAILURE",
    "FIRST_TOKEN_TIMEOUT, NEXT_ENDPOINT, COUNT_FAILURE",
    "STALLED, NEXT_ENDPOINT, COUNT_FAILURE",
    "ATTEMPT_TIMEOUT, NEXT_ENDPOINT, COUNT_FAILURE",
    "DEADLINE_SHARE_EXCEEDED, NEXT_ENDPOINT, NONE",
    "OVERLOADED, NEXT_ENDPOINT, NONE",
    "RATE_LIMITED, RETRY_OR_NEXT_ENDPOINT, COOL_DOWN",
    "SERVER_BUSY, RETRY_OR_NEXT_ENDPOINT, COOL_DOWN",
    "BULKHEAD_FULL, NEXT_ENDPOINT, NONE",
    "CLIENT_RATE_LIMITED, NEXT_ENDPOINT, NONE",
    "BUDGET_EXCEEDED, NEXT_ENDPOINT, NONE",
    "QUOTA_EXCEEDED, NEXT_ENDPOINT, OPEN_UNTIL_REPAIRED",
    "UNAUTHORIZED, NEXT_ENDPOINT, OPEN_UNTIL_REPAIRED",
    "ACCESS_DENIED, NEXT_ENDPOINT, OPEN_UNTIL_REPAIRED",
    "BOT_CHALLENGE, NEXT_ENDPOINT, OPEN_UNTIL_REPAIRED",
    "HOST_REJECTED, NEXT_ENDPOINT, OPEN_UNTIL_REPAIRED",
    "REDIRECTED, NEXT_ENDPOINT, OPEN_UNTIL_REPAIRED",
    "MODEL_NOT_FOUND, NEXT_ENDPOINT, OPEN_UNTIL_REPAIRED",
    "PATH_NOT_FOUND, NEXT_ENDPOINT, OPEN_UNTIL_REPAIRED",
    "OPTION_REJECTED, NEXT_ENDPOINT, OPEN_UNTIL_REPAIRED",
    "BAD_REQUEST, NEXT_ENDPOINT, NONE",
    "CONTEXT_OVERFLOW, NEXT_ENDPOINT, NONE",
    "THINKING_ONLY, NEXT_ENDPOINT, NONE",
    "TEXT_WITHDRAWN, NEXT_ENDPOINT, NONE",
    "FUNCTION_FAILED, NEXT_ENDPOINT, NONE",
    "NOT_PERMITTED, NEXT_ENDPOINT, NONE",
    "NOT_CAPABLE, NEXT_ENDPOINT, NONE",
    "CIRCUIT_OPEN, NEXT_ENDPOINT, NONE",
    "DEADLINE_EXCEEDED, NEXT_ENDPOINT, NONE",
    "CANCELLED, STOP, NONE",
    "INTERNAL, NEXT_ENDPOINT, NONE"
  })
  void judges(FailureKind kind, FailurePolicy.CallAction next, HealthEffect health) {
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
  void everyKindHasItsPlaceInTroubleshooting(FailureKind kind) throws IOException {
    assertThat(Files.readAllLines(Path.of("docs/troubleshooting.md")))
        .containsOnlyOnce("## " + kind.anchor());
  }
}
