// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.Endpoint;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.TwoNodes;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** One endpoint may use only a share of a call's time. */
class DeadlineShareTest {
  private final ManualTime time = new ManualTime();
  private final GuardedEndpoint home = server(15);
  private final GuardedEndpoint managed = server(40);

  private GuardedEndpoint server(long timeout) {
    return server(Duration.ofSeconds(timeout));
  }

  private GuardedEndpoint server(Duration timeout) {
    return GuardedEndpoints.of(
        time, Endpoint.ollama("home", "http://127.0.0.1:1").model("m").timeout(timeout).build());
  }

  private static long seconds(double seconds) {
    return Duration.ofMillis((long) (seconds * 1000)).toNanos();
  }

  private Deadline set(long millis) {
    return Deadline.setAt(time, time.nanos(), Duration.ofMillis(millis));
  }

  private void pass(long millis) {
    time.advance(Duration.ofMillis(millis));
  }

  @Test
  void whatIsKeptBackForTheNextIsNotThisOnes() {
    DeadlineShare share = DeadlineShare.of(home, set(60_000), List.of(managed));

    assertThat(share.remaining()).isEqualTo(seconds(30));
    pass(20_000);
    assertThat(share.remaining()).as("its own wait is taken from it").isEqualTo(seconds(10));
    pass(20_000);
    assertThat(share.remaining()).isZero();
  }

  @Test
  void theLastHasAllThatIsLeft() {
    assertThat(DeadlineShare.of(home, set(60_000), List.of()).remaining()).isEqualTo(seconds(60));
  }

  @Test
  void withoutADeadlineItIsNeverLessThanTheLimit() {
    Deadline unset = Deadline.ofEndpoints(time, List.of(home, managed), false);
    DeadlineShare share = DeadlineShare.of(home, unset, List.of(managed));
    assertThat(share.remaining()).isEqualTo(seconds(15.25));

    pass(600_000);

    assertThat(share.remaining()).isEqualTo(seconds(15));
    assertThat(share.isTooSmall()).isFalse();
    assertThat(share.remainingToWait()).as("it has no time to wait").isNegative();
  }

  @Test
  void theOneThatIsWaitedForLastHasWhatTheDeadlineLeaves() {
    Deadline unset = Deadline.ofEndpoints(time, List.of(home), false);
    DeadlineShare share = DeadlineShare.ofLast(home, unset, List.of());
    pass(600_000);

    assertThat(share.remaining()).isZero();
    assertThat(share.isTooSmall()).isTrue();
  }

  @ParameterizedTest
  @CsvSource({
    // A tenth of a second,
    "60000, 15000, 59900, false",
    "60000, 15000, 59901, true",
    // or the limit of the endpoint,
    "60000, 40, 59960, false",
    "60000, 40, 59961, true",
    // or a quarter of the deadline.
    "200, 15000, 150, false",
    "200, 15000, 151, true"
  })
  void hardlyAnythingIsTooSmallToAskFor(long deadline, long limit, long passed, boolean tooSmall) {
    GuardedEndpoint endpoint = server(Duration.ofMillis(limit));
    DeadlineShare share = DeadlineShare.of(endpoint, set(deadline), List.of());
    pass(passed);

    assertThat(share.isTooSmall()).isEqualTo(tooSmall);
  }

  @Test
  void aFunctionIsAskedAsLongAsThereIsAnyTime() {
    GuardedEndpoint template = GuardedEndpoints.of(time, TwoNodes.template());
    DeadlineShare share = DeadlineShare.of(template, set(60_000), List.of());
    time.advance(Duration.ofSeconds(60).minusNanos(1));
    assertThat(share.isTooSmall()).isFalse();

    time.advance(Duration.ofNanos(1));

    assertThat(share.isTooSmall()).isTrue();
  }

  @Test
  void aWaitLeavesEnoughToAskFor() {
    DeadlineShare share = DeadlineShare.of(home, set(60_000), List.of());

    assertThat(share.remainingToWait()).isEqualTo(seconds(59.9));
  }
}
