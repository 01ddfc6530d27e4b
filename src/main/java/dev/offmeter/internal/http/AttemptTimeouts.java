// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * The clocks of one attempt.
 *
 * @param attempt one whole try
 * @param connect DNS, TCP and TLS
 * @param firstToken from dispatch to the first piece of answer or thinking
 * @param stall between two pieces, once the answer has begun
 * @param stream the delivery of one streamed answer, its reader's pauses not counted
 * @param minimumRate the slowest that it may then come, null for any
 */
public record AttemptTimeouts(
    Duration attempt,
    Duration connect,
    Duration firstToken,
    Duration stall,
    Duration stream,
    @Nullable MinimumRate minimumRate) {}
