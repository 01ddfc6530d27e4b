// SPDX-License-Identifier: Apache-2.0
/** Writes the report of what calls cost. Start with {@link CostReport}. */
@org.jspecify.annotations.NullMarked
package dev.offmeter.internal.report;
