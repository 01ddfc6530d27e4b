// SPDX-License-Identifier: Apache-2.0
/** Speaks Gemini's API. Start with {@link dev.offmeter.internal.wire.gemini.GeminiChat}. */
@org.jspecify.annotations.NullMarked
package dev.offmeter.internal.wire.gemini;
