// SPDX-License-Identifier: Apache-2.0
/** Calls LLMs over an ordered list of endpoints. Start with {@link dev.offmeter.LlmClient}. */
@org.jspecify.annotations.NullMarked
package dev.offmeter;
