// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.ChatRequest;
import dev.offmeter.endpoint.EndpointSpec;
import dev.offmeter.endpoint.Limits;
import dev.offmeter.observe.LlmListener;
import dev.offmeter.testing.ManualTime;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** What comes at the moment in which a second endpoint is no longer to be asked. */
class HedgingTest {
  private static final Duration ANY = Duration.ofSeconds(15);

  private final ManualTime time = new ManualTime();
  private final List<Runnable> asked = new ArrayList<>();
  private final Hedging hedging = new Hedging(Duration.ofSeconds(2), 1, asked::add);

  @Test
  void aTrialThatBeginsAfterCloseIsEndedAtOnce() {
    Cancellation trial = new Cancellation();
    hedging.close();

    hedging.begins(trial);

    assertThat(trial.reason()).isEqualTo("the client was closed");
  }

  @Test
  void aFirstThatHasJustFailedNeedsNoSecondUntilTheCallHasItsNext() {
    Hedge hedge = new Hedge(callOfOneServer(), hedging, new Cancellation());
    assertThat(hedge.outcome(true)).isNull();

    hedge.silent();

    assertThat(asked).as("the call is about to ask it").isEmpty();
    hedge.nextIsAsked();
    hedge.silent();
    assertThat(asked).hasSize(1);
  }

  private OneCall callOfOneServer() {
    WaitingLine line = new WaitingLine(time);
    return new OneCall(
        List.of(gate(line)),
        new OneCall.Surroundings(time, new Retries(time), line),
        ChatRequest.builder().user("a reminder").build(),
        Deadline.set(time, ANY),
        new Cancellation(),
        new Story(1, Map.of(), time, new LlmListener() {}),
        Audience.NOBODY,
        Acceptance.ANY,
        null);
  }

  private Gate gate(WaitingLine line) {
    return new Gate(
        server(),
        (request, progress) -> {
          throw new AssertionError("nothing is asked here");
        },
        new Gate.Shared(
            time,
            asked::add,
            (why, inARow, pause) -> ANY,
            new ProbePace(() -> 0.5),
            Failover.emptyRegistries(),
            line,
            change -> {}));
  }

  private static EndpointSpec server() {
    return Specs.server("another", new Limits(ANY, ANY, ANY, ANY, ANY, null), 1);
  }
}
