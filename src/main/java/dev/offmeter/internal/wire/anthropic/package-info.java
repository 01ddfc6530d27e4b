// SPDX-License-Identifier: Apache-2.0
/**
 * Speaks Anthropic's messages API. Start with {@link
 * dev.offmeter.internal.wire.anthropic.AnthropicChat}.
 */
@org.jspecify.annotations.NullMarked
package dev.offmeter.internal.wire.anthropic;
