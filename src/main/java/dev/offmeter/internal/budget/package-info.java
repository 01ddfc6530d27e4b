// SPDX-License-Identifier: Apache-2.0
/**
 * Reserves in budgets before a request is sent, and settles after it has ended. Start with {@link
 * dev.offmeter.internal.budget.BudgetKeeper}.
 */
@org.jspecify.annotations.NullMarked
package dev.offmeter.internal.budget;
