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

/** The time that a call has left, and how it is shared out. */
class DeadlineTest {
  private static final Duration TOTAL = Duration.ofSeconds(60);

  /** The machine's own clock may overflow in the middle of a call. */
  private final ManualTime time = new ManualTime(Long.MAX_VALUE - 5_000_000_000L);

  private final Deadline set = Deadline.setAt(time, time.nanos(), TOTAL);

  private static long seconds(double seconds) {
    return Duration.ofMillis((long) (seconds * 1000)).toNanos();
  }

  private void pass(long seconds) {
    time.advance(Duration.ofSeconds(seconds));
  }

  private GuardedEndpoint server(long timeout, int retries) {
    return GuardedEndpoints.of(
        time,
        Endpoint.ollama("home", "http://127.0.0.1:1")
            .model("m")
            .timeout(Duration.ofSeconds(timeout))
            .retries(retries)
            .build());
  }

  private GuardedEndpoint template() {
    return GuardedEndpoints.of(time, TwoNodes.template());
  }

  private Deadline unset(boolean repaired, GuardedEndpoint... endpoints) {
    return Deadline.ofEndpoints(time, List.of(endpoints), repaired);
  }

  @Test
  void whatIsLeftGrowsLessWithTime() {
    pass(20);

    assertThat(set.isSet()).isTrue();
    assertThat(set.total()).isEqualTo(seconds(60));
    assertThat(set.elapsed()).isEqualTo(seconds(20));
    assertThat(set.remaining()).isEqualTo(seconds(40));
  }

  @Test
  void aDeadlineThatHasPassedLeavesLessThanNothing() {
    pass(61);

    assertThat(set.remaining()).isEqualTo(seconds(-1));
  }

  @Test
  void aDeadlineMayHaveBegunEarlier() {
    Deadline earlier = Deadline.setAt(time, time.nanos() - seconds(10), TOTAL);

    assertThat(earlier.remaining()).isEqualTo(seconds(50));
  }

  @Test
  void withoutOneACallHasWhatItsEndpointsMayTake() {
    // 15 s, and 5 s for each of three tries with 10 s for each of two back-offs, and 250 ms.
    Deadline unset = unset(false, server(15, 0), server(5, 2));

    assertThat(unset.isSet()).isFalse();
    assertThat(unset.total()).isEqualTo(seconds(15 + 3 * 5 + 2 * 10 + 0.25));
  }

  @Test
  void aRepairMayTakeOneMoreTryAtEach() {
    long once = unset(false, server(15, 0), server(5, 2)).total();

    assertThat(unset(true, server(15, 0), server(5, 2)).total()).isEqualTo(once + seconds(15 + 5));
  }

  @Test
  void aSetDeadlineCountsTheDeliveryAndTheReader() {
    long begun = time.nanos();
    assertThat(set.beginDelivery()).isEqualTo(begun + seconds(60));
    pass(20);
    set.onReaderIdle();
    pass(20);

    assertThat(set.remaining()).isEqualTo(seconds(20));
  }

  @Test
  void withoutOneTheDeliveryIsNotCounted() {
    Deadline unset = unset(false, server(15, 0));
    pass(5);
    long left = unset.remaining();
    assertThat(unset.beginDelivery() - time.nanos())
        .as("hardly ends at all")
        .isGreaterThan(Duration.ofDays(300).toNanos());
    pass(3600);
    assertThat(unset.remaining()).isEqualTo(left);

    unset.endDelivery();
    pass(2);

    assertThat(unset.remaining()).isEqualTo(left - seconds(2));
  }

  @Test
  void withoutOneTheReadersPausesAreNotCounted() {
    Deadline unset = unset(false, server(15, 0));
    long left = unset.remaining();
    unset.onReaderIdle();
    pass(3600);
    unset.onReaderWaiting();
    pass(1);

    assertThat(unset.remaining()).isEqualTo(left - seconds(1));
  }

  @Test
  void aPauseInADeliveryIsNotCountedTwice() {
    Deadline unset = unset(false, server(15, 0));
    long left = unset.remaining();
    unset.beginDelivery();
    pass(10);
    unset.onReaderIdle();
    pass(10);
    unset.endDelivery();
    pass(10);
    unset.onReaderWaiting();

    assertThat(unset.remaining()).isEqualTo(left);
  }

  @Test
  void equalSharesAreKeptBackForThoseStillToCome() {
    // 60 s for three: 20 s each, of which the first needs no more than 15.
    assertThat(set.equalShares(List.of(server(15, 0), server(40, 0)))).isEqualTo(seconds(15 + 20));
    assertThat(set.equalShares(List.of())).isZero();
  }

  @Test
  void sharesAreOfWhatIsLeft() {
    pass(54);

    assertThat(set.equalShares(List.of(server(15, 0), server(40, 0)))).isEqualTo(seconds(2 + 2));
  }

  @Test
  void aFunctionNeedsASecondAtMost() {
    assertThat(set.equalShares(List.of(template()))).isEqualTo(seconds(1));
    pass(59);

    assertThat(set.equalShares(List.of(template()))).isEqualTo(seconds(0.5));
  }

  @ParameterizedTest
  @CsvSource({
    "1500000000, 1500 ms",
    "1999999, 1 ms",
    "1000000, 1 ms",
    "999999, 1.0 ms",
    "250000, 0.3 ms",
    "0, 0 ms",
    "-5000000, 0 ms"
  })
  void aTimeReadsInMilliseconds(long nanos, String text) {
    assertThat(Deadline.text(nanos)).isEqualTo(text);
  }

  @Test
  void lessThanHalfOfTheLimitIsTheCallersHurry() {
    assertThat(set.isExcuse(seconds(7), Duration.ofSeconds(15))).isTrue();
    assertThat(set.isExcuse(seconds(7.5), Duration.ofSeconds(15))).isFalse();
  }

  @Test
  void afterAWaitEverythingShortOfTheLimitIs() {
    set.onWait();

    assertThat(set.isExcuse(seconds(14.9), Duration.ofSeconds(15))).isTrue();
    assertThat(set.isExcuse(seconds(15), Duration.ofSeconds(15))).isFalse();
  }
}
