// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.internal.time.CancellationToken;
import dev.offmeter.observe.LlmListener;
import dev.offmeter.testing.EndpointConfigs;
import dev.offmeter.testing.ManualTime;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.RejectedExecutionException;
import org.junit.jupiter.api.Test;

/** A hedge that is due when a second endpoint must no longer be asked does not start. */
class HedgeControllerTest {
  private final ManualTime time = new ManualTime();
  private final List<Runnable> asked = new ArrayList<>();
  private final HedgingPolicy hedgingPolicy =
      new HedgingPolicy(Duration.ofSeconds(2), 1, asked::add);

  @Test
  void aFirstThatHasJustFailedNeedsNoSecondUntilTheCallHasItsNext() {
    CallContext context = contextOfOneServer();
    HedgeController hedge =
        new HedgeController(new FailoverCall(context, null), hedgingPolicy, context);
    assertThat(hedge.awaitOutcome()).isEqualTo(Step.CONTINUE);

    hedge.start();

    assertThat(asked).as("the call is about to ask it").isEmpty();
    hedge.onNextStarted();
    hedge.start();
    assertThat(asked).hasSize(1);
  }

  @Test
  void aHedgeForWhichThereIsNoThreadIsNotWaitedFor() {
    HedgingPolicy withoutThreads =
        new HedgingPolicy(
            Duration.ofSeconds(2),
            1,
            task -> {
              throw new RejectedExecutionException("closed");
            });
    CallContext context = contextOfOneServer();
    HedgeController hedge =
        new HedgeController(new FailoverCall(context, null), withoutThreads, context);

    hedge.start();

    assertThat(hedge.awaitOutcome()).isEqualTo(Step.CONTINUE);
    assertThat(hedge.winningAnswer()).isNull();
  }

  private CallContext contextOfOneServer() {
    AdmissionQueue admissionQueue = new AdmissionQueue(time);
    GuardedEndpoint another =
        GuardedEndpoints.of(
            time,
            EndpointConfigs.server("another", GuardedEndpoints.TIMEOUTS, 1),
            GuardedEndpoints.NEVER_ASKED,
            admissionQueue,
            asked::add);
    return GuardedEndpoints.contextOf(
        another,
        time,
        Duration.ofSeconds(15),
        admissionQueue,
        new CancellationToken(),
        new LlmListener() {});
  }
}
