// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.config;

import dev.offmeter.guard.Budget;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** Reads {@code OFFMETER_BUDGETS_0_LIMIT} and its companions: any number of budgets. */
final class BudgetVariables {
  private static final String PREFIX = "OFFMETER_BUDGETS_";
  private static final Pattern INDEX = Pattern.compile("(0|[1-9][0-9]?)_([A-Z]+)");
  private static final Set<String> KEYS = Setting.words(Setting.BUDGET);
  private static final Pattern MONEY = Pattern.compile("(\\S+) ([A-Z]{3})");
  private static final Pattern COUNT = Pattern.compile("(\\d{1,15})([kMG]?) (tokens|calls)");
  private static final Pattern CALENDAR = Pattern.compile("(day|week|month)( \\S+)?");

  private final EndpointVariables own;

  private BudgetVariables(EndpointVariables own) {
    this.own = own;
  }

  /** Returns whether a variable belongs to a budget, spelt right or wrong. */
  static boolean isOwn(String name) {
    return name.startsWith(PREFIX);
  }

  /** Returns the budgets in the order of their numbers. */
  static List<Budget> read(Map<String, String> variables) {
    Set<Integer> indices = new TreeSet<>();
    for (String name : variables.keySet()) {
      if (isOwn(name)) {
        indices.add(index(name));
      }
    }
    List<Budget> budgets = new ArrayList<>();
    for (int index : indices) {
      if (index != budgets.size()) {
        throw new IllegalStateException(
            PREFIX + " indices must run from 0 without a gap, were " + indices);
      }
      String prefix = PREFIX + index + "_";
      budgets.add(new BudgetVariables(new EndpointVariables(variables, prefix)).budget(index));
    }
    return budgets;
  }

  private static int index(String name) {
    Matcher key = INDEX.matcher(name.substring(PREFIX.length()));
    if (!key.matches() || !KEYS.contains(key.group(2))) {
      throw EndpointVariables.unknown(name, KEYS);
    }
    return Integer.parseInt(key.group(1));
  }

  private Budget budget(int index) {
    String name = own.get("NAME") == null ? "budget-" + index : own.require("NAME");
    own.set("NAME", given -> Budget.calls(given, 1));
    Budget[] budget = new Budget[1];
    own.require("LIMIT");
    own.set("LIMIT", limit -> budget[0] = limited(name, limit));
    own.set("PER", per -> budget[0] = per(budget[0], per));
    own.set("SCOPE", scope -> budget[0] = scoped(budget[0], scope));
    own.set("EXCEEDED", what -> budget[0] = budget[0].whenExceeded(whenExceeded(what)));
    own.set("ALERT", shares -> budget[0] = budget[0].alertAt(shares(shares)));
    return budget[0];
  }

  private static Budget limited(String name, String limit) {
    Matcher count = COUNT.matcher(limit);
    if (count.matches()) {
      long number = number(count.group(1), factor(count.group(2)), limit);
      return count.group(3).equals("tokens")
          ? Budget.tokens(name, number)
          : Budget.calls(name, number);
    }
    Matcher money = MONEY.matcher(limit);
    if (money.matches()) {
      return Budget.money(name, money.group(1), money.group(2));
    }
    return duration(limit)
        .map(time -> Budget.computeTime(name, time))
        .orElseThrow(
            () -> wrong("a limit with its unit such as 20 USD, 2M tokens, 500 calls or 3h", limit));
  }

  private static long number(String digits, long factor, String limit) {
    try {
      return Math.multiplyExact(Long.parseLong(digits), factor);
    } catch (ArithmeticException e) {
      throw wrong("at most 9223372036G", limit);
    }
  }

  private static long factor(String prefix) {
    return switch (prefix) {
      case "k" -> 1_000;
      case "M" -> 1_000_000;
      case "G" -> 1_000_000_000;
      default -> 1;
    };
  }

  private static Budget per(Budget budget, String per) {
    if (per.equals("session")) {
      return budget.perSession();
    }
    Matcher calendar = CALENDAR.matcher(per);
    if (calendar.matches()) {
      ZoneId zone = zone(calendar.group(2));
      return switch (calendar.group(1)) {
        case "day" -> budget.perDay(zone);
        case "week" -> budget.perWeek(zone);
        default -> budget.perMonth(zone);
      };
    }
    return duration(per)
        .map(budget::perRolling)
        .orElseThrow(() -> wrong("day, week or month with or without a zone, 24h or session", per));
  }

  private static ZoneId zone(@Nullable String name) {
    if (name == null) {
      return ZoneOffset.UTC;
    }
    try {
      return ZoneId.of(name.strip());
    } catch (DateTimeException e) {
      throw wrong("in a known time zone such as Europe/Zurich", name.strip());
    }
  }

  private static Budget scoped(Budget budget, String scope) {
    Budget scoped = budget;
    for (String part : scope.strip().split("\\s*,\\s*", -1)) {
      String value = part.substring(part.indexOf(':') + 1);
      boolean ofEndpoint = part.startsWith("endpoint:");
      if (ofEndpoint ? scoped.endpoint().isPresent() : scoped.tag().isPresent()) {
        throw wrong("one endpoint and one tag at most", scope);
      }
      if (ofEndpoint && !value.isBlank()) {
        scoped = scoped.endpoint(value);
      } else if (part.startsWith("tag:") && !value.isBlank()) {
        int is = value.indexOf('=');
        scoped =
            is < 0
                ? scoped.tag(value)
                : scoped.tag(value.substring(0, is), value.substring(is + 1));
      } else {
        throw wrong("endpoint:<name>, tag:<name> or tag:<name>=<value>", part);
      }
    }
    return scoped;
  }

  private static Budget.WhenExceeded whenExceeded(String what) {
    return switch (what.toLowerCase(Locale.ROOT)) {
      case "skip" -> Budget.WhenExceeded.SKIP_ENDPOINT;
      case "reject" -> Budget.WhenExceeded.REJECT;
      case "warn" -> Budget.WhenExceeded.WARN;
      default -> throw wrong("skip, reject or warn", what);
    };
  }

  private static double[] shares(String shares) {
    try {
      return Arrays.stream(shares.strip().split("\\s*,\\s*", -1))
          .mapToDouble(Double::parseDouble)
          .toArray();
    } catch (NumberFormatException e) {
      throw wrong("shares such as 0.5,0.8", shares);
    }
  }

  private static Optional<Duration> duration(String text) {
    try {
      return Optional.of(Durations.parse("", text));
    } catch (IllegalArgumentException e) {
      return Optional.empty();
    }
  }

  private static IllegalArgumentException wrong(String rule, String value) {
    return new IllegalArgumentException(
        "must be " + rule + ", was '" + EndpointVariables.shown(value) + "'");
  }
}
