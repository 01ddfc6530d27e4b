// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import static dev.offmeter.testing.Loopback.awaitSoon;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.time.CancellationToken;
import dev.offmeter.testing.EndpointConfigs;
import dev.offmeter.testing.ManualTime;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;

/** A permit and a bulkhead slot go together. */
class GuardedEndpointTest {
  private final ManualTime time = new ManualTime();

  private GuardedEndpoint function() {
    return GuardedEndpoints.of(
        time,
        EndpointConfigs.function("only", GuardedEndpoints.TIMEOUTS, 1, request -> "an answer"),
        new AdmissionQueue(time));
  }

  @Test
  void aCallThatFindsNoSlotIsNotTheTrial() throws AttemptException {
    GuardedEndpoint endpoint = function();
    Admission first = endpoint.acquire();
    first.permit().onFailure(AttemptException.of(FailureKind.TUNNEL_DOWN, "nobody there"), 1);
    time.advance(Duration.ofSeconds(16));
    assertThatThrownBy(endpoint::acquire)
        .isInstanceOfSatisfying(
            AttemptException.class,
            full -> assertThat(full.kind()).isEqualTo(FailureKind.BULKHEAD_FULL));

    first.close();

    Admission trial = endpoint.acquire();
    assertThat(trial.permit().isTrial()).isTrue();
    trial.close();
  }

  @Test
  void anAdmissionGivesItsSlotBackOnce() throws AttemptException {
    GuardedEndpoint endpoint = function();
    Admission admission = endpoint.acquire();
    assertThat(endpoint.status().inFlight()).isEqualTo(1);

    admission.close();
    Admission next = endpoint.acquire();
    admission.close();

    assertThat(endpoint.status().inFlight()).as("the next one's").isEqualTo(1);
    next.close();
    assertThat(endpoint.status().inFlight()).isZero();
  }

  @Test
  void aSlotThatWasHandedToACallIsFreedWhenTheEndpointIsDown() throws AttemptException {
    GuardedEndpoint endpoint = function();
    Admission before = endpoint.acquire();
    before.permit().onFailure(AttemptException.of(FailureKind.TUNNEL_DOWN, "nobody there"), 1);
    before.close();
    assertThat(endpoint.tryAcquireSlot()).isTrue();

    assertThatThrownBy(endpoint::acquireWithSlot)
        .isInstanceOfSatisfying(
            AttemptException.class,
            down -> assertThat(down.kind()).isEqualTo(FailureKind.CIRCUIT_OPEN));

    assertThat(endpoint.status().inFlight()).isZero();
  }

  private GuardedEndpoint server(AdmissionQueue admissionQueue) {
    return GuardedEndpoints.of(
        time,
        EndpointConfigs.server("home", GuardedEndpoints.TIMEOUTS, Integer.MAX_VALUE),
        admissionQueue);
  }

  private CompletableFuture<GuardedEndpoint> waitsFor(
      GuardedEndpoint endpoint, AdmissionQueue admissionQueue) {
    int clocks = time.pendingTasks();
    CompletableFuture<GuardedEndpoint> waiting =
        CompletableFuture.supplyAsync(
            () ->
                admissionQueue.awaitSlot(
                    List.of(endpoint), Duration.ofMinutes(1).toNanos(), new CancellationToken()));
    awaitSoon(() -> time.pendingTasks() > clocks);
    return waiting;
  }

  @Test
  void queuedCallsGetTheSlotsFirstThatAQuickerServerAdds() throws Exception {
    AdmissionQueue admissionQueue = new AdmissionQueue(time);
    GuardedEndpoint endpoint = server(admissionQueue);
    AdaptiveConcurrencyLimit.EntrySnapshot entry = endpoint.adaptiveLimit().snapshot(time.nanos());
    assertThat(endpoint.tryAcquireSlot()).isTrue();
    endpoint.adaptiveLimit().onOverloaded(entry, false);
    CompletableFuture<GuardedEndpoint> waiting = waitsFor(endpoint, admissionQueue);
    assertThat(waiting).isNotDone();

    time.advance(Duration.ofSeconds(3));
    endpoint.onServed(endpoint.adaptiveLimit().snapshot(time.nanos() - 1), time.nanos());

    assertThat(waiting.get()).isSameAs(endpoint);
    endpoint.releaseSlot();
    endpoint.releaseSlot();
    assertThat(time.isEmpty()).isTrue();
  }

  @Test
  void aServerThatIsFullBecauseItIsOverloadedCouldNotBeAsked() {
    GuardedEndpoint endpoint = server(new AdmissionQueue(time));
    long within = Duration.ofSeconds(3).toNanos();
    assertThat(endpoint.tryAcquireSlot()).isTrue();
    assertThat(endpoint.isEligible(time.nanos(), within)).isTrue();

    endpoint.adaptiveLimit().onOverloaded(endpoint.adaptiveLimit().snapshot(time.nanos()), false);

    assertThat(endpoint.isEligible(time.nanos(), within)).isFalse();
    endpoint.releaseSlot();
    assertThat(endpoint.isEligible(time.nanos(), within)).isTrue();
  }

  @Test
  void theSlotsOfACrowdGoToNobodyUntilThereAreNoMoreThanAreServed() throws Exception {
    AdmissionQueue admissionQueue = new AdmissionQueue(time);
    GuardedEndpoint endpoint = server(admissionQueue);
    for (int i = 0; i < 3; i++) {
      assertThat(endpoint.tryAcquireSlot()).isTrue();
    }
    endpoint.adaptiveLimit().onOverloaded(endpoint.adaptiveLimit().snapshot(time.nanos()), false);
    CompletableFuture<GuardedEndpoint> waiting = waitsFor(endpoint, admissionQueue);

    admissionQueue.release(endpoint);
    admissionQueue.release(endpoint);
    assertThat(endpoint.status().inFlight()).as("one is there still").isEqualTo(1);
    assertThat(waiting).isNotDone();
    admissionQueue.release(endpoint);

    assertThat(waiting.get()).isSameAs(endpoint);
    assertThat(endpoint.tryAcquireSlot()).isFalse();
    endpoint.releaseSlot();
  }
}
