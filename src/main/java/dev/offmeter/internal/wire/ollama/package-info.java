// SPDX-License-Identifier: Apache-2.0
/** Speaks Ollama's native API. Start with {@link dev.offmeter.internal.wire.ollama.OllamaChat}. */
@org.jspecify.annotations.NullMarked
package dev.offmeter.internal.wire.ollama;
