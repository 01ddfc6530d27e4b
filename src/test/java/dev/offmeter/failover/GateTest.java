// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import static dev.offmeter.testing.Loopback.quickly;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.offmeter.FailureKind;
import dev.offmeter.endpoint.EndpointSpec;
import dev.offmeter.endpoint.Limits;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.wire.Failure;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
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
            Failover.emptyRegistries(),
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
            Failure.class, full -> assertThat(full.kind()).isEqualTo(FailureKind.BULKHEAD_FULL));

    gate.givePlaceBack();

    assertThat(gate.enter()).isNotNull();
  }

  private Gate server(WaitingLine line) {
    Duration any = Duration.ofSeconds(15);
    return new Gate(
        Specs.server("home", new Limits(any, any, any, any, any, null), Integer.MAX_VALUE),
        (request, progress) -> {
          throw new AssertionError("nothing is asked here");
        },
        new Gate.Shared(
            time,
            Runnable::run,
            (why, inARow, asked) -> Duration.ofSeconds(15),
            new ProbePace(() -> 0.5),
            Failover.emptyRegistries(),
            line,
            change -> {}));
  }

  private CompletableFuture<Gate> waitsFor(Gate gate, WaitingLine line) {
    int clocks = time.pending();
    CompletableFuture<Gate> waiting =
        CompletableFuture.supplyAsync(
            () ->
                line.placeAtAnyOf(
                    List.of(gate), Duration.ofMinutes(1).toNanos(), new Cancellation()));
    quickly(() -> time.pending() > clocks);
    return waiting;
  }

  @Test
  void whoWaitsHasThePlacesFirstThatAServerWhichIsQuickerGets() throws Exception {
    WaitingLine line = new WaitingLine(time);
    Gate gate = server(line);
    AdaptiveLimit.Entry entry = gate.adaptive().enter(time.nanos());
    assertThat(gate.takePlace()).isTrue();
    gate.adaptive().onOverloaded(entry);
    CompletableFuture<Gate> waiting = waitsFor(gate, line);
    assertThat(waiting).isNotDone();

    time.advance(Duration.ofSeconds(3));
    gate.onServed(gate.adaptive().enter(time.nanos() - 1), time.nanos());

    assertThat(waiting.get()).isSameAs(gate);
    gate.givePlaceBack();
    gate.givePlaceBack();
    assertThat(time.isEmpty()).isTrue();
  }

  @Test
  void aServerThatIsFullBecauseItIsOverloadedCouldNotBeAsked() {
    Gate gate = server(new WaitingLine(time));
    long within = Duration.ofSeconds(3).toNanos();
    assertThat(gate.takePlace()).isTrue();
    assertThat(gate.couldBeAsked(time.nanos(), within)).isTrue();

    gate.adaptive().onOverloaded(gate.adaptive().enter(time.nanos()));

    assertThat(gate.couldBeAsked(time.nanos(), within)).isFalse();
    gate.givePlaceBack();
    assertThat(gate.couldBeAsked(time.nanos(), within)).isTrue();
  }

  @Test
  void thePlacesOfACrowdGoToNobodyUntilThereAreNoMoreThanAreServed() throws Exception {
    WaitingLine line = new WaitingLine(time);
    Gate gate = server(line);
    for (int i = 0; i < 3; i++) {
      assertThat(gate.takePlace()).isTrue();
    }
    gate.adaptive().onOverloaded(gate.adaptive().enter(time.nanos()));
    CompletableFuture<Gate> waiting = waitsFor(gate, line);

    line.placeFreed(gate);
    line.placeFreed(gate);
    assertThat(gate.status().inFlight()).as("one is there still").isEqualTo(1);
    assertThat(waiting).isNotDone();
    line.placeFreed(gate);

    assertThat(waiting.get()).isSameAs(gate);
    assertThat(gate.takePlace()).isFalse();
    gate.givePlaceBack();
  }
}
