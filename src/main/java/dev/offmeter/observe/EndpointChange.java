// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.observe;

import dev.offmeter.FailureKind;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * Reports that an endpoint's state has changed.
 *
 * @param endpoint the endpoint's name
 * @param origin scheme, host and port, without a path; empty for a function
 * @param from the state before
 * @param to the state now
 * @param cause the last failure; null when the endpoint is UP
 * @param message the failure in words, redacted; empty when the endpoint is UP
 * @param backoff the time until a call tries the endpoint again; zero unless it is DOWN. A health
 *     check may end it earlier, or extend it
 */
public record EndpointChange(
    String endpoint,
    String origin,
    EndpointState from,
    EndpointState to,
    @Nullable FailureKind cause,
    String message,
    Duration backoff) {}
