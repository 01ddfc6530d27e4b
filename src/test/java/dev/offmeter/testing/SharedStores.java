// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.testing;

import dev.offmeter.guard.BudgetStore;

/**
 * Opens budget stores over one place, in this process and in others: an implementation is public,
 * and has a public constructor without parameters.
 */
public interface SharedStores {
  /** Returns a store over the data at an address, which lasts as long as the process. */
  BudgetStore open(String address);
}
