// SPDX-License-Identifier: Apache-2.0
/**
 * Decides whether an endpoint may be asked: circuit breaker, back-off, rate limit, bulkhead.
 * Depends on time alone, not on calls or health checks. Start with {@link
 * dev.offmeter.internal.circuit.EndpointCircuitBreaker}.
 */
@org.jspecify.annotations.NullMarked
package dev.offmeter.internal.circuit;
