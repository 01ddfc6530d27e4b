// SPDX-License-Identifier: Apache-2.0
/**
 * Finds out whether an endpoint is alive: health checks, model loads, evidence from attempts.
 * Depends on the circuit breaker, never on the failover loop. Start with {@link
 * dev.offmeter.internal.health.HealthMonitor}.
 */
@org.jspecify.annotations.NullMarked
package dev.offmeter.internal.health;
