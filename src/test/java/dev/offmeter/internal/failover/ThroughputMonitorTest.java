// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import static java.util.concurrent.TimeUnit.SECONDS;
import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.internal.http.MinimumRate;
import java.time.Duration;
import org.junit.jupiter.api.Test;

/** Two tokens a second, over ten seconds. */
class ThroughputMonitorTest {
  private final ThroughputMonitor throughput =
      new ThroughputMonitor(new MinimumRate(2, Duration.ofSeconds(10)));

  private boolean tooSlow(long seconds, int pieces) {
    throughput.record(SECONDS.toNanos(seconds), pieces);
    return throughput.isTooSlow();
  }

  @Test
  void nothingIsTooSlowBeforeAWindowIsOver() {
    assertThat(tooSlow(9, 0)).isFalse();
  }

  @Test
  void fewerThanTheWindowWantsIsTooSlow() {
    assertThat(tooSlow(5, 10)).isFalse();
    assertThat(tooSlow(5, 9)).isTrue();
  }

  @Test
  void justEnoughIsEnough() {
    assertThat(tooSlow(5, 10)).isFalse();
    assertThat(tooSlow(5, 10)).isFalse();
  }

  @Test
  void aFastWindowLendsNothingToTheNext() {
    assertThat(tooSlow(10, 1000)).isFalse();
    assertThat(tooSlow(10, 19)).isTrue();
  }

  @Test
  void withoutARateNothingIsTooSlow() {
    ThroughputMonitor withoutRate = new ThroughputMonitor(null);

    withoutRate.record(SECONDS.toNanos(1000), 0);

    assertThat(withoutRate.isTooSlow()).isFalse();
  }
}
