// SPDX-License-Identifier: Apache-2.0
/**
 * Decides which endpoint is tried next, and for how long. Start with {@link
 * dev.offmeter.internal.failover.FailoverExecutor}, then read the loop in {@code FailoverCall} and
 * the table of failures in {@code FailurePolicy}.
 */
@org.jspecify.annotations.NullMarked
package dev.offmeter.internal.failover;
