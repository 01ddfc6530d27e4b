// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * Holds the timeouts of one attempt.
 *
 * @param attempt for the whole attempt
 * @param connect for DNS, TCP and TLS
 * @param firstToken from dispatch to the first piece of answer or thinking
 * @param stall between two pieces, once the answer has begun
 * @param stream for the delivery of one streamed answer, the reader's pauses not counted
 * @param minimumRate the slowest rate of such an answer, null for any
 */
public record AttemptTimeouts(
    Duration attempt,
    Duration connect,
    Duration firstToken,
    Duration stall,
    Duration stream,
    @Nullable MinimumRate minimumRate) {}
