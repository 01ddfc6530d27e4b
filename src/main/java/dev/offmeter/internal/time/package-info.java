// SPDX-License-Identifier: Apache-2.0
/**
 * Provides time, its timer, and waits that can be cancelled. Start with {@link
 * dev.offmeter.internal.time.TimeSource}.
 */
@org.jspecify.annotations.NullMarked
package dev.offmeter.internal.time;
