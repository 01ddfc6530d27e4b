// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.circuit;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.time.MonotonicClock;
import dev.offmeter.observe.EndpointChange;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.testing.ManualTime;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Listeners hear of one state after the other. */
class EndpointStateTrackerTest {
  private static final AttemptException GONE =
      AttemptException.of(FailureKind.TUNNEL_DOWN, "nobody there");
  private static final Duration BACKOFF = Duration.ofSeconds(15);

  private final ManualTime time = new ManualTime();
  private final List<EndpointChange> own = new ArrayList<>();
  private final List<EndpointChange> told = new ArrayList<>();
  private final EndpointStateTracker states =
      new EndpointStateTracker(
          "home", "http://127.0.0.1:11434", new MonotonicClock(time), own::add, told::add);

  @Test
  void anEndpointBeginsUp() {
    assertThat(states.current()).isEqualTo(EndpointState.UP);
    assertThat(states.isDown()).isFalse();
    assertThat(states.stateDuration()).isZero();
  }

  @Test
  void aStateHasAnAgeAndANumberOfItsOwn() {
    int before = states.generation();
    Instant made = states.since();
    time.advance(Duration.ofSeconds(7));

    states.enter(EndpointState.DOWN, GONE, BACKOFF);
    time.advance(Duration.ofSeconds(3));

    assertThat(states.isDown()).isTrue();
    assertThat(states.since()).isEqualTo(made.plusSeconds(7));
    assertThat(states.stateDuration()).hasSeconds(3);
    assertThat(states.generation()).isNotEqualTo(before);
  }

  @Test
  void aStateThatIsEnteredAgainIsANewOne() {
    states.enter(EndpointState.DOWN, GONE, BACKOFF);
    int before = states.generation();
    time.advance(Duration.ofSeconds(3));

    states.enter(EndpointState.DOWN, GONE, BACKOFF);

    assertThat(states.generation()).isNotEqualTo(before);
    assertThat(states.stateDuration()).isZero();
  }

  @Test
  void aChangeIsToldWhenItIsDeliveredAndNotBefore() {
    states.enter(EndpointState.DOWN, GONE, BACKOFF);
    states.enter(EndpointState.UP, null, Duration.ZERO);
    assertThat(own).isEmpty();
    assertThat(told).isEmpty();

    states.deliver();

    assertThat(own).isEqualTo(told);
    assertThat(told)
        .containsExactly(
            new EndpointChange(
                "home",
                "http://127.0.0.1:11434",
                EndpointState.UP,
                EndpointState.DOWN,
                FailureKind.TUNNEL_DOWN,
                "nobody there",
                BACKOFF),
            new EndpointChange(
                "home",
                "http://127.0.0.1:11434",
                EndpointState.DOWN,
                EndpointState.UP,
                null,
                "",
                Duration.ZERO));
  }

  @Test
  void aReasonThatIsKnownLaterIsToldToListenersAndBeginsNoState() {
    states.enter(EndpointState.DOWN, GONE, BACKOFF);
    states.deliver();
    int before = states.generation();

    states.announce(AttemptException.of(FailureKind.WEDGED, "it hangs"), BACKOFF);
    states.deliver();

    assertThat(states.generation()).isEqualTo(before);
    assertThat(own).hasSize(1);
    assertThat(told).hasSize(2);
    assertThat(told.get(1).from()).isEqualTo(EndpointState.DOWN);
    assertThat(told.get(1).to()).isEqualTo(EndpointState.DOWN);
    assertThat(told.get(1).cause()).isEqualTo(FailureKind.WEDGED);
  }

  @Test
  void whatComesFirstIsDoneBeforeAnyoneIsTold() {
    states.enter(EndpointState.DOWN, GONE, BACKOFF);

    states.deliverAfter(
        () -> {
          assertThat(own).isEmpty();
          assertThat(told).isEmpty();
        });

    assertThat(own).hasSize(1);
    assertThat(told).hasSize(1);
  }
}
