// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

/**
 * Tokens that the endpoint says it used for the answer. A value that is no count (negative, with a
 * fraction, no number, or more than 100 million) is as good as none.
 *
 * @param inputTokens tokens of the prompt, 0 where the server reported none (Ollama leaves a zero
 *     count out, and an in-process endpoint counts nothing)
 * @param outputTokens tokens generated, thinking and the end token included, 0 where none were
 *     reported
 */
public record Usage(int inputTokens, int outputTokens) {
  /** What an endpoint that counts nothing reports. */
  public static final Usage NONE = new Usage(0, 0);
}
