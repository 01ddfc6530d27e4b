// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

/**
 * The tokens that the endpoint reports for the answer. A value that is no count (negative, with a
 * fraction, not a number, or more than 100 million) is treated as not reported.
 *
 * @param inputTokens tokens of the prompt, 0 where the server reported none (Ollama leaves a zero
 *     count out, and an in-process endpoint counts nothing)
 * @param outputTokens tokens generated, thinking and the end token included, 0 where none were
 *     reported
 */
public record Usage(int inputTokens, int outputTokens) {
  /** The usage of an endpoint that reports none. */
  public static final Usage NONE = new Usage(0, 0);
}
