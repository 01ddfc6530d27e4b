// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import dev.offmeter.Attempt;
import dev.offmeter.ChatRequest;
import dev.offmeter.Usage;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.budget.BudgetHold;
import dev.offmeter.internal.budget.BudgetKeeper;
import dev.offmeter.internal.budget.StoreWait;
import dev.offmeter.internal.http.EndpointConfig;
import dev.offmeter.internal.meter.AttemptBill;
import dev.offmeter.internal.meter.MeterRecorder;
import dev.offmeter.internal.meter.TokenEstimator;
import dev.offmeter.internal.time.CancellationToken;
import dev.offmeter.internal.time.TimeSource;
import java.time.Duration;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Accounts for the questions of one diagnosis, which providers bill as they bill a call: each needs
 * room in the budgets, and is metered. Used by one thread.
 */
final class DiagnosisQuestions {
  static final ChatRequest REQUEST =
      ChatRequest.builder().user("Reply with OK.").maxTokens(1).build();

  private static final Usage ESTIMATE =
      new Usage(TokenEstimator.ofRequest(REQUEST), 1).asNotReported();

  private final TimeSource time;
  private final BudgetKeeper budgets;
  private final MeterRecorder meter;
  private final long call;
  private int sent;

  /**
   * Creates an account of no question yet.
   *
   * @param call the number of the diagnosis among the client's calls
   */
  DiagnosisQuestions(TimeSource time, BudgetKeeper budgets, MeterRecorder meter, long call) {
    this.time = time;
    this.budgets = budgets;
    this.meter = meter;
    this.call = call;
  }

  /** The part of the budgets that is reserved for a question, or why there is no room for it. */
  record Room(@Nullable BudgetHold hold, @Nullable AttemptException refusal) {
    static final Room UNNEEDED = new Room(null, null);

    /** Gives it back, unless it is settled. */
    void giveBack() {
      if (hold != null) {
        hold.settle(AttemptBill.NONE);
      }
    }
  }

  /** Takes one from the requests of the minute, and reserves it in the budgets. */
  Room take(GuardedEndpoint endpoint, CancellationToken token) {
    StoreWait wait = new StoreWait(() -> Long.MAX_VALUE, token);
    try {
      endpoint.rateLimiter().take(time.nanos());
      return new Room(
          budgets.forCall(REQUEST, false).reserve(endpoint.config(), REQUEST, wait), null);
    } catch (AttemptException refusal) {
      return new Room(null, refusal);
    }
  }

  /**
   * Counts a question that was sent.
   *
   * @param usage as reported, if it was
   * @param failure null if there is an answer
   */
  void settle(
      EndpointConfig config,
      Room room,
      Usage usage,
      @Nullable AttemptException failure,
      long nanos) {
    AttemptBill bill =
        usage.reported()
            ? AttemptBill.complete(config.price(), usage, nanos)
            : AttemptBill.givenUp(config.price(), ESTIMATE, nanos);
    if (room.hold() != null) {
      room.hold().settle(bill);
    }
    Duration elapsed = Duration.ofNanos(nanos);
    Attempt.Builder question =
        failure == null
            ? Attempt.builder(config.name())
                .origin(config.origin())
                .model(config.model())
                .elapsed(elapsed)
            : CallRecorder.toAttempt(config, failure, elapsed).toBuilder();
    Attempt attempt = CallRecorder.billed(question, bill);
    meter.onAttemptEnded(attempt, config.model(), config.price(), Map.of());
    meter.logAttempt(call, ++sent, REQUEST, config.model(), false, attempt);
  }
}
