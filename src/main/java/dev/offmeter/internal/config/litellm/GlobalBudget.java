// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.config.litellm;

import dev.offmeter.guard.Budget;
import java.time.DateTimeException;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Reads the budget of all calls: {@code max_budget}, {@code budget_duration} and {@code timezone}
 * of {@code litellm_settings}. In LiteLLM a duration of a day, a week or a month begins with that
 * of the calendar (get_next_standardized_reset_time of its duration_parser.py), as windows do here.
 * Those of a deployment or a provider begin with the first request, which no window here does.
 */
final class GlobalBudget {
  private static final String NAME = "litellm";
  private static final Set<String> DAY = Set.of("1d", "24h");
  private static final Set<String> WEEK = Set.of("7d");
  private static final Set<String> MONTH = Set.of("30d", "1mo");

  private GlobalBudget() {}

  /** Returns the budget, if there is one that means the same here; the others are noted. */
  static List<Budget> read(ConfigNode settings) {
    ConfigNode most = settings.field("max_budget");
    ConfigNode duration = settings.field("budget_duration");
    ConfigNode zone = settings.field("timezone");
    if (most == null || most.amount().signum() == 0 || !isKnown(duration)) {
      noteIgnored(most);
      noteIgnored(duration);
      noteIgnored(zone);
      return List.of();
    }
    Budget[] budget = new Budget[1];
    String dollars = most.amount().toPlainString();
    most.apply(node -> budget[0] = Budget.money(NAME, dollars, "USD"));
    if (duration == null) {
      noteIgnored(zone);
      return List.of(budget[0]);
    }
    return List.of(per(budget[0], duration.text(), zone(zone)));
  }

  private static boolean isKnown(@Nullable ConfigNode duration) {
    if (duration == null) {
      return true;
    }
    String text = duration.text();
    return DAY.contains(text) || WEEK.contains(text) || MONTH.contains(text);
  }

  private static void noteIgnored(@Nullable ConfigNode node) {
    if (node != null) {
      node.noteIgnored();
    }
  }

  private static Budget per(Budget budget, String duration, ZoneId zone) {
    if (DAY.contains(duration)) {
      return budget.perDay(zone);
    }
    return WEEK.contains(duration) ? budget.perWeek(zone) : budget.perMonth(zone);
  }

  private static ZoneId zone(@Nullable ConfigNode zone) {
    if (zone == null) {
      return ZoneOffset.UTC;
    }
    try {
      return ZoneId.of(zone.text());
    } catch (DateTimeException e) {
      throw zone.wrong("must be a known time zone such as Europe/Zurich");
    }
  }
}
