// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.wire;

import dev.offmeter.FinishReason;
import dev.offmeter.Usage;

/**
 * What the end marker of an answer said.
 *
 * @param model the model that the server says it used, empty if it did not say
 * @param usage the tokens
 * @param finishReason why the model stopped
 */
public record Ending(String model, Usage usage, FinishReason finishReason) {}
