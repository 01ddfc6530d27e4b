// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.failover;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.Attempt;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.FailureKind;
import dev.offmeter.FinishReason;
import dev.offmeter.Usage;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.failover.AnswerValidator;
import dev.offmeter.internal.failover.FailoverExecutor;
import dev.offmeter.internal.http.AttemptTimeouts;
import dev.offmeter.internal.http.EndpointConfig;
import dev.offmeter.internal.http.Exchange;
import dev.offmeter.internal.http.ExchangeListener;
import dev.offmeter.internal.http.ExchangeResult;
import dev.offmeter.internal.http.PartialAnswer;
import dev.offmeter.internal.http.Transport;
import dev.offmeter.internal.time.CancellationToken;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.observe.LlmListener;
import dev.offmeter.testing.EndpointConfigs;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Metering;
import dev.offmeter.testing.TemplateExchangeFactory;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;

/** An answer that was coming when its limit cut it: slow, and not dead. */
class SlowAnswerTest {
  private static final Duration LIMIT = Duration.ofSeconds(3);
  private static final ChatRequest REQUEST = ChatRequest.builder().user("a reminder").build();
  private static final AttemptTimeouts LIMITS =
      new AttemptTimeouts(LIMIT, LIMIT, LIMIT, Duration.ofSeconds(2), Duration.ofMinutes(10), null);

  private final ManualTime time = new ManualTime();
  private int piecesToCome = Integer.MAX_VALUE;
  private Duration gap = Duration.ofMillis(250);
  private Duration heldBack = Duration.ZERO;
  private final FailoverExecutor failover =
      new FailoverExecutor(
          List.of(
              EndpointConfigs.server("home", LIMITS, Integer.MAX_VALUE),
              EndpointConfigs.function("template", LIMITS, Integer.MAX_VALUE, request -> "")),
          this::opener,
          time,
          Runnable::run,
          () -> 0.5,
          null,
          new LlmListener() {},
          Metering.meter(time),
          Metering.noBudgets(time));

  private Transport.ExchangeFactory opener(EndpointConfig config) {
    return config.isLocal()
        ? new TemplateExchangeFactory()
        : (request, listener) -> new Trickle(listener);
  }

  /** A piece every 250 ms, as many as are to come, and then the end or silence. */
  private final class Trickle implements Exchange {
    private final ExchangeListener listener;
    private int come;
    private boolean cancelled;

    Trickle(ExchangeListener listener) {
      this.listener = listener;
    }

    @Override
    public ExchangeResult next() throws AttemptException {
      time.advance(come == 0 ? gap.plus(heldBack) : heldBack.isZero() ? gap : Duration.ZERO);
      if (cancelled) {
        throw AttemptException.of(FailureKind.TRUNCATED, "closed");
      }
      if (come < Math.abs(piecesToCome)) {
        come++;
        listener.onDelta();
        return null;
      }
      return piecesToCome < 0
          ? null
          : new ExchangeResult("Dear", "", "", Usage.NONE, FinishReason.STOP, List.of(), 200);
    }

    @Override
    public PartialAnswer partialAnswer() {
      return PartialAnswer.NOTHING;
    }

    @Override
    public void cancel() {
      cancelled = true;
    }

    @Override
    public void close() {}
  }

  private ChatResponse ask() {
    return failover.chat(
        REQUEST, Duration.ofMinutes(1), time.nanos(), new CancellationToken(), AnswerValidator.ANY);
  }

  private EndpointState state() {
    return failover.status().endpoints().get(0).state();
  }

  @Test
  void itSaysHowMuchHadComeAndWhatToSet() {
    Attempt failed = ask().attempts().get(0);

    assertThat(failed.failure()).contains(FailureKind.ATTEMPT_TIMEOUT);
    assertThat(failed.status()).hasValue(200);
    assertThat(failed.message())
        .startsWith("no complete answer in 3000 ms, though it was coming: 11 pieces, 4.0 a second")
        .contains("timeout", "firstTokenTimeout", "stream");
  }

  @Test
  void twoLongAnswersInARowTakeNothingFromThoseWithShortOnes() {
    ask();
    ask();
    assertThat(state()).isEqualTo(EndpointState.UP);

    piecesToCome = 4;

    assertThat(ask().endpoint()).isEqualTo("home");
  }

  @Test
  void oneShortAnswerForgivesTheLongOnesBefore() {
    for (int round = 0; round < 5; round++) {
      piecesToCome = Integer.MAX_VALUE;
      ask();
      ask();
      ask();
      piecesToCome = 4;
      assertThat(ask().endpoint()).isEqualTo("home");
    }
    assertThat(state()).isEqualTo(EndpointState.UP);
  }

  @Test
  void aNodeThatEndsNoneGoesDownInTheEnd() {
    int calls = 0;
    while (state() == EndpointState.UP && calls < 10) {
      ask();
      calls++;
    }

    assertThat(calls).isEqualTo(5);
  }

  @Test
  void oneThatHadFallenSilentCountsAsBefore() {
    piecesToCome = -3;
    Attempt failed = ask().attempts().get(0);
    ask();

    assertThat(failed.failure()).contains(FailureKind.STALLED);
    assertThat(failed.status()).as("its head had come").hasValue(200);
    assertThat(state()).isEqualTo(EndpointState.DOWN);
  }

  /** Holds the answer back, as a proxy does that collects it before it passes it on. */
  private void isHeldBackFor(Duration length) {
    heldBack = length;
    piecesToCome = 20;
  }

  @Test
  void whatIsKnownToBeHeldBackIsNamedAndSlowAndNotDead() {
    isHeldBackFor(Duration.ofSeconds(2));
    assertThat(ask().endpoint()).isEqualTo("home");
    isHeldBackFor(Duration.ofSeconds(4));

    Attempt failed = ask().attempts().get(0);
    ask();

    assertThat(failed.failure()).contains(FailureKind.ATTEMPT_TIMEOUT);
    assertThat(failed.message()).contains("came late and all at once", "hold the answer back");
    assertThat(state()).isEqualTo(EndpointState.UP);
    isHeldBackFor(Duration.ofSeconds(2));
    assertThat(ask().endpoint()).isEqualTo("home");
  }

  @Test
  void anAnswerThatComesPieceByPieceIsNotHeldBack() {
    isHeldBackFor(Duration.ofSeconds(2));
    ask();
    heldBack = Duration.ZERO;
    gap = Duration.ofMillis(100);
    ask();
    isHeldBackFor(Duration.ofSeconds(4));

    assertThat(ask().attempts().get(0).message()).doesNotContain("at once");
    ask();

    assertThat(state()).isEqualTo(EndpointState.DOWN);
  }
}
