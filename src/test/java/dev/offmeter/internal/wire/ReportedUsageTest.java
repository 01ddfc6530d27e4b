// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.offmeter.Usage;
import java.time.Duration;
import org.junit.jupiter.api.Test;

class ReportedUsageTest {
  private final ReportedUsage usage = new ReportedUsage();

  private static JsonNode json(String text) throws JsonProcessingException {
    return new ObjectMapper().readTree(text);
  }

  @Test
  void nothingReportedIsNone() {
    assertThat(usage.usage()).isSameAs(Usage.NONE);
  }

  @Test
  void reportedZerosAreReported() throws JsonProcessingException {
    usage.setInput(json("{\"in\":0}"), "in");
    usage.setOutput(json("{\"out\":0}"), "out");

    assertThat(usage.usage()).isEqualTo(new Usage(0, 0));
    assertThat(usage.usage().reported()).isTrue();
  }

  @Test
  void fieldsThatAreThereAreAdded() throws JsonProcessingException {
    usage.setInput(json("{\"in\":3,\"read\":4,\"written\":null}"), "in", "read", "written");
    usage.setOutput(json("{\"thoughts\":5}"), "out", "thoughts");

    assertThat(usage.usage()).isEqualTo(new Usage(7, 5));
  }

  @Test
  void aSumWithAValueThatIsNoCountIsNotReported() throws JsonProcessingException {
    usage.setInput(json("{\"in\":3,\"read\":-4}"), "in", "read");
    usage.setOutput(json("{\"out\":5}"), "out");

    assertThat(usage.usage().inputTokens()).isZero();
    assertThat(usage.usage().outputTokens()).isEqualTo(5);
    assertThat(usage.usage().reported()).isFalse();
  }

  @Test
  void partsThatExceedTheWholeAreLeftOut() throws JsonProcessingException {
    usage.setInput(json("{\"in\":3}"), "in");
    usage.setOutput(json("{\"out\":5}"), "out");
    usage.setCached(json("4"));
    usage.setThinking(json("6"));

    assertThat(usage.usage()).isEqualTo(new Usage(3, 5));
  }

  @Test
  void timesAreReadInTheirUnits() throws JsonProcessingException {
    usage.setComputeMillis(
        json("{\"prompt_ms\":1.5,\"predicted_ms\":2}"), "prompt_ms", "predicted_ms");
    assertThat(usage.usage().computeTime()).isEqualTo(Duration.ofNanos(3_500_000));

    usage.setNanos(2e9, 1e9);
    assertThat(usage.usage().computeTime()).isEqualTo(Duration.ofSeconds(2));
    assertThat(usage.usage().loadTime()).isEqualTo(Duration.ofSeconds(1));
  }

  @Test
  void absurdTimesAreNotReported() {
    usage.setNanos(-1, 1e300);

    assertThat(usage.usage()).isSameAs(Usage.NONE);
  }
}
