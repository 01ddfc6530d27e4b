// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.endpoint;

import dev.offmeter.ChatRequest;
import dev.offmeter.FailureKind;
import dev.offmeter.FinishReason;
import dev.offmeter.Usage;
import dev.offmeter.wire.Failure;
import dev.offmeter.wire.ForeignCode;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** One call of an in-process function. */
final class LocalExchange implements Exchange {
  /** Far longer than a busy machine needs to begin it on another thread. */
  private static final Duration WITHIN = Duration.ofSeconds(1);

  private final Function<ChatRequest, String> function;
  private final ChatRequest request;
  private final Progress progress;
  private final Aside aside;

  LocalExchange(
      Function<ChatRequest, String> function,
      ChatRequest request,
      Progress progress,
      Executor workers) {
    this.function = function;
    this.request = request;
    this.progress = progress;
    this.aside = new Aside(workers, new LeftBehind());
  }

  @Override
  public Answer next() throws Failure {
    progress.connected();
    String text = call();
    if (text == null || Visible.nothingIn(text)) {
      throw failed("the function returned " + (text == null ? "null" : "a blank text"));
    }
    progress.piece();
    return new Answer(text, "", "", Usage.NONE, FinishReason.STOP, List.of(), 0);
  }

  private @Nullable String call() throws Failure {
    try {
      return aside.call(() -> function.apply(request), WITHIN);
    } catch (Aside.NoThread e) {
      return callHere();
    } catch (ExecutionException e) {
      throw failed("the function threw " + ForeignCode.described(e.getCause()));
    } catch (CancellationException e) {
      throw failed("the function was abandoned");
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw failed("interrupted");
    }
  }

  /** The last resort must not want for a thread: better without a clock than not at all. */
  private @Nullable String callHere() throws Failure {
    try {
      return ForeignCode.call(() -> function.apply(request));
    } catch (ForeignCode.Broken e) {
      throw failed("the function threw " + e.description());
    }
  }

  private static Failure failed(String message) {
    return Failure.of(FailureKind.FUNCTION_FAILED, message);
  }

  @Override
  public Heard heard() {
    return Heard.NOTHING;
  }

  @Override
  public void cancel() {
    aside.cancel();
  }

  @Override
  public void close() {
    // A function that has returned holds nothing.
  }
}
