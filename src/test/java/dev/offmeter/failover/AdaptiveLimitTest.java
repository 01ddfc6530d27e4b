// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.endpoint.Limits;
import dev.offmeter.testing.ManualTime;
import java.time.Duration;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

class AdaptiveLimitTest {
  private static final Duration ATTEMPT = Duration.ofSeconds(15);
  private static final Limits LIMITS =
      new Limits(ATTEMPT, ATTEMPT, ATTEMPT, ATTEMPT, ATTEMPT, null);

  private final ManualTime time = new ManualTime();

  private AdaptiveLimit limit(int maxConcurrent) {
    return limit(maxConcurrent, LIMITS);
  }

  private AdaptiveLimit limit(int maxConcurrent, Limits limits) {
    return new AdaptiveLimit(Specs.server("home", limits, maxConcurrent), time);
  }

  private final AdaptiveLimit limit = limit(Integer.MAX_VALUE);

  private void serve(Duration each, int calls) {
    for (int i = 0; i < calls; i++) {
      AdaptiveLimit.Entry entry = limit.enter(time.nanos());
      time.advance(each);
      boolean unused = limit.onServed(entry, time.nanos());
    }
  }

  /** One that waits out its limit while so many others are served. */
  private void overload(int served) {
    AdaptiveLimit.Entry waits = limit.enter(time.nanos());
    for (int i = 0; i < served; i++) {
      boolean unused = limit.onServed(limit.enter(time.nanos()), time.nanos() + 1);
    }
    time.advance(ATTEMPT);
    limit.onOverloaded(waits);
  }

  @Test
  void withoutOverloadAnyNumberIsLetIn() {
    for (int i = 0; i < 1000; i++) {
      assertThat(limit.tryEnter()).isTrue();
    }
    assertThat(limit.isSet()).isFalse();
  }

  @Test
  void asManyAreLetInAsWereServed() {
    overload(3);

    assertThat(limit.limit()).isEqualTo(3);
    for (int i = 0; i < 3; i++) {
      assertThat(limit.tryEnter()).isTrue();
    }
    assertThat(limit.tryEnter()).isFalse();
    limit.leave();
    assertThat(limit.tryEnter()).isTrue();
  }

  @Test
  void oneIsLetInInAnyCase() {
    overload(0);

    assertThat(limit.limit()).isEqualTo(1);
    assertThat(limit.tryEnter()).isTrue();
  }

  @Test
  void callsThatAreThereAlreadyStay() {
    for (int i = 0; i < 10; i++) {
      assertThat(limit.tryEnter()).isTrue();
    }
    overload(2);

    assertThat(limit.isOverfull()).isTrue();
    for (int i = 0; i < 8; i++) {
      limit.leave();
    }
    assertThat(limit.isOverfull()).isFalse();
    assertThat(limit.tryEnter()).isFalse();
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

  /** All that are let in are answered at the same time, each for more than half of its limit. */
  @Test
  void aServerThatWasSlowForAMomentIsSoonSentAsManyAsItHasSlots() {
    overload(0);
    assertThat(limit.limit()).isEqualTo(1);

    for (int round = 0; round < 30 && limit.limit() < 8; round++) {
      AdaptiveLimit.Entry[] calls = new AdaptiveLimit.Entry[limit.limit()];
      Arrays.setAll(calls, i -> limit.enter(time.nanos()));
      time.advance(Duration.ofMillis(100));
      for (AdaptiveLimit.Entry call : calls) {
        boolean unused = limit.onBegun(call, time.nanos());
      }
      time.advance(Duration.ofSeconds(9));
      for (AdaptiveLimit.Entry call : calls) {
        boolean unused = limit.onServed(call, time.nanos());
        limit.onEnded();
      }
    }

    assertThat(limit.limit()).isGreaterThanOrEqualTo(8);
  }

  @Test
  void whoWasInTheCrowdOfBeforeTellsNothingOfTheCrowdOfNow() {
    AdaptiveLimit.Entry early = limit.enter(time.nanos());
    overload(5);
    AdaptiveLimit.Entry late = limit.enter(time.nanos());
    limit.onOverloaded(early);
    assertThat(limit.limit()).isEqualTo(5);

    limit.onOverloaded(late);
    assertThat(limit.limit()).as("one that is let in may be overloaded too").isEqualTo(1);
  }

  @Test
  void aMaxConcurrentThatIsNoMoreIsEnough() {
    AdaptiveLimit small = limit(2);
    AdaptiveLimit.Entry waits = small.enter(time.nanos());
    boolean one = small.onServed(waits, time.nanos());
    boolean two = small.onServed(waits, time.nanos());

    small.onOverloaded(waits);

    assertThat(one || two || small.isSet()).isFalse();
  }

  @Test
  void aMinuteWithoutTroubleEndsIt() {
    overload(1);
    assertThat(limit.tryEnter()).isTrue();
    time.advance(Duration.ofSeconds(50));
    assertThat(limit.tryEnter()).as("somebody is turned away").isFalse();
    time.advance(Duration.ofSeconds(50));
    assertThat(limit.endIfCalm()).isFalse();
    limit.onHandedOn();
    time.advance(Duration.ofSeconds(59));
    assertThat(limit.endIfCalm()).isFalse();
    time.advance(Duration.ofSeconds(1));

    assertThat(limit.endIfCalm()).isTrue();
    assertThat(limit.endIfCalm()).as("it ends once").isFalse();
    assertThat(limit.tryEnter()).isTrue();
  }

  @Test
  void aCallThatWasAlmostServedWhenAnotherCameLetsNobodyMoreIn() {
    overload(2);
    assertThat(limit.tryEnter()).isTrue();
    AdaptiveLimit.Entry first = limit.enter(time.nanos());
    time.advance(Duration.ofSeconds(7));
    assertThat(limit.tryEnter()).isTrue();
    AdaptiveLimit.Entry second = limit.enter(time.nanos());
    time.advance(Duration.ofSeconds(1));
    assertThat(limit.onServed(first, time.nanos())).isFalse();
    limit.leave();
    time.advance(Duration.ofSeconds(8));

    assertThat(limit.onServed(second, time.nanos())).isFalse();
  }

  @Test
  void oneThatIsOverloadedThoughNoMoreAreLetInThanWereServedLowersIt() {
    overload(5);
    AdaptiveLimit.Entry waits = limit.enter(time.nanos());
    serve(Duration.ofSeconds(3), 5);

    limit.onOverloaded(waits);

    assertThat(limit.limit()).isEqualTo(4);
  }

  private void begin(int calls) {
    for (int i = 0; i < calls; i++) {
      boolean unused = limit.onBegun(limit.enter(time.nanos()), time.nanos());
    }
  }

  @Test
  void ofAShorterWaitThoseCountTooWhoseAnswersAreComing() {
    begin(7);
    limit.onEnded();
    AdaptiveLimit.Entry waits = limit.enter(time.nanos());
    begin(3);
    limit.onEnded();
    time.advance(ATTEMPT.minusSeconds(1));

    limit.onOverloaded(waits);

    assertThat(limit.limit()).as("six that were coming, and three that have begun").isEqualTo(9);
  }

  @Test
  void ofTheWholeLimitTheyDoNot() {
    AdaptiveLimit.Entry waits = limit.enter(time.nanos());
    begin(3);
    boolean unused = limit.onServed(limit.enter(time.nanos()), time.nanos());
    time.advance(ATTEMPT);

    limit.onOverloaded(waits);

    assertThat(limit.limit()).isEqualTo(1);
  }

  @Test
  void whereALimitIsLongerThanAMinuteItsOwnLengthHasToBeCalm() {
    Duration twoMinutes = Duration.ofMinutes(2);
    AdaptiveLimit slow =
        limit(
            Integer.MAX_VALUE,
            new Limits(twoMinutes, ATTEMPT, twoMinutes, ATTEMPT, twoMinutes, null));
    slow.onOverloaded(slow.enter(time.nanos()));

    time.advance(Duration.ofSeconds(119));
    assertThat(slow.endIfCalm()).isFalse();
    time.advance(Duration.ofSeconds(1));
    assertThat(slow.endIfCalm()).isTrue();
  }

  /** Answers begin one after the other: two while the last one waits for half of its time. */
  @Test
  void whoHadToWaitForTheFirstPieceShowsHowManyMayBegin() {
    Duration firstToken = Duration.ofSeconds(10);
    AdaptiveLimit queued =
        limit(
            Integer.MAX_VALUE,
            new Limits(Duration.ofMinutes(1), ATTEMPT, firstToken, ATTEMPT, ATTEMPT, null));
    AdaptiveLimit.Entry waits = queued.enter(time.nanos());
    for (int i = 0; i < 3; i++) {
      assertThat(queued.onBegun(waits, time.nanos())).isFalse();
      queued.onEnded();
    }
    queued.onOverloaded(waits);
    time.advance(Duration.ofMinutes(1));
    AdaptiveLimit.Entry last = queued.enter(time.nanos());
    for (int i = 0; i < 2; i++) {
      time.advance(Duration.ofSeconds(2));
      assertThat(queued.onBegun(queued.enter(time.nanos() - 1), time.nanos())).isFalse();
      queued.onEnded();
    }
    time.advance(Duration.ofSeconds(1));

    assertThat(queued.onBegun(last, time.nanos())).isTrue();

    assertThat(queued.limit()).isEqualTo(4);
  }

  @Test
  void whoseOwnAnswerHadBegunDoesNotCountItself() {
    AdaptiveLimit.Entry waits = limit.enter(time.nanos());
    begin(3);
    time.advance(Duration.ofSeconds(5));

    limit.onOverloaded(waits, true);

    assertThat(limit.limit()).isEqualTo(2);
  }

  @Test
  void whoIsTurnedAwayWhileNobodyIsServedKeepsItUpForNoLonger() {
    overload(1);
    assertThat(limit.tryEnter()).isTrue();
    assertThat(limit.tryEnter()).isFalse();
    for (int i = 0; i < 6; i++) {
      time.advance(Duration.ofSeconds(10));
      assertThat(limit.tryEnter()).as("as a stream rests").isFalse();
    }

    assertThat(limit.endIfCalm()).isTrue();
  }
}
