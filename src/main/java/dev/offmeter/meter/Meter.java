// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.meter;

import dev.offmeter.guard.BudgetStatus;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Counts what the calls of one client use and cost, in memory, since the client was built. Holds no
 * prompt and no answer. Safe for use by many threads. Metering never fails a call and never blocks
 * it.
 */
public interface Meter {
  /** The name under which everything is counted for which there is no room of its own. */
  String OTHER = "other";

  /** Returns all that has been counted so far. */
  MeterSnapshot snapshot();

  /** Returns a report of all that has been counted so far, as a page, as text or as CSV. */
  MeterReport report();

  /**
   * Counts an outcome, which is what the money was spent for, such as {@code email-accepted}.
   *
   * @param name at most 1,000 different ones; not blank
   * @param tags names and values of tags in turn, such as {@code "feature", "follow-up"}
   * @throws IllegalArgumentException if the name is blank, or a tag has no value
   */
  void outcome(String name, String... tags);

  /**
   * Returns the state of every budget of the client; of one that counts by the values of a tag, or
   * by session, that of each count that this client has used. Beyond 1,000 these are forgotten, and
   * those are returned that are used from then on. A store that may block is asked for each count:
   * there are none while it does not work, or takes more than 5 s for all.
   */
  List<BudgetStatus> budgets();

  /** Returns how many rows the usage log has taken, and how many wait; empty without one. */
  Optional<UsageLogStatus> usageLog();

  /** Counts an outcome with tags; see {@link #outcome(String, String...)}. */
  void outcome(String name, Map<String, String> tags);
}
