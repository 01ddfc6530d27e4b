// SPDX-License-Identifier: Apache-2.0
/**
 * The clock, its timer, and what waits by them. Start with {@link
 * dev.offmeter.internal.time.TimeSource}.
 */
@org.jspecify.annotations.NullMarked
package dev.offmeter.internal.time;
