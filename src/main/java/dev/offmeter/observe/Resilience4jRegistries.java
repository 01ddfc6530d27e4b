// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.observe;

import io.github.resilience4j.bulkhead.BulkheadRegistry;
import io.github.resilience4j.circuitbreaker.CircuitBreakerRegistry;
import io.github.resilience4j.timelimiter.TimeLimiterRegistry;

/**
 * The Resilience4j registries of one client, each with one entry per endpoint under the endpoint's
 * name. Bind them to your metrics, but do not change their entries: the client does not undo that.
 * A consumer of their events must neither throw nor block: it runs in the middle of the library's
 * own work.
 *
 * @param circuitBreakers open while an endpoint is DOWN or WARMING
 * @param timeLimiters the timeout of one attempt; an attempt that ends in time is a success here,
 *     whatever its outcome
 * @param bulkheads {@code maxConcurrent}
 */
public record Resilience4jRegistries(
    CircuitBreakerRegistry circuitBreakers,
    TimeLimiterRegistry timeLimiters,
    BulkheadRegistry bulkheads) {}
