// SPDX-License-Identifier: Apache-2.0
/** Counts what attempts used and cost. Start with {@link AttemptBill}. */
@org.jspecify.annotations.NullMarked
package dev.offmeter.internal.meter;
