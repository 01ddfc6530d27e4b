// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

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
class JudgementTest {
  private static final Map<Judgement.Next, String> NEXT =
      Map.of(
          Judgement.Next.NEXT_ENDPOINT, "next endpoint",
          Judgement.Next.RETRY_OR_NEXT_ENDPOINT, "retry or next endpoint",
          Judgement.Next.STOP, "stop");
  private static final Map<Judgement.Health, String> HEALTH =
      Map.of(
          Judgement.Health.UNTOUCHED, "untouched",
          Judgement.Health.COUNTS, "counts",
          Judgement.Health.TRIPS, "trips",
          Judgement.Health.WARMS, "warms up",
          Judgement.Health.COOLS_DOWN, "cools down",
          Judgement.Health.SET_ASIDE, "set aside");

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
  void judges(FailureKind kind, Judgement.Next next, Judgement.Health health) {
    assertThat(Judgement.of(kind)).isEqualTo(new Judgement.Verdict(next, health));
  }

  @Test
  void everyKindIsJudged() {
    for (FailureKind kind : FailureKind.values()) {
      assertThat(Judgement.of(kind)).isNotNull();
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
    Judgement.Verdict verdict = Judgement.of(kind);
    String[] cells = rows.get(0).split("\\|");
    assertThat(cells[3].strip()).isEqualTo(NEXT.get(verdict.next()));
    assertThat(cells[4].strip()).isEqualTo(HEALTH.get(verdict.health()));
  }

  @ParameterizedTest
  @EnumSource(FailureKind.class)
  void everyKindHasItsPlaceInTroubleshooting(FailureKind kind) throws IOException {
    assertThat(Files.readAllLines(Path.of("docs/troubleshooting.md")))
        .containsOnlyOnce("## " + kind.anchor());
  }
}
