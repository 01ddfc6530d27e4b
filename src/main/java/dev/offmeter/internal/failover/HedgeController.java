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
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * The second endpoint of one call: it is asked on a thread of the client's own while the first is
 * silent. Whichever has the first complete answer ends the other. One at a time, and while it is
 * there the call goes to no third.
 *
 * <p>Of an endpoint on trial nobody is to wait for the outcome: it is asked on that thread, and the
 * call goes on to the next. When that answers first, the trial is not ended: else a slow endpoint
 * would never be seen to be back.
 */
final class HedgeController {
  private static final String LOST = "another endpoint answered first";

  private final FailoverCall call;
  private final HedgingPolicy policy;
  private final CancellationToken callToken;
  private final CancellationToken hedgeToken = new CancellationToken();
  private final ReentrantLock lock = new ReentrantLock();
  private @Nullable CompletableFuture<@Nullable ChatResponse> secondCall;
  private boolean movingOn;
  private boolean onTrial;
  private boolean ended;

  HedgeController(FailoverCall call, HedgingPolicy policy, CancellationToken callToken) {
    this.call = call;
    this.policy = policy;
    this.callToken = callToken;
    policy.addBudget();
  }

  /** How long the first endpoint may be silent. */
  long delay() {
    return policy.delay();
  }

  /** The first endpoint has been silent for long. */
  void onSilence() {
    CompletableFuture<@Nullable ChatResponse> begun = new CompletableFuture<>();
    lock.lock();
    try {
      boolean wanted = !ended && !movingOn && secondCall == null && call.hasHedgeCandidate();
      if (!wanted || !policy.trySpend()) {
        return;
      }
      secondCall = begun;
    } finally {
      lock.unlock();
    }
    boolean unused = execute(begun, () -> call.runHedge(hedgeToken));
  }

  /** Ends what runs beside the call. */
  CancellationToken token() {
    return hedgeToken;
  }

  /** Whether nothing runs beside the call. */
  boolean isIdle() {
    lock.lock();
    try {
      return secondCall == null;
    } finally {
      lock.unlock();
    }
  }

  /** Goes on with an endpoint that is on trial, while the call goes to the next. */
  void runTrial(EndpointExecution execution) {
    CompletableFuture<@Nullable ChatResponse> begun = new CompletableFuture<>();
    lock.lock();
    try {
      onTrial = true;
      secondCall = begun;
    } finally {
      lock.unlock();
    }
    policy.onTrialStarted(hedgeToken);
    if (!execute(begun, () -> FailoverCall.runToEnd(execution))) {
      execution.abandon();
    }
  }

  /** Whether a thread has taken it. */
  private boolean execute(
      CompletableFuture<@Nullable ChatResponse> begun, Supplier<@Nullable ChatResponse> asking) {
    // The client may be closed, which ends the call too, or the process without a further thread.
    boolean handed = UserCode.run(() -> policy.workers().execute(() -> run(begun, asking))) == null;
    if (!handed) {
      policy.onTrialEnded(hedgeToken);
      begun.complete(null);
      onTrialFailed(begun);
    }
    return handed;
  }

  private void run(
      CompletableFuture<@Nullable ChatResponse> begun, Supplier<@Nullable ChatResponse> asking) {
    try {
      ChatResponse response = asking.get();
      begun.complete(response);
      if (response != null) {
        callToken.cancel(LOST);
      } else {
        onTrialFailed(begun);
      }
    } catch (Throwable e) {
      begun.completeExceptionally(e);
      callToken.cancel("the second endpoint ended the call");
    } finally {
      policy.onTrialEnded(hedgeToken);
    }
  }

  /** It was not the call's second endpoint, which it may still have. */
  private void onTrialFailed(CompletableFuture<@Nullable ChatResponse> begun) {
    lock.lock();
    try {
      if (onTrial && secondCall == begun) {
        secondCall = null;
        onTrial = false;
      }
    } finally {
      lock.unlock();
    }
  }

  /**
   * Waits for the second endpoint, if one is being asked: the first has failed. None is begun until
   * the first has its {@link #onNextStarted() next}. A trial is waited for only if nobody else is
   * left.
   *
   * @param othersLeft whether the call may go on to another endpoint
   * @return its answer; null if there is none, or not yet
   * @throws LlmException if it has ended the call
   */
  @Nullable ChatResponse awaitOutcome(boolean othersLeft) {
    CompletableFuture<@Nullable ChatResponse> asked = setMovingOn(true);
    if (asked == null || (othersLeft && isTrial(asked) && !asked.isDone())) {
      return null;
    }
    callToken.cancelWhenRequested(asked);
    return awaitAnswer(asked);
  }

  private boolean isTrial(CompletableFuture<@Nullable ChatResponse> asked) {
    lock.lock();
    try {
      return onTrial && secondCall == asked;
    } finally {
      lock.unlock();
    }
  }

  /** The call has gone on to another endpoint. */
  void onNextStarted() {
    CompletableFuture<@Nullable ChatResponse> unused = setMovingOn(false);
  }

  private @Nullable CompletableFuture<@Nullable ChatResponse> setMovingOn(boolean moves) {
    lock.lock();
    try {
      movingOn = moves;
      return secondCall;
    } finally {
      lock.unlock();
    }
  }

  private @Nullable ChatResponse awaitAnswer(CompletableFuture<@Nullable ChatResponse> asked) {
    try {
      ChatResponse response = asked.get();
      if (response == null) {
        reset();
      }
      return response;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return null;
    } catch (CancellationException e) {
      return null;
    } catch (ExecutionException e) {
      throw rethrown(e.getCause());
    }
  }

  /** The next endpoint may have a second beside it too. */
  private void reset() {
    lock.lock();
    try {
      secondCall = null;
      onTrial = false;
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

  /**
   * The answer of the second endpoint, if that is what ended the first.
   *
   * @param answered whether there is one, and everybody has been told but its caller
   */
  @Nullable ChatResponse winningAnswer(boolean answered) {
    CompletableFuture<@Nullable ChatResponse> asked = setMovingOn(true);
    if (asked == null) {
      return null;
    }
    if (answered) {
      return asked.handle((response, failure) -> response).join();
    }
    return asked.isDone() && !asked.isCancelled() ? awaitAnswer(asked) : null;
  }

  /** The call is over, with an answer or without. */
  void end(boolean answered) {
    lock.lock();
    try {
      ended = true;
      if (answered && onTrial) {
        return;
      }
    } finally {
      lock.unlock();
    }
    hedgeToken.cancel(LOST);
  }
}
