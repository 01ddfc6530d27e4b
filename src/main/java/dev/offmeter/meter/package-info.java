// SPDX-License-Identifier: Apache-2.0
/**
 * Tells what calls cost: prices and costs. Money is a {@link java.math.BigDecimal} with an ISO 4217
 * currency; amounts of two currencies are never added.
 */
@org.jspecify.annotations.NullMarked
package dev.offmeter.meter;
