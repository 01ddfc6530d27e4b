// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.micrometer;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What a PromQL expression names: every word of it is a metric, a label of a grouping, or one of
 * the few functions that are expected; anything else is an error.
 *
 * @param grouping the labels in {@code by}, {@code on} and the like
 */
record PromQl(List<Selector> selectors, Set<String> grouping) {
  private static final Set<String> FUNCTIONS =
      Set.of(
          "sum",
          "min",
          "max",
          "rate",
          "increase",
          "histogram_quantile",
          "and",
          "by",
          "on",
          "label_values");

  private static final Pattern GROUPING = Pattern.compile("\\b(?:by|on)\\s*\\(([^)]*)\\)");

  /** The last argument of Grafana's function, a label. */
  private static final Pattern LABEL_VALUES = Pattern.compile("(label_values\\(.*), (\\w+)\\)");

  private static final Pattern WORD = Pattern.compile("([a-zA-Z_][a-zA-Z0-9_]*)(?:\\{([^}]*)})?");

  private static final Pattern CONDITION = Pattern.compile("(\\w+)(=~|!=|=)\"([^\"]*)\"");

  /** A metric with the conditions on its labels. */
  record Selector(String metric, List<Condition> conditions) {}

  /** A condition on a label: equal to, or different from, a value. */
  record Condition(String label, String value) {}

  static PromQl of(String expression) {
    Set<String> grouping = new TreeSet<>();
    String rest = expression;
    Matcher values = LABEL_VALUES.matcher(rest);
    if (values.matches()) {
      grouping.add(values.group(2));
      rest = values.group(1) + ")";
    }
    Matcher group = GROUPING.matcher(rest);
    while (group.find()) {
      grouping.addAll(List.of(group.group(1).split(",\\s*")));
    }
    rest = GROUPING.matcher(rest).replaceAll("").replaceAll("\\[[^\\]]*]", "");
    List<Selector> selectors = new ArrayList<>();
    Matcher word = WORD.matcher(rest);
    while (word.find()) {
      if (!FUNCTIONS.contains(word.group(1))) {
        selectors.add(new Selector(metric(word.group(1)), conditions(word.group(2))));
      }
    }
    return new PromQl(selectors, grouping);
  }

  private static String metric(String word) {
    if (!word.startsWith("offmeter_") && !word.startsWith("gen_ai_")) {
      throw new AssertionError("neither a metric nor a known function: " + word);
    }
    return word;
  }

  private static List<Condition> conditions(String text) {
    List<Condition> conditions = new ArrayList<>();
    if (text == null) {
      return conditions;
    }
    for (String part : text.split(",")) {
      Matcher condition = CONDITION.matcher(part);
      if (!condition.matches()) {
        throw new AssertionError("no condition: " + part);
      }
      conditions.add(new Condition(condition.group(1), condition.group(3)));
    }
    return conditions;
  }
}
