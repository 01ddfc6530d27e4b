// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

/**
 * The reason why the model stopped. An answer that stopped for any other reason is a failed
 * attempt.
 */
public enum FinishReason {
  /** The model ended by itself or met a stop sequence: the answer is complete. */
  STOP,
  /**
   * The answer reached {@link ChatRequest#maxTokens()} and ends there, perhaps in mid-sentence. An
   * answer that was cut sooner, because the model's context was full, is a failed attempt instead.
   */
  LENGTH,
  /** The model wants the results of {@link ChatResponse#toolCalls()} before it goes on. */
  TOOL_CALLS
}
