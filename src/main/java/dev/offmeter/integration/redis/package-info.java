// SPDX-License-Identifier: Apache-2.0
/**
 * Keeps the counts of budgets in Redis, for several processes. Needs {@code
 * io.lettuce:lettuce-core}, which Offmeter does not bring.
 */
@org.jspecify.annotations.NullMarked
package dev.offmeter.integration.redis;
