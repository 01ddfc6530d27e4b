// SPDX-License-Identifier: Apache-2.0
/**
 * Reads endpoints from environment variables. Start with {@link
 * dev.offmeter.internal.config.Environment}.
 */
@org.jspecify.annotations.NullMarked
package dev.offmeter.internal.config;
