// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.offmeter.FailureKind;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.wire.Failure;
import java.time.Duration;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** A permit has one outcome, and only in its own era. */
class BreakerTest {
  private static final Failure DOWN = Failure.of(FailureKind.TUNNEL_DOWN, "nobody there");

  private final ManualTime time = new ManualTime();
  private Breaker breaker;

  @BeforeEach
  void start() {
    breaker =
        new Breaker(
            "primary",
            time,
            (why, inARow, asked) -> Duration.ofSeconds(15),
            Gates.empty(),
            change -> {});
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
  void itSaysWhyItIsShutAndUntilWhen() throws Failure {
    breaker.admit().failed(DOWN, 1);
    assertThatThrownBy(breaker::admit)
        .hasMessage("not asked since TUNNEL_DOWN (nobody there), asked again in 15000 ms");
    time.advance(Duration.ofSeconds(16));
    breaker.admit();
    assertThatThrownBy(breaker::admit)
        .hasMessage("not asked since TUNNEL_DOWN (nobody there), another call is the trial");
  }
}
