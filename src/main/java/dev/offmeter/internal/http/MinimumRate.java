// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

import java.time.Duration;

/**
 * The slowest that an answer may come once it has begun.
 *
 * @param tokensPerSecond more than 0; a piece counts as a token
 * @param window over which it is measured, in time that the reader has waited
 */
public record MinimumRate(double tokensPerSecond, Duration window) {}
