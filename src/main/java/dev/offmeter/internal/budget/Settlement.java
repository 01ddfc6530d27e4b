// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.budget;

import dev.offmeter.guard.BudgetStore.Claim;
import java.util.List;

/**
 * Tells a store what became of a reservation.
 *
 * @param used for each claim
 */
record Settlement(String reservation, List<Claim> claims, List<Long> used) {
  /** Returns the settlement of a request that was never sent. */
  static Settlement ofNothing(String reservation, List<Claim> claims) {
    return new Settlement(reservation, claims, claims.stream().map(claim -> 0L).toList());
  }
}
