// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

import dev.offmeter.ChatResponse.ToolCall;
import dev.offmeter.FinishReason;
import dev.offmeter.Usage;
import java.util.List;

/**
 * Holds one complete, checked answer.
 *
 * @param text the answer, blank only beside tool calls
 * @param thinking the model's thinking before it
 * @param model the model as reported
 * @param usage the tokens as reported
 * @param finishReason why the model stopped
 * @param toolCalls the tools that the model wants to be called
 * @param status the HTTP status, 0 for an in-process function
 */
public record ExchangeResult(
    String text,
    String thinking,
    String model,
    Usage usage,
    FinishReason finishReason,
    List<ToolCall> toolCalls,
    int status) {
  /** Returns a copy with another name for the model. */
  ExchangeResult withModel(String other) {
    return new ExchangeResult(text, thinking, other, usage, finishReason, toolCalls, status);
  }

  /** Shows lengths only, so that no answer gets into a log. */
  @Override
  public String toString() {
    return "Answer[" + text.length() + " chars, " + model + "]";
  }
}
