// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.circuit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.observe.EndpointChange;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.observe.Resilience4jRegistries;
import dev.offmeter.testing.ManualTime;
import io.github.resilience4j.bulkhead.BulkheadRegistry;
import io.github.resilience4j.circuitbreaker.CircuitBreakerRegistry;
import io.github.resilience4j.timelimiter.TimeLimiterRegistry;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** A permit has one outcome, and only in its own era. */
class EndpointCircuitBreakerTest {
  private static final Runnable NOTHING_FIRST = () -> {};
  private static final AttemptException DOWN =
      AttemptException.of(FailureKind.TUNNEL_DOWN, "nobody there");
  private static final AttemptException COLD =
      AttemptException.of(FailureKind.MODEL_COLD, "not in memory");

  private static final AttemptException COUNTED =
      AttemptException.of(FailureKind.SERVER_ERROR, "an error of the server's");

  private final ManualTime time = new ManualTime();
  private EndpointCircuitBreaker breaker;
  private Consumer<EndpointChange> heard = change -> {};

  @BeforeEach
  void start() {
    breaker =
        new EndpointCircuitBreaker(
            "primary",
            "http://a",
            time,
            (effect, inARow, asked) -> Duration.ofSeconds(15),
            EndpointCircuitBreakerTest::effect,
            registries(),
            change -> {},
            change -> heard.accept(change));
  }

  private static HealthEffect effect(FailureKind kind) {
    return switch (kind) {
      case TUNNEL_DOWN -> HealthEffect.OPEN;
      case MODEL_COLD -> HealthEffect.LOAD_MODEL;
      case RATE_LIMITED -> HealthEffect.COOL_DOWN;
      case UNAUTHORIZED -> HealthEffect.OPEN_UNTIL_REPAIRED;
      case SERVER_ERROR -> HealthEffect.COUNT_FAILURE;
      default -> throw new AssertionError(kind);
    };
  }

  private static Resilience4jRegistries registries() {
    return new Resilience4jRegistries(
        CircuitBreakerRegistry.ofDefaults(),
        TimeLimiterRegistry.ofDefaults(),
        BulkheadRegistry.ofDefaults());
  }

  private void assertShut() {
    assertThatThrownBy(breaker::acquirePermit).isInstanceOf(AttemptException.class);
  }

  @Test
  void onlyOneTrialAtATime() throws AttemptException {
    breaker.acquirePermit().onFailure(DOWN, 1);
    assertShut();
    time.advance(Duration.ofSeconds(16));

    breaker.acquirePermit();

    assertShut();
  }

  @Test
  void aTrialHasPassedWhenItsAnswerReachesAReader() throws AttemptException {
    breaker.acquirePermit().onFailure(DOWN, 1);
    time.advance(Duration.ofSeconds(16));
    Permit stream = breaker.acquirePermit();

    stream.onDelivery();

    assertThat(breaker.snapshot().state()).isEqualTo(EndpointState.UP);
    breaker.acquirePermit().release();
    stream.onFailure(DOWN, 1);
    assertThat(breaker.snapshot().state()).isEqualTo(EndpointState.DOWN);
    assertThat(breaker.canHalfOpen()).as("no whole answer has reset the back-off").isFalse();
  }

  @Test
  void theWholeAnswerOfADeliveredTrialResetsTheBackOff() throws AttemptException {
    breaker.acquirePermit().onFailure(DOWN, 1);
    time.advance(Duration.ofSeconds(16));
    Permit stream = breaker.acquirePermit();
    stream.onDelivery();

    stream.onSuccess(1);

    breaker.acquirePermit().onFailure(DOWN, 1);
    assertThat(breaker.failedTrials()).isZero();
    assertThat(breaker.canHalfOpen()).isTrue();
  }

  @Test
  void twoFailuresInARowTakeItDown() throws AttemptException {
    breaker.acquirePermit().onFailure(COUNTED, 1);
    assertThat(breaker.isOpen()).isFalse();

    breaker.acquirePermit().onFailure(COUNTED, 1);

    assertThat(breaker.isOpen()).isTrue();
  }

  @Test
  void anAnswerBetweenTwoFailuresKeepsItUp() throws AttemptException {
    breaker.acquirePermit().onFailure(COUNTED, 1);
    breaker.acquirePermit().onSuccess(1);
    breaker.acquirePermit().onFailure(COUNTED, 1);

    assertThat(breaker.isOpen()).isFalse();
  }

  @Test
  void whatIsDeliveredOfACallFromBeforeAnOutageIsNoTrial() throws AttemptException {
    Permit old = breaker.acquirePermit();
    breaker.acquirePermit().onFailure(DOWN, 1);
    time.advance(Duration.ofSeconds(16));
    breaker.acquirePermit();

    old.onDelivery();

    assertThat(breaker.snapshot().state()).isEqualTo(EndpointState.TRIAL);
    assertShut();
  }

  @Test
  void aPermitOfAnEarlierGenerationFreesNoTrial() throws AttemptException {
    Permit old = breaker.acquirePermit();
    breaker.acquirePermit().onFailure(DOWN, 1);
    time.advance(Duration.ofSeconds(16));
    breaker.acquirePermit();

    old.release();

    assertShut();
  }

  @Test
  void whatIsReleasedTwiceIsReleasedOnce() throws AttemptException {
    breaker.acquirePermit().onFailure(DOWN, 1);
    time.advance(Duration.ofSeconds(16));
    Permit trial = breaker.acquirePermit();
    trial.release();
    trial.release();

    breaker.acquirePermit();

    assertShut();
  }

  @Test
  void anOutcomeIsFinal() throws AttemptException {
    Permit permit = breaker.acquirePermit();
    permit.onSuccess(1);
    permit.onFailure(DOWN, 1);

    assertThat(breaker.isOpen()).isFalse();
  }

  @Test
  void aTrialThatAListenerBreaksOffGivesItsPermitBack() throws AttemptException {
    breaker.acquirePermit().onFailure(DOWN, 1);
    time.advance(Duration.ofSeconds(16));
    heard =
        change -> {
          throw new InternalError("the machine is broken");
        };
    assertThatThrownBy(breaker::acquirePermit).isInstanceOf(InternalError.class);
    heard = change -> {};

    assertThat(breaker.acquirePermit()).isNotNull();
  }

  @Test
  void changesAreToldInOrderThoughOneIsSlowToBeHeard() throws AttemptException {
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

    breaker.acquirePermit().onFailure(DOWN, 1);

    assertThat(told).containsExactly(EndpointState.DOWN, EndpointState.TRIAL, EndpointState.UP);
  }

  private void comesBack() {
    try {
      breaker.acquirePermit().onSuccess(1);
    } catch (AttemptException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void aRenewedPermitIsOfTheNewGeneration() throws AttemptException {
    Permit old = breaker.acquirePermit();
    breaker.acquirePermit().onFailure(DOWN, 1);
    assertThatThrownBy(old::renew).isInstanceOf(AttemptException.class);
    time.advance(Duration.ofSeconds(16));

    old.renew();
    assertShut();
    old.onSuccess(1);

    assertThat(breaker.acquirePermit()).isNotNull();
  }

  @Test
  void itSaysWhyItIsOpenAndUntilWhen() throws AttemptException {
    breaker.acquirePermit().onFailure(DOWN, 1);
    assertThatThrownBy(breaker::acquirePermit)
        .hasMessage("not asked since TUNNEL_DOWN (nobody there), asked again in 15000 ms");
    time.advance(Duration.ofSeconds(16));
    breaker.acquirePermit();
    assertThatThrownBy(breaker::acquirePermit)
        .hasMessage(
            "not asked since TUNNEL_DOWN (nobody there), half-open: another trial is already"
                + " running");
  }

  @Test
  void aModelThatIsLoadedAfterAnOutageBringsItUp() throws AttemptException {
    breaker.acquirePermit().onFailure(DOWN, 1);
    time.advance(Duration.ofSeconds(3));
    assertThat(breaker.beginWarming(COLD, false, NOTHING_FIRST)).isTrue();

    breaker.onModelLoaded();

    assertThat(breaker.snapshot().state()).isEqualTo(EndpointState.UP);
    breaker.acquirePermit().onSuccess(1);
  }

  @Test
  void whatFailsAfterALoadIsNotTrustedAgainBeforeItsBackOffIsOver() throws AttemptException {
    breaker.acquirePermit().onFailure(DOWN, 1);
    breaker.beginWarming(COLD, false, NOTHING_FIRST);
    breaker.onModelLoaded();
    breaker.acquirePermit().onFailure(DOWN, 1);

    assertThat(breaker.beginWarming(COLD, false, NOTHING_FIRST)).isFalse();
    breaker.tryHalfOpen();
    assertThat(breaker.snapshot().state()).isEqualTo(EndpointState.DOWN);
  }

  @Test
  void aRetryAfterIsKeptWhateverIsFoundMeanwhile() throws AttemptException {
    Duration minute = Duration.ofMinutes(1);
    breaker
        .acquirePermit()
        .onFailure(
            AttemptException.of(FailureKind.RATE_LIMITED, "slow down").withRetryAfter(minute), 1);

    assertThat(breaker.canHalfOpen()).isFalse();
    breaker.tryHalfOpen();
    assertThat(breaker.snapshot().state()).isEqualTo(EndpointState.DOWN);
    assertThat(breaker.beginWarming(COLD, false, NOTHING_FIRST)).isFalse();
    time.advance(Duration.ofSeconds(15));
    assertThat(breaker.canHalfOpen()).isTrue();
  }

  @Test
  void aModelThatIsColdSoonAfterItsLoadLeadsToABackOff() {
    breaker.beginWarming(COLD, true, NOTHING_FIRST);
    breaker.onModelLoaded();
    assertThat(breaker.snapshot().state()).as("the first time").isEqualTo(EndpointState.UP);

    breaker.beginWarming(COLD, true, NOTHING_FIRST);
    breaker.onModelLoaded();

    assertThat(breaker.snapshot().state()).isEqualTo(EndpointState.DOWN);
    time.advance(Duration.ofSeconds(15));
    assertThat(breaker.isOpen()).isFalse();
  }

  @Test
  void whatAPersonMustMendStaysDownForItsCauseWhenTheModelIsLoaded() throws AttemptException {
    breaker
        .acquirePermit()
        .onFailure(AttemptException.of(FailureKind.UNAUTHORIZED, "key rejected"), 1);
    breaker.beginWarming(COLD, false, NOTHING_FIRST);

    breaker.onModelLoaded();

    assertThatThrownBy(breaker::acquirePermit)
        .hasMessage("not asked since UNAUTHORIZED (key rejected), asked again in 15000 ms");
  }

  @Test
  void timeMayBeNegative() {
    EndpointCircuitBreaker early =
        new EndpointCircuitBreaker(
            "primary",
            "http://a",
            new ManualTime(-3_000_000_000_000_000_000L),
            (effect, inARow, asked) -> Duration.ofSeconds(15),
            EndpointCircuitBreakerTest::effect,
            registries(),
            change -> {},
            change -> {});
    for (int i = 0; i < 2; i++) {
      early.beginWarming(COLD, false, NOTHING_FIRST);
      early.onModelLoaded();
      assertThat(early.snapshot().state()).isEqualTo(EndpointState.UP);
    }
  }
}
