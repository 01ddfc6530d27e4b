// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import dev.offmeter.ChatResponse;
import dev.offmeter.LlmException;
import dev.offmeter.internal.UserCode;
import dev.offmeter.internal.time.CancellationToken;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * The hedge of one call: a second endpoint, asked on a thread of the client's own while the first
 * is silent. Whichever has the first complete answer ends the other. There is one hedge at a time,
 * and while it runs the call goes to no third endpoint.
 */
final class HedgeController {
  private static final String LOST = "another endpoint answered first";

  private final FailoverCall call;
  private final HedgingPolicy policy;
  private final CancellationToken callToken;
  private final CallRecorder recorder;

  /** A token of the hedge's own: the loser is ended while the call goes on. */
  private final CancellationToken hedgeToken = new CancellationToken();

  private final ReentrantLock lock = new ReentrantLock();

  // The three below: under the lock. The timer's thread begins hedges while the call's moves on.

  /** The outcome of the hedge that was begun last; null while there is none. */
  private @Nullable CompletableFuture<Step> outcome;

  /** True while the call is between two endpoints. */
  private boolean movingOn;

  private boolean ended;

  HedgeController(FailoverCall call, HedgingPolicy policy, CallContext context) {
    this.call = call;
    this.policy = policy;
    this.callToken = context.token();
    this.recorder = context.recorder();
    policy.addBudget();
  }

  /** Returns the nanoseconds that the first endpoint may be silent before a hedge begins. */
  long delay() {
    return policy.delay();
  }

  /**
   * Begins the hedge, if there is an endpoint for it and the client's share allows it.
   *
   * @return whether it has begun
   */
  boolean start() {
    CompletableFuture<Step> begun = new CompletableFuture<>();
    lock.lock();
    try {
      // While the call moves on, it and the hedge would take the same next endpoint.
      boolean wanted = !ended && !movingOn && outcome == null && call.hasHedgeCandidate();
      // The budget comes last: it is spent by asking.
      if (!wanted || !policy.trySpend()) {
        return false;
      }
      outcome = begun;
    } finally {
      lock.unlock();
    }
    // The client may be closed, which ends the call too, or the process without a further thread.
    if (UserCode.run(() -> policy.workers().execute(() -> run(begun))) != null) {
      begun.complete(Step.EXHAUSTED);
    }
    return true;
  }

  private void run(CompletableFuture<Step> begun) {
    try {
      Step step = call.runHedge(hedgeToken);
      // Completed first: the call's thread, which the cancellation wakes, must find the answer.
      begun.complete(step);
      if (step instanceof Step.Answered) {
        callToken.cancel(LOST);
      }
    } catch (Throwable e) {
      begun.completeExceptionally(e);
      callToken.cancel("the second endpoint ended the call");
    }
  }

  /**
   * Waits for the hedge, if there is one, as the first endpoint has failed. No other begins until
   * the call has {@linkplain #onNextStarted() its next endpoint}.
   *
   * @return its answer, or {@code CONTINUE} if it has none
   * @throws LlmException if it has ended the call
   */
  Step awaitOutcome() {
    CompletableFuture<Step> hedged = setMovingOn(true);
    if (hedged == null) {
      return Step.CONTINUE;
    }
    // A copy is cancelled, not the outcome: listeners may have heard of the answer in it.
    CompletableFuture<Step> copy = hedged.thenApply(step -> step);
    callToken.cancelWhenRequested(copy);
    return await(copy);
  }

  /** Called when the call is at its next endpoint, beside which a hedge may begin. */
  void onNextStarted() {
    CompletableFuture<Step> unused = setMovingOn(false);
  }

  private @Nullable CompletableFuture<Step> setMovingOn(boolean moves) {
    lock.lock();
    try {
      movingOn = moves;
      return outcome;
    } finally {
      lock.unlock();
    }
  }

  private Step await(CompletableFuture<Step> hedged) {
    try {
      Step step = hedged.get();
      if (step instanceof Step.Answered) {
        return step;
      }
      reset();
    } catch (InterruptedException e) {
      // The loop reads the flag next, as it does the token.
      Thread.currentThread().interrupt();
    } catch (CancellationException e) {
      // The loop reads the token next.
    } catch (ExecutionException e) {
      throw rethrown(e.getCause());
    }
    return Step.CONTINUE;
  }

  /** The call's next endpoint may have a hedge too. */
  private void reset() {
    lock.lock();
    try {
      outcome = null;
    } finally {
      lock.unlock();
    }
  }

  private static RuntimeException rethrown(@Nullable Throwable cause) {
    if (cause instanceof Error error) {
      throw error;
    }
    return cause instanceof RuntimeException known ? known : new IllegalStateException(cause);
  }

  /** Returns the hedge's answer, if that is why the first endpoint's attempt was ended. */
  @Nullable ChatResponse winningAnswer() {
    // No hedge may begin from here on: its answer would come after this has been decided.
    CompletableFuture<Step> hedged = setMovingOn(true);
    if (hedged == null) {
      return null;
    }
    if (recorder.isAnswered()) {
      // Everybody has been told of the answer but this thread: it is there, or about to be.
      return answer(hedged.handle((step, failure) -> step).join());
    }
    return hedged.isDone() && !hedged.isCancelled() ? answer(await(hedged)) : null;
  }

  private static @Nullable ChatResponse answer(@Nullable Step step) {
    return step instanceof Step.Answered answered ? answered.response() : null;
  }

  /** Ends the hedge with its call. */
  void end() {
    lock.lock();
    try {
      // A timer that fires at this moment would else ask an endpoint for a call that is over.
      ended = true;
    } finally {
      lock.unlock();
    }
    hedgeToken.cancel(LOST);
  }
}
