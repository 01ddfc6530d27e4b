// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.offmeter.FailureKind;
import dev.offmeter.endpoint.EndpointSpec;
import dev.offmeter.endpoint.Limits;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.wire.Failure;
import java.time.Duration;
import org.junit.jupiter.api.Test;

/** A permit and a place go together. */
class GateTest {
  private final ManualTime time = new ManualTime();

  private Gate gate() {
    Duration any = Duration.ofSeconds(15);
    EndpointSpec spec =
        Specs.function(
            "only", new Limits(any, any, any, any, any, null), 1, request -> "an answer");
    return new Gate(
        spec,
        (request, progress) -> {
          throw new AssertionError("nothing is asked here");
        },
        new Gate.Shared(
            time,
            Runnable::run,
            (why, inARow, asked) -> Duration.ofSeconds(15),
            new ProbePace(() -> 0.5),
            Gates.empty(),
            new WaitingLine(time),
            change -> {}));
  }

  @Test
  void aCallThatFindsNoPlaceIsNotTheTrial() throws Failure {
    Gate gate = gate();
    gate.enter().failed(Failure.of(FailureKind.TUNNEL_DOWN, "nobody there"), 1);
    time.advance(Duration.ofSeconds(16));
    assertThatThrownBy(gate::enter)
        .isInstanceOfSatisfying(
            Failure.class, full -> assertThat(full.kind()).isEqualTo(FailureKind.GATE_FULL));

    gate.givePlaceBack();

    assertThat(gate.enter()).isNotNull();
  }
}
