// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.spring;

import dev.offmeter.internal.config.Setting;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.springframework.boot.context.properties.source.ConfigurationProperty;
import org.springframework.boot.origin.Origin;

/** Puts the names of properties into a message about environment variables. */
final class PropertyNames {
  private static final Pattern OF_LIST =
      Pattern.compile(
          "OFFMETER_(ENDPOINTS|BUDGETS)_(?:(\\d+|<n>)_(?:([A-Z]+)\\b|<key>|\\*)?|\\.\\.\\.|(?= ))");

  private static final Pattern OF_CLIENT = Pattern.compile("OFFMETER_([A-Z_]+)\\b");
  private static final Pattern WORD = Pattern.compile("\\b[A-Z]{3,}\\b");

  /** The beginning of what a message says about a value, which must stay as it is. */
  private static final Pattern VALUE = Pattern.compile(", (was|were) |: endpoint '");

  private final Map<String, ConfigurationProperty> written;

  /** Takes the properties that are set, by their variables. */
  PropertyNames(Map<String, ConfigurationProperty> written) {
    this.written = written;
  }

  /** Returns the place of the first property that a message names, if known. */
  @Nullable Origin origin(String message) {
    Matcher variable = Pattern.compile("OFFMETER_[A-Z0-9_]+").matcher(message);
    while (variable.find()) {
      ConfigurationProperty property = written.get(variable.group());
      if (property != null) {
        return property.getOrigin();
      }
    }
    return null;
  }

  String replaceIn(String message) {
    Matcher value = VALUE.matcher(message);
    int end = value.find() ? value.start() : message.length();
    String about = message.substring(0, end);
    about = OF_LIST.matcher(about).replaceAll(found -> Matcher.quoteReplacement(ofList(found)));
    about =
        OF_CLIENT
            .matcher(about)
            .replaceAll(found -> "offmeter." + property(Setting.CLIENT, found.group(1)));
    if (!about.equals(message.substring(0, end))) {
      about = WORD.matcher(about).replaceAll(found -> otherHalf(found.group()));
    }
    return about + message.substring(end);
  }

  private static String ofList(MatchResult found) {
    String list = found.group(1).toLowerCase(Locale.ROOT);
    if (found.group(2) == null) {
      return "offmeter." + list;
    }
    String index = found.group(2).equals("<n>") ? "" : found.group(2);
    String element = "offmeter." + list + "[" + index + "]";
    List<Setting> settings = list.equals("budgets") ? Setting.BUDGET : Setting.ENDPOINT;
    return found.group(3) == null ? element : element + "." + property(settings, found.group(3));
  }

  /** Returns the property of a word that a message names alone, because its variable is near. */
  private static String otherHalf(String word) {
    return Setting.ENDPOINT.stream().anyMatch(setting -> setting.word().equals(word))
        ? property(Setting.ENDPOINT, word)
        : word;
  }

  private static String property(List<Setting> settings, String word) {
    return settings.stream()
        .filter(setting -> setting.word().equals(word))
        .map(Setting::property)
        .findFirst()
        .orElse(word.toLowerCase(Locale.ROOT));
  }
}
