// SPDX-License-Identifier: Apache-2.0
/**
 * Speaks the chat completions API of OpenAI and of the servers that are compatible with it. Start
 * with {@link dev.offmeter.internal.wire.openai.OpenAiChat}.
 */
@org.jspecify.annotations.NullMarked
package dev.offmeter.internal.wire.openai;
