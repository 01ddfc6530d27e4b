// SPDX-License-Identifier: Apache-2.0
/**
 * Hands the rows of ended attempts to the application's usage log. Start with {@link
 * UsageLogWriter}.
 */
@org.jspecify.annotations.NullMarked
package dev.offmeter.internal.usagelog;
