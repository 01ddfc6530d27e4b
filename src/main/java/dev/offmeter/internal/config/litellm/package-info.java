// SPDX-License-Identifier: Apache-2.0
/**
 * Reads endpoints from a LiteLLM proxy's configuration file. Start with {@link
 * dev.offmeter.internal.config.litellm.LiteLlmConfig}.
 */
@org.jspecify.annotations.NullMarked
package dev.offmeter.internal.config.litellm;
