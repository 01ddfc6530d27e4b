// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.offmeter.FailureKind;
import dev.offmeter.endpoint.EndpointSpec;
import dev.offmeter.endpoint.Limits;
import dev.offmeter.observe.EndpointChange;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.wire.Failure;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** A permit has one outcome, and only in its own era. */
class BreakerTest {
  private static final Runnable NOTHING_FIRST = () -> {};
  private static final Failure DOWN = Failure.of(FailureKind.TUNNEL_DOWN, "nobody there");
  private static final Duration LIMIT = Duration.ofSeconds(15);
  private static final EndpointSpec PRIMARY =
      Specs.server(
          "primary", new Limits(LIMIT, LIMIT, LIMIT, LIMIT, LIMIT, null), Integer.MAX_VALUE);
  private static final Failure COLD = Failure.of(FailureKind.MODEL_COLD, "not in memory");

  private final ManualTime time = new ManualTime();
  private Breaker breaker;
  private Consumer<EndpointChange> heard = change -> {};

  @BeforeEach
  void start() {
    breaker =
        new Breaker(
            PRIMARY,
            time,
            (why, inARow, asked) -> Duration.ofSeconds(15),
            Failover.emptyRegistries(),
            change -> {},
            change -> heard.accept(change));
  }

  private void assertShut() {
    assertThatThrownBy(breaker::admit).isInstanceOf(Failure.class);
  }

  @Test
  void onlyOneTrialAtATime() throws Failure {
    breaker.admit().failed(DOWN, 1);
    assertShut();
    time.advance(Duration.ofSeconds(16));

    breaker.admit();

    assertShut();
  }

  @Test
  void aPermitOfAnEarlierEraFreesNoTrial() throws Failure {
    Breaker.Permit old = breaker.admit();
    breaker.admit().failed(DOWN, 1);
    time.advance(Duration.ofSeconds(16));
    breaker.admit();

    old.release();

    assertShut();
  }

  @Test
  void whatIsReleasedTwiceIsReleasedOnce() throws Failure {
    breaker.admit().failed(DOWN, 1);
    time.advance(Duration.ofSeconds(16));
    Breaker.Permit trial = breaker.admit();
    trial.release();
    trial.release();

    breaker.admit();

    assertShut();
  }

  @Test
  void anOutcomeIsFinal() throws Failure {
    Breaker.Permit permit = breaker.admit();
    permit.answered(1);
    permit.failed(DOWN, 1);

    assertThat(breaker.isShut()).isFalse();
  }

  @Test
  void aTrialThatAListenerBreaksOffGivesItsPermitBack() throws Failure {
    breaker.admit().failed(DOWN, 1);
    time.advance(Duration.ofSeconds(16));
    heard =
        change -> {
          throw new InternalError("the machine is broken");
        };
    assertThatThrownBy(breaker::admit).isInstanceOf(InternalError.class);
    heard = change -> {};

    assertThat(breaker.admit()).isNotNull();
  }

  @Test
  void changesAreToldInOrderThoughOneIsSlowToBeHeard() throws Failure {
    List<EndpointState> told = new ArrayList<>();
    heard =
        change -> {
          if (change.to() == EndpointState.DOWN) {
            // Meanwhile, elsewhere.
            time.advance(Duration.ofSeconds(16));
            CompletableFuture.runAsync(this::comesBack).join();
          }
          told.add(change.to());
        };

    breaker.admit().failed(DOWN, 1);

    assertThat(told).containsExactly(EndpointState.DOWN, EndpointState.TRIAL, EndpointState.UP);
  }

  private void comesBack() {
    try {
      breaker.admit().answered(1);
    } catch (Failure e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void aRenewedPermitIsOfTheNewEra() throws Failure {
    Breaker.Permit old = breaker.admit();
    breaker.admit().failed(DOWN, 1);
    assertThatThrownBy(old::renew).isInstanceOf(Failure.class);
    time.advance(Duration.ofSeconds(16));

    old.renew();
    assertShut();
    old.answered(1);

    assertThat(breaker.admit()).isNotNull();
  }

  @Test
  void itSaysWhyItIsShutAndUntilWhen() throws Failure {
    breaker.admit().failed(DOWN, 1);
    assertThatThrownBy(breaker::admit)
        .hasMessage("not asked since TUNNEL_DOWN (nobody there), asked again in 15000 ms");
    time.advance(Duration.ofSeconds(16));
    breaker.admit();
    assertThatThrownBy(breaker::admit)
        .hasMessage("not asked since TUNNEL_DOWN (nobody there), another call is the trial");
  }

  @Test
  void aModelThatIsLoadedAfterAnOutageBringsItUp() throws Failure {
    breaker.admit().failed(DOWN, 1);
    time.advance(Duration.ofSeconds(3));
    assertThat(breaker.warms(COLD, false, NOTHING_FIRST)).isTrue();

    breaker.warmed();

    assertThat(breaker.standing().state()).isEqualTo(EndpointState.UP);
    breaker.admit().answered(1);
  }

  @Test
  void whatFailsAfterALoadIsNotBelievedAgainBeforeItsPauseIsOver() throws Failure {
    breaker.admit().failed(DOWN, 1);
    breaker.warms(COLD, false, NOTHING_FIRST);
    breaker.warmed();
    breaker.admit().failed(DOWN, 1);

    assertThat(breaker.warms(COLD, false, NOTHING_FIRST)).isFalse();
    breaker.back();
    assertThat(breaker.standing().state()).isEqualTo(EndpointState.DOWN);
  }

  @Test
  void aPauseThatTheServerHasNamedIsKeptWhateverIsFoundMeanwhile() throws Failure {
    Duration minute = Duration.ofMinutes(1);
    breaker
        .admit()
        .failed(Failure.of(FailureKind.RATE_LIMITED, "slow down").withRetryAfter(minute), 1);

    assertThat(breaker.mayComeBack()).isFalse();
    breaker.back();
    assertThat(breaker.standing().state()).isEqualTo(EndpointState.DOWN);
    assertThat(breaker.warms(COLD, false, NOTHING_FIRST)).isFalse();
    time.advance(Duration.ofSeconds(15));
    assertThat(breaker.mayComeBack()).isTrue();
  }

  @Test
  void aModelThatIsColdSoonAfterItsLoadLeadsToAPause() {
    breaker.warms(COLD, true, NOTHING_FIRST);
    breaker.warmed();
    assertThat(breaker.standing().state()).as("the first time").isEqualTo(EndpointState.UP);

    breaker.warms(COLD, true, NOTHING_FIRST);
    breaker.warmed();

    assertThat(breaker.standing().state()).isEqualTo(EndpointState.DOWN);
    time.advance(Duration.ofSeconds(15));
    assertThat(breaker.isShut()).isFalse();
  }

  @Test
  void whatAPersonMustMendStaysDownForItsCauseWhenTheModelIsLoaded() throws Failure {
    breaker.admit().failed(Failure.of(FailureKind.UNAUTHORIZED, "key rejected"), 1);
    breaker.warms(COLD, false, NOTHING_FIRST);

    breaker.warmed();

    assertThatThrownBy(breaker::admit)
        .hasMessage("not asked since UNAUTHORIZED (key rejected), asked again in 15000 ms");
  }

  @Test
  void timeMayBeNegative() {
    Breaker early =
        new Breaker(
            PRIMARY,
            new ManualTime(-3_000_000_000_000_000_000L),
            (why, inARow, asked) -> Duration.ofSeconds(15),
            Failover.emptyRegistries(),
            change -> {},
            change -> {});
    for (int i = 0; i < 2; i++) {
      early.warms(COLD, false, NOTHING_FIRST);
      early.warmed();
      assertThat(early.standing().state()).isEqualTo(EndpointState.UP);
    }
  }
}
