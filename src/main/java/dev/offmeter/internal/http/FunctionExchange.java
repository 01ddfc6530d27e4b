// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

import dev.offmeter.ChatRequest;
import dev.offmeter.FailureKind;
import dev.offmeter.FinishReason;
import dev.offmeter.Usage;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.UserCode;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** Calls an in-process function. */
final class FunctionExchange implements Exchange {
  /** Far longer than a busy machine needs to start a thread. */
  private static final Duration START_TIMEOUT = Duration.ofSeconds(1);

  private final Function<ChatRequest, String> function;
  private final ChatRequest request;
  private final ExchangeListener listener;
  private final OffloadedTask offloadedTask;

  FunctionExchange(
      Function<ChatRequest, String> function,
      ChatRequest request,
      ExchangeListener listener,
      Executor workers) {
    this.function = function;
    this.request = request;
    this.listener = listener;
    this.offloadedTask = new OffloadedTask(workers, new UnreturnedTasks());
  }

  @Override
  public ExchangeResult next() throws AttemptException {
    listener.onConnected();
    String text = call();
    if (text == null || VisibleText.isBlank(text)) {
      throw failure("the function returned " + (text == null ? "null" : "a blank text"));
    }
    listener.onDelta();
    return new ExchangeResult(text, "", "", Usage.NONE, FinishReason.STOP, List.of(), 0);
  }

  private @Nullable String call() throws AttemptException {
    try {
      return offloadedTask.call(() -> function.apply(request), START_TIMEOUT);
    } catch (OffloadedTask.NoThreadException e) {
      return callHere();
    } catch (ExecutionException e) {
      throw failure("the function threw " + UserCode.describe(e.getCause()));
    } catch (CancellationException e) {
      throw failure("the function was abandoned");
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw failure("interrupted");
    }
  }

  /**
   * Calls the function on this thread. It is the last resort, so it runs without a timeout rather
   * than not at all.
   */
  private @Nullable String callHere() throws AttemptException {
    try {
      return UserCode.call(() -> function.apply(request));
    } catch (UserCode.UserCodeException e) {
      throw failure("the function threw " + e.description());
    }
  }

  private static AttemptException failure(String message) {
    return AttemptException.of(FailureKind.FUNCTION_FAILED, message);
  }

  @Override
  public PartialAnswer partialAnswer() {
    return PartialAnswer.NOTHING;
  }

  @Override
  public void cancel() {
    offloadedTask.cancel();
  }

  @Override
  public void close() {
    // A function that has returned holds nothing.
  }
}
