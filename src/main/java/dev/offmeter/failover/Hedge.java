// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import dev.offmeter.ChatResponse;
import dev.offmeter.LlmException;
import dev.offmeter.wire.ForeignCode;
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
final class Hedge {
  private static final String LOST = "another endpoint answered first";

  private final OneCall call;
  private final Hedging hedging;
  private final Cancellation first;
  private final Cancellation own = new Cancellation();
  private final ReentrantLock lock = new ReentrantLock();
  private @Nullable CompletableFuture<@Nullable ChatResponse> second;
  private boolean movingOn;
  private boolean trial;
  private boolean over;

  Hedge(OneCall call, Hedging hedging, Cancellation first) {
    this.call = call;
    this.hedging = hedging;
    this.first = first;
    hedging.earn();
  }

  /** How long the first endpoint may be silent. */
  long after() {
    return hedging.after();
  }

  /** The first endpoint has been silent for long. */
  void silent() {
    CompletableFuture<@Nullable ChatResponse> begun = new CompletableFuture<>();
    lock.lock();
    try {
      boolean wanted = !over && !movingOn && second == null && call.hasAnother();
      if (!wanted || !hedging.spend()) {
        return;
      }
      second = begun;
    } finally {
      lock.unlock();
    }
    boolean unused = execute(begun, () -> call.askAnother(own));
  }

  /** Ends what runs beside the call. */
  Cancellation lane() {
    return own;
  }

  /** Whether nothing runs beside the call. */
  boolean isFree() {
    lock.lock();
    try {
      return second == null;
    } finally {
      lock.unlock();
    }
  }

  /** Goes on with an endpoint that is on trial, while the call goes to the next. */
  void tries(Visit visit) {
    CompletableFuture<@Nullable ChatResponse> begun = new CompletableFuture<>();
    lock.lock();
    try {
      trial = true;
      second = begun;
    } finally {
      lock.unlock();
    }
    hedging.begins(own);
    if (!execute(begun, () -> OneCall.finish(visit))) {
      visit.abandon();
    }
  }

  /** Whether a thread has taken it. */
  private boolean execute(
      CompletableFuture<@Nullable ChatResponse> begun, Supplier<@Nullable ChatResponse> asking) {
    // The client may be closed, which ends the call too, or the process without a further thread.
    boolean handed =
        ForeignCode.run(() -> hedging.workers().execute(() -> run(begun, asking))) == null;
    if (!handed) {
      hedging.ends(own);
      begun.complete(null);
      trialHasFailed(begun);
    }
    return handed;
  }

  private void run(
      CompletableFuture<@Nullable ChatResponse> begun, Supplier<@Nullable ChatResponse> asking) {
    try {
      ChatResponse response = asking.get();
      begun.complete(response);
      if (response != null) {
        first.cancel(LOST);
      } else {
        trialHasFailed(begun);
      }
    } catch (Throwable e) {
      begun.completeExceptionally(e);
      first.cancel("the second endpoint ended the call");
    } finally {
      hedging.ends(own);
    }
  }

  /** It was not the call's second endpoint, which it may still have. */
  private void trialHasFailed(CompletableFuture<@Nullable ChatResponse> begun) {
    lock.lock();
    try {
      if (trial && second == begun) {
        second = null;
        trial = false;
      }
    } finally {
      lock.unlock();
    }
  }

  /**
   * Waits for the second endpoint, if one is being asked: the first has failed. None is begun until
   * the first has its {@link #nextIsAsked() next}. A trial is waited for only if nobody else is
   * left.
   *
   * @param othersLeft whether the call may go on to another endpoint
   * @return its answer; null if there is none, or not yet
   * @throws LlmException if it has ended the call
   */
  @Nullable ChatResponse outcome(boolean othersLeft) {
    CompletableFuture<@Nullable ChatResponse> asked = moveOn(true);
    if (asked == null || (othersLeft && isTrial(asked) && !asked.isDone())) {
      return null;
    }
    first.waitsFor(asked);
    return answer(asked);
  }

  private boolean isTrial(CompletableFuture<@Nullable ChatResponse> asked) {
    lock.lock();
    try {
      return trial && second == asked;
    } finally {
      lock.unlock();
    }
  }

  /** The call has gone on to another endpoint. */
  void nextIsAsked() {
    CompletableFuture<@Nullable ChatResponse> unused = moveOn(false);
  }

  private @Nullable CompletableFuture<@Nullable ChatResponse> moveOn(boolean moves) {
    lock.lock();
    try {
      movingOn = moves;
      return second;
    } finally {
      lock.unlock();
    }
  }

  private @Nullable ChatResponse answer(CompletableFuture<@Nullable ChatResponse> asked) {
    try {
      ChatResponse response = asked.get();
      if (response == null) {
        again();
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
  private void again() {
    lock.lock();
    try {
      second = null;
      trial = false;
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
  @Nullable ChatResponse won(boolean answered) {
    CompletableFuture<@Nullable ChatResponse> asked = moveOn(true);
    if (asked == null) {
      return null;
    }
    if (answered) {
      return asked.handle((response, failure) -> response).join();
    }
    return asked.isDone() && !asked.isCancelled() ? answer(asked) : null;
  }

  /** The call is over, with an answer or without. */
  void end(boolean answered) {
    lock.lock();
    try {
      over = true;
      if (answered && trial) {
        return;
      }
    } finally {
      lock.unlock();
    }
    own.cancel(LOST);
  }
}
