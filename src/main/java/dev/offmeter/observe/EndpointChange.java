// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.observe;

import dev.offmeter.FailureKind;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * An endpoint's state has changed.
 *
 * @param endpoint its name
 * @param origin where it is: scheme, host and port, without a path; empty for a function
 * @param from the state before
 * @param to the state now
 * @param cause what went wrong last, null when it is up
 * @param message the same in words, redacted; empty when it is up
 * @param backoff its pause, after which a call tries it again; zero unless it is down. A health
 *     check may find it well before, or keep it shut for longer
 */
public record EndpointChange(
    String endpoint,
    String origin,
    EndpointState from,
    EndpointState to,
    @Nullable FailureKind cause,
    String message,
    Duration backoff) {}
