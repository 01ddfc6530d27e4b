// SPDX-License-Identifier: Apache-2.0
/** Holds what an operator sees. Start with {@link dev.offmeter.observe.LlmListener}. */
@org.jspecify.annotations.NullMarked
package dev.offmeter.observe;
