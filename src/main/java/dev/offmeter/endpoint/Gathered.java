// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.endpoint;

import dev.offmeter.ChatRequest;
import dev.offmeter.FailureKind;
import dev.offmeter.FinishReason;
import dev.offmeter.wire.Ending;
import dev.offmeter.wire.Failure;
import dev.offmeter.wire.Pieces;

/** Gathers the pieces of one answer and checks the whole. */
final class Gathered implements Pieces {
  private final StringBuilder text = new StringBuilder();
  private final StringBuilder thinking = new StringBuilder();
  private final Progress progress;

  Gathered(Progress progress) {
    this.progress = progress;
  }

  @Override
  public void text(String piece) {
    progress.piece();
    text.append(piece);
  }

  @Override
  public void thinking(String piece) {
    progress.piece();
    thinking.append(piece);
  }

  @Override
  public void textWasThinking() {
    thinking.append(text);
    text.setLength(0);
  }

  CharSequence text() {
    return text;
  }

  CharSequence thinking() {
    return thinking;
  }

  Answer answer(ChatRequest request, Ending ending, int status) throws Failure {
    String whole = text.toString();
    boolean cut = ending.finishReason() == FinishReason.LENGTH;
    if (whole.isBlank()) {
      throw cut && !thinking.isEmpty()
          ? Failure.of(
              FailureKind.THINKING_ONLY,
              "all " + request.maxTokens() + " tokens went into thinking: raise maxTokens")
          : Failure.of(FailureKind.EMPTY_ANSWER, "a complete reply without text");
    }
    int tokens = ending.usage().outputTokens();
    if (cut && tokens > 0 && tokens < request.maxTokens()) {
      throw Failure.of(
          FailureKind.CONTEXT_OVERFLOW,
          "the context was full after " + tokens + " of " + request.maxTokens() + " tokens");
    }
    return new Answer(
        whole, thinking.toString(), ending.model(), ending.usage(), ending.finishReason(), status);
  }
}
