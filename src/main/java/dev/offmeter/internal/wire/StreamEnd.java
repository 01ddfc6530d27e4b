// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import dev.offmeter.FinishReason;
import dev.offmeter.Usage;

/**
 * Holds what the end marker of an answer said.
 *
 * @param model the model that the server says it used, empty if it did not say
 * @param usage the tokens
 * @param finishReason why the model stopped
 * @param atOwnLimit whether {@code LENGTH} can only mean the request's own limit; other servers use
 *     the same word for a full context
 */
public record StreamEnd(String model, Usage usage, FinishReason finishReason, boolean atOwnLimit) {
  /** Creates an end by the model's own decision, or at a limit that may be the context's. */
  public StreamEnd(String model, Usage usage, FinishReason finishReason) {
    this(model, usage, finishReason, false);
  }
}
