// SPDX-License-Identifier: Apache-2.0
/**
 * Bytes to messages and back, one file a protocol. Start with {@link dev.offmeter.wire.Protocol}.
 * Nothing here knows of failover, deadlines or other endpoints.
 */
@org.jspecify.annotations.NullMarked
package dev.offmeter.wire;
