// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.testkit;

import dev.offmeter.ChatResponse.ToolCall;
import dev.offmeter.FailureKind;
import dev.offmeter.FinishReason;
import dev.offmeter.Usage;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.http.Exchange;
import dev.offmeter.internal.http.ExchangeListener;
import dev.offmeter.internal.http.ExchangeResult;
import dev.offmeter.internal.http.PartialAnswer;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CountDownLatch;
import org.jspecify.annotations.Nullable;

/** Performs one attempt as a step says, on the thread that asks. */
final class ScriptedExchange implements Exchange, PartialAnswer {
  private static final String MODEL = "fake-model";

  private final Script script;
  private final ExchangeListener listener;
  private final Runnable onAsked;
  private final CountDownLatch cancelled = new CountDownLatch(1);
  private final StringBuilder text = new StringBuilder();
  private final StringBuilder thinking = new StringBuilder();
  private final List<ToolCall> toolCalls = new ArrayList<>();
  private @Nullable Step step;
  private int sent;

  ScriptedExchange(Script script, ExchangeListener listener, Runnable onAsked) {
    this.script = script;
    this.listener = listener;
    this.onAsked = onAsked;
  }

  @Override
  public @Nullable ExchangeResult next() throws AttemptException {
    Step now = step == null ? begin() : step;
    if (sent < piecesOf(now)) {
      add(now.pieces().get(sent++));
      listener.onDelta();
      return null;
    }
    return switch (now.ending()) {
      case WHOLE -> whole(now);
      case STALL -> {
        // Not before: a test that hears of it moves the time, and the pieces come before that.
        onAsked.run();
        throw silence();
      }
      default -> throw failure(Objects.requireNonNull(now.failure()));
    };
  }

  private Step begin() throws AttemptException {
    listener.onConnecting();
    listener.onConnected();
    Step begun = script.next();
    step = begun;
    if (begun.ending() != Step.Ending.STALL) {
      onAsked.run();
    }
    if (begun.outcome() == Step.Outcome.SILENCE) {
      throw silence();
    }
    if (begun.outcome() == Step.Outcome.ERROR) {
      throw failure(Objects.requireNonNull(begun.failure()));
    }
    if (begun.ending() == Step.Ending.WHOLE || begun.after() > 0) {
      listener.onReply();
    }
    return begun;
  }

  private static int piecesOf(Step step) {
    return step.ending() == Step.Ending.WHOLE ? step.pieces().size() : step.after();
  }

  private void add(Piece piece) {
    ToolCall call = piece.toolCall();
    if (call != null) {
      toolCalls.add(call);
    } else {
      (piece.kind() == Piece.Kind.THINKING ? thinking : text).append(piece.text());
    }
  }

  private ExchangeResult whole(Step step) {
    listener.onTextEnded();
    return new ExchangeResult(
        text.toString(),
        thinking.toString(),
        MODEL,
        new Usage(Api.PROMPT_TOKENS, step.pieces().size()),
        toolCalls.isEmpty() ? FinishReason.STOP : FinishReason.TOOL_CALLS,
        List.copyOf(toolCalls),
        200);
  }

  private static AttemptException failure(Step.Failure scripted) {
    FailureKind kind = Objects.requireNonNull(scripted.kind());
    AttemptException failure = AttemptException.of(kind, "scripted");
    return scripted.retryAfter() == null ? failure : failure.withRetryAfter(scripted.retryAfter());
  }

  /** Waits until the client gives up. */
  private AttemptException silence() {
    try {
      cancelled.await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    return AttemptException.of(FailureKind.CANCELLED, "given up");
  }

  @Override
  public PartialAnswer partialAnswer() {
    return this;
  }

  @Override
  public CharSequence text() {
    return text;
  }

  @Override
  public CharSequence thinking() {
    return thinking;
  }

  @Override
  public int withdrawals() {
    return 0;
  }

  @Override
  public void cancel() {
    cancelled.countDown();
  }

  @Override
  public void close() {
    // There is no connection.
  }
}
