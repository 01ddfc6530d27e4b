// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.internal.http.AttemptTimeouts;
import dev.offmeter.testing.EndpointConfigs;
import dev.offmeter.testing.ManualTime;
import java.time.Duration;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

class AdaptiveConcurrencyLimitTest {
  private static final Duration ATTEMPT = Duration.ofSeconds(15);
  private static final AttemptTimeouts LIMITS =
      new AttemptTimeouts(ATTEMPT, ATTEMPT, ATTEMPT, ATTEMPT, ATTEMPT, null);

  private final ManualTime time = new ManualTime();

  private AdaptiveConcurrencyLimit limit(int maxConcurrent) {
    return limit(maxConcurrent, LIMITS);
  }

  private AdaptiveConcurrencyLimit limit(int maxConcurrent, AttemptTimeouts timeouts) {
    return new AdaptiveConcurrencyLimit(
        EndpointConfigs.server("home", timeouts, maxConcurrent), time);
  }

  private final AdaptiveConcurrencyLimit limit = limit(Integer.MAX_VALUE);

  private void serve(Duration each, int calls) {
    for (int i = 0; i < calls; i++) {
      AdaptiveConcurrencyLimit.EntrySnapshot entry = limit.snapshot(time.nanos());
      time.advance(each);
      boolean unused = limit.onServed(entry, time.nanos());
    }
  }

  /** Lets one call wait out its limit while so many others are served. */
  private void overload(int served) {
    AdaptiveConcurrencyLimit.EntrySnapshot waits = limit.snapshot(time.nanos());
    for (int i = 0; i < served; i++) {
      boolean unused = limit.onServed(limit.snapshot(time.nanos()), time.nanos() + 1);
    }
    time.advance(ATTEMPT);
    limit.onOverloaded(waits, false);
  }

  @Test
  void withoutOverloadAnyNumberIsLetIn() {
    for (int i = 0; i < 1000; i++) {
      assertThat(limit.tryAcquire()).isTrue();
    }
    assertThat(limit.isActive()).isFalse();
  }

  @Test
  void asManyAreLetInAsWereServed() {
    overload(3);

    assertThat(limit.limit()).isEqualTo(3);
    for (int i = 0; i < 3; i++) {
      assertThat(limit.tryAcquire()).isTrue();
    }
    assertThat(limit.tryAcquire()).isFalse();
    limit.release();
    assertThat(limit.tryAcquire()).isTrue();
  }

  @Test
  void oneIsLetInInAnyCase() {
    overload(0);

    assertThat(limit.limit()).isEqualTo(1);
    assertThat(limit.tryAcquire()).isTrue();
  }

  @Test
  void callsThatAreThereAlreadyStay() {
    for (int i = 0; i < 10; i++) {
      assertThat(limit.tryAcquire()).isTrue();
    }
    overload(2);

    assertThat(limit.isOverLimit()).isTrue();
    for (int i = 0; i < 8; i++) {
      limit.release();
    }
    assertThat(limit.isOverLimit()).isFalse();
    assertThat(limit.tryAcquire()).isFalse();
  }

  @Test
  void aServerThatIsQuickerThanItWasIsSentMore() {
    overload(2);

    serve(Duration.ofSeconds(3), 10);

    assertThat(limit.limit()).as("five of 3 s, one after the other, fit into 15 s").isEqualTo(5);
  }

  @Test
  void answersThatTakeTheirTimeLetNobodyMoreIn() {
    overload(2);

    serve(Duration.ofSeconds(8), 10);

    assertThat(limit.limit()).isEqualTo(2);
  }

  /**
   * The server answers all admitted calls at the same time, each in more than half of its time
   * limit.
   */
  @Test
  void aServerThatWasSlowForAMomentIsSoonSentAsManyAsItHasSlots() {
    overload(0);
    assertThat(limit.limit()).isEqualTo(1);

    for (int round = 0; round < 30 && limit.limit() < 8; round++) {
      AdaptiveConcurrencyLimit.EntrySnapshot[] calls =
          new AdaptiveConcurrencyLimit.EntrySnapshot[limit.limit()];
      Arrays.setAll(calls, i -> limit.snapshot(time.nanos()));
      time.advance(Duration.ofMillis(100));
      for (AdaptiveConcurrencyLimit.EntrySnapshot call : calls) {
        boolean unused = limit.onAnswerBegun(call, time.nanos());
      }
      time.advance(Duration.ofSeconds(9));
      for (AdaptiveConcurrencyLimit.EntrySnapshot call : calls) {
        boolean unused = limit.onServed(call, time.nanos());
        limit.onAnswerEnded();
      }
    }

    assertThat(limit.limit()).isGreaterThanOrEqualTo(8);
  }

  @Test
  void whoWasInTheCrowdOfBeforeTellsNothingOfTheCrowdOfNow() {
    AdaptiveConcurrencyLimit.EntrySnapshot early = limit.snapshot(time.nanos());
    overload(5);
    AdaptiveConcurrencyLimit.EntrySnapshot late = limit.snapshot(time.nanos());
    limit.onOverloaded(early, false);
    assertThat(limit.limit()).isEqualTo(5);

    limit.onOverloaded(late, false);
    assertThat(limit.limit()).as("one that is let in may be overloaded too").isEqualTo(1);
  }

  @Test
  void aMaxConcurrentThatIsNoMoreIsEnough() {
    AdaptiveConcurrencyLimit small = limit(2);
    AdaptiveConcurrencyLimit.EntrySnapshot waits = small.snapshot(time.nanos());
    boolean one = small.onServed(waits, time.nanos());
    boolean two = small.onServed(waits, time.nanos());

    small.onOverloaded(waits, false);

    assertThat(one || two || small.isActive()).isFalse();
  }

  @Test
  void aMinuteWithoutTroubleEndsIt() {
    overload(1);
    assertThat(limit.tryAcquire()).isTrue();
    time.advance(Duration.ofSeconds(50));
    assertThat(limit.tryAcquire()).as("somebody is turned away").isFalse();
    time.advance(Duration.ofSeconds(50));
    assertThat(limit.endIfCalm()).isFalse();
    limit.onSlotHandedOver();
    time.advance(Duration.ofSeconds(59));
    assertThat(limit.endIfCalm()).isFalse();
    time.advance(Duration.ofSeconds(1));

    assertThat(limit.endIfCalm()).isTrue();
    assertThat(limit.endIfCalm()).as("it ends once").isFalse();
    assertThat(limit.tryAcquire()).isTrue();
  }

  @Test
  void aCallThatWasAlmostServedWhenAnotherCameLetsNobodyMoreIn() {
    overload(2);
    assertThat(limit.tryAcquire()).isTrue();
    AdaptiveConcurrencyLimit.EntrySnapshot first = limit.snapshot(time.nanos());
    time.advance(Duration.ofSeconds(7));
    assertThat(limit.tryAcquire()).isTrue();
    AdaptiveConcurrencyLimit.EntrySnapshot second = limit.snapshot(time.nanos());
    time.advance(Duration.ofSeconds(1));
    assertThat(limit.onServed(first, time.nanos())).isFalse();
    limit.release();
    time.advance(Duration.ofSeconds(8));

    assertThat(limit.onServed(second, time.nanos())).isFalse();
  }

  @Test
  void oneThatIsOverloadedThoughNoMoreAreLetInThanWereServedLowersIt() {
    overload(5);
    AdaptiveConcurrencyLimit.EntrySnapshot waits = limit.snapshot(time.nanos());
    serve(Duration.ofSeconds(3), 5);

    limit.onOverloaded(waits, false);

    assertThat(limit.limit()).isEqualTo(4);
  }

  private void begin(int calls) {
    for (int i = 0; i < calls; i++) {
      boolean unused = limit.onAnswerBegun(limit.snapshot(time.nanos()), time.nanos());
    }
  }

  @Test
  void ofAShorterWaitThoseCountTooWhoseAnswersAreComing() {
    begin(7);
    limit.onAnswerEnded();
    AdaptiveConcurrencyLimit.EntrySnapshot waits = limit.snapshot(time.nanos());
    begin(3);
    limit.onAnswerEnded();
    time.advance(ATTEMPT.minusSeconds(1));

    limit.onOverloaded(waits, false);

    assertThat(limit.limit()).as("six that were coming, and three that have begun").isEqualTo(9);
  }

  @Test
  void ofTheWholeLimitTheyDoNot() {
    AdaptiveConcurrencyLimit.EntrySnapshot waits = limit.snapshot(time.nanos());
    begin(3);
    boolean unused = limit.onServed(limit.snapshot(time.nanos()), time.nanos());
    time.advance(ATTEMPT);

    limit.onOverloaded(waits, false);

    assertThat(limit.limit()).isEqualTo(1);
  }

  @Test
  void whereALimitIsLongerThanAMinuteItsOwnLengthHasToBeCalm() {
    Duration twoMinutes = Duration.ofMinutes(2);
    AdaptiveConcurrencyLimit slow =
        limit(
            Integer.MAX_VALUE,
            new AttemptTimeouts(twoMinutes, ATTEMPT, twoMinutes, ATTEMPT, twoMinutes, null));
    slow.onOverloaded(slow.snapshot(time.nanos()), false);

    time.advance(Duration.ofSeconds(119));
    assertThat(slow.endIfCalm()).isFalse();
    time.advance(Duration.ofSeconds(1));
    assertThat(slow.endIfCalm()).isTrue();
  }

  /** Answers begin one after the other: two while the last one waits for half of its time. */
  @Test
  void whoHadToWaitForTheFirstPieceShowsHowManyMayBegin() {
    Duration firstToken = Duration.ofSeconds(10);
    AdaptiveConcurrencyLimit queued =
        limit(
            Integer.MAX_VALUE,
            new AttemptTimeouts(
                Duration.ofMinutes(1), ATTEMPT, firstToken, ATTEMPT, ATTEMPT, null));
    AdaptiveConcurrencyLimit.EntrySnapshot waits = queued.snapshot(time.nanos());
    for (int i = 0; i < 3; i++) {
      assertThat(queued.onAnswerBegun(waits, time.nanos())).isFalse();
      queued.onAnswerEnded();
    }
    queued.onOverloaded(waits, false);
    time.advance(Duration.ofMinutes(1));
    AdaptiveConcurrencyLimit.EntrySnapshot last = queued.snapshot(time.nanos());
    for (int i = 0; i < 2; i++) {
      time.advance(Duration.ofSeconds(2));
      assertThat(queued.onAnswerBegun(queued.snapshot(time.nanos() - 1), time.nanos())).isFalse();
      queued.onAnswerEnded();
    }
    time.advance(Duration.ofSeconds(1));

    assertThat(queued.onAnswerBegun(last, time.nanos())).isTrue();

    assertThat(queued.limit()).isEqualTo(4);
  }

  @Test
  void whoseOwnAnswerHadBegunDoesNotCountItself() {
    AdaptiveConcurrencyLimit.EntrySnapshot waits = limit.snapshot(time.nanos());
    begin(3);
    time.advance(Duration.ofSeconds(5));

    limit.onOverloaded(waits, true);

    assertThat(limit.limit()).isEqualTo(2);
  }

  @Test
  void whoIsTurnedAwayWhileNobodyIsServedKeepsItUpForNoLonger() {
    overload(1);
    assertThat(limit.tryAcquire()).isTrue();
    assertThat(limit.tryAcquire()).isFalse();
    for (int i = 0; i < 6; i++) {
      time.advance(Duration.ofSeconds(10));
      assertThat(limit.tryAcquire()).as("as a stream rests").isFalse();
    }

    assertThat(limit.endIfCalm()).isTrue();
  }
}
