// SPDX-License-Identifier: Apache-2.0
/**
 * Who is asked next, and for how long. Start with {@link dev.offmeter.failover.Failover}, the loop,
 * and its table, {@code Judgement}.
 */
@org.jspecify.annotations.NullMarked
package dev.offmeter.failover;
