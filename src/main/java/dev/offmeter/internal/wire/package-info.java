// SPDX-License-Identifier: Apache-2.0
/**
 * Turns bytes into messages and back; each protocol has a package of its own below this one. Start
 * with {@link dev.offmeter.internal.wire.Protocol}. Nothing here knows of failover, deadlines or
 * other endpoints.
 */
@org.jspecify.annotations.NullMarked
package dev.offmeter.internal.wire;
