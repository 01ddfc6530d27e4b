// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

import java.time.Duration;

/**
 * Sets the slowest rate at which an answer may arrive once it has begun.
 *
 * @param tokensPerSecond more than 0; a piece counts as a token
 * @param window the time over which the rate is measured; the reader's own pauses do not count
 */
public record MinimumRate(double tokensPerSecond, Duration window) {}
