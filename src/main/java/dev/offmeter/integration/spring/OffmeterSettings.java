// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.spring;

import dev.offmeter.internal.config.NearestName;
import dev.offmeter.internal.config.Setting;
import dev.offmeter.internal.config.Setting.Kind;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.springframework.boot.context.properties.bind.PropertySourcesPlaceholdersResolver;
import org.springframework.boot.context.properties.source.ConfigurationProperty;
import org.springframework.boot.context.properties.source.ConfigurationPropertyName;
import org.springframework.boot.context.properties.source.ConfigurationPropertyName.Form;
import org.springframework.boot.context.properties.source.ConfigurationPropertySource;
import org.springframework.boot.context.properties.source.ConfigurationPropertySources;
import org.springframework.boot.context.properties.source.IterableConfigurationPropertySource;
import org.springframework.boot.convert.DurationStyle;
import org.springframework.core.env.ConfigurableEnvironment;
import org.springframework.core.env.EnumerablePropertySource;
import org.springframework.core.env.Environment;
import org.springframework.core.env.PropertySource;

/**
 * Reads the properties under {@code offmeter} as the environment variables of the same words, so
 * that there is one definition of settings. As everywhere in Spring Boot, names are relaxed,
 * placeholders are filled in, and a list is taken whole from the first source that has it.
 */
final class OffmeterSettings {
  private static final ConfigurationPropertyName PREFIX = ConfigurationPropertyName.of("offmeter");

  /** The lists, with the settings of their elements. */
  private static final Map<String, List<Setting>> LISTS =
      Map.of("endpoints", Setting.ENDPOINT, "budgets", Setting.BUDGET);

  /** The properties that only Spring Boot has, without separators. */
  private static final Set<String> BOOT_ONLY = Set.of("httpclient");

  private static final Pattern VARIABLE = Pattern.compile("[A-Za-z_][A-Za-z0-9_]*");
  private static final Pattern WHOLE_NUMBER = Pattern.compile("\\d+");

  /** The time spans that Spring Boot reads and the environment does not. */
  private static final Pattern OF_SPRING =
      Pattern.compile("\\d{1,9}((?i)ns|us|d)|\\d{1,9}(MS?|S|H)");

  private final PropertySourcesPlaceholdersResolver placeholders;
  private final Map<String, String> variables = new TreeMap<>();
  private final Map<String, ConfigurationProperty> written = new HashMap<>();

  private OffmeterSettings(Environment environment) {
    this.placeholders = new PropertySourcesPlaceholdersResolver(environment);
  }

  /**
   * Reads all properties.
   *
   * @throws OffmeterConfigurationException if one is unknown
   */
  static OffmeterSettings read(Environment environment) {
    OffmeterSettings settings = new OffmeterSettings(environment);
    Map<String, ConfigurationPropertySource> ofList = new HashMap<>();
    for (ConfigurationPropertySource source : ConfigurationPropertySources.get(environment)) {
      if (source instanceof IterableConfigurationPropertySource iterable) {
        iterable.stream()
            .filter(PREFIX::isAncestorOf)
            .sorted()
            .filter(name -> isFirst(ofList, list(name), source))
            .forEach(name -> settings.add(source, name));
      }
    }
    settings.addVariables(environment);
    return settings;
  }

  private static String list(ConfigurationPropertyName name) {
    return name.getElement(1, Form.UNIFORM);
  }

  /** Returns whether a list is this source's, and remembers that it is. */
  private static boolean isFirst(
      Map<String, ConfigurationPropertySource> ofList,
      String list,
      ConfigurationPropertySource source) {
    return !LISTS.containsKey(list) || ofList.computeIfAbsent(list, none -> source) == source;
  }

  private void add(ConfigurationPropertySource source, ConfigurationPropertyName name) {
    ConfigurationProperty property = source.getConfigurationProperty(name);
    String words = words(name);
    if (property == null || BOOT_ONLY.contains(words)) {
      return;
    }
    String value = String.valueOf(placeholders.resolvePlaceholders(property.getValue()));
    if (name.getNumberOfElements() == 2 && LISTS.containsKey(list(name))) {
      rejectScalar(property, value);
      return;
    }
    Setting setting = setting(name, words).orElseThrow(() -> unknown(property));
    String variable = prefix(name) + setting.word();
    if (setting.kind() == Kind.LIST && name.isLastElementIndexed()) {
      variables.merge(variable, value, (others, one) -> others + "," + one);
    } else if (variables.putIfAbsent(variable, inItsForm(setting, value)) != null) {
      return;
    }
    written.putIfAbsent(variable, property);
  }

  /** Returns the words of a name without the numbers, joined, such as {@code maxtokens}. */
  private static String words(ConfigurationPropertyName name) {
    StringBuilder words = new StringBuilder();
    for (int i = isOfList(name) ? 3 : 1; i < name.getNumberOfElements(); i++) {
      if (!name.isNumericIndex(i)) {
        words.append(name.getElement(i, Form.UNIFORM));
      }
    }
    return words.toString();
  }

  private static boolean isOfList(ConfigurationPropertyName name) {
    return name.getNumberOfElements() > 3
        && LISTS.containsKey(list(name))
        && name.isNumericIndex(2);
  }

  private static String prefix(ConfigurationPropertyName name) {
    return isOfList(name)
        ? "OFFMETER_"
            + list(name).toUpperCase(Locale.ROOT)
            + "_"
            + name.getElement(2, Form.UNIFORM)
            + "_"
        : "OFFMETER_";
  }

  private static List<Setting> settings(ConfigurationPropertyName name) {
    return isOfList(name) ? LISTS.getOrDefault(list(name), List.of()) : Setting.CLIENT;
  }

  private static Optional<Setting> setting(ConfigurationPropertyName name, String words) {
    return settings(name).stream()
        .filter(setting -> setting.property().replace("-", "").equals(words))
        .filter(setting -> setting.kind() == Kind.LIST || !name.isLastElementIndexed())
        .findFirst();
  }

  /** Returns a time span as Spring Boot reads it: a plain number is in milliseconds. */
  private static String inItsForm(Setting setting, String value) {
    if (setting.kind() != Kind.DURATION) {
      return value;
    }
    if (WHOLE_NUMBER.matcher(value).matches()) {
      return value + "ms";
    }
    return OF_SPRING.matcher(value).matches()
        ? DurationStyle.SIMPLE.parse(value).toString()
        : value;
  }

  private static void rejectScalar(ConfigurationProperty property, String value) {
    if (!value.isEmpty()) {
      // An address may have a password in front of its @.
      String shown = value.contains("@") ? "***" : "'" + value + "'";
      throw new OffmeterConfigurationException(
          property.getName() + " must be a list, was " + shown, property.getOrigin(), null);
    }
  }

  private static OffmeterConfigurationException unknown(ConfigurationProperty property) {
    ConfigurationPropertyName name = property.getName();
    if (LISTS.containsKey(list(name)) && !isOfList(name)) {
      return new OffmeterConfigurationException(
          PREFIX + "." + list(name) + " must be a list, had " + name, property.getOrigin(), null);
    }
    List<String> known = settings(name).stream().map(Setting::property).toList();
    String start = isOfList(name) ? name.chop(3).toString() : PREFIX.toString();
    String advice =
        NearestName.of(words(name), known)
            .map(nearest -> "did you mean " + start + "." + nearest + "?")
            .orElse("use one of " + known);
    return new OffmeterConfigurationException(
        name + " is not a known property; " + advice, property.getOrigin(), null);
  }

  /**
   * Adds the simple scheme, and for a LiteLLM file all other variables, to which it may refer. They
   * may be set anywhere in Spring's environment.
   */
  private void addVariables(Environment environment) {
    if (!(environment instanceof ConfigurableEnvironment configurable)) {
      return;
    }
    boolean all = variables.containsKey("OFFMETER_CONFIG");
    for (PropertySource<?> source : configurable.getPropertySources()) {
      if (source instanceof EnumerablePropertySource<?> enumerable) {
        for (String name : enumerable.getPropertyNames()) {
          boolean wanted = all ? !name.startsWith("OFFMETER_") : name.startsWith("OLLAMA_");
          if (wanted && VARIABLE.matcher(name).matches() && !variables.containsKey(name)) {
            variables.put(name, filledIn(source.getProperty(name)));
          }
        }
      }
    }
  }

  /**
   * Returns a variable's value with its placeholders filled in, or as it is if they go round in a
   * circle: it may be one of another program, such as {@code JAVA_OPTS=${JAVA_OPTS} -Xmx1g}.
   */
  private String filledIn(@Nullable Object value) {
    try {
      return String.valueOf(placeholders.resolvePlaceholders(value));
    } catch (IllegalArgumentException e) {
      return String.valueOf(value);
    }
  }

  /**
   * Replaces the address of an endpoint.
   *
   * @throws OffmeterConfigurationException if there is no endpoint of this name
   */
  void point(String endpoint, String url) {
    Map<String, String> names = endpoints();
    String prefix = names.get(endpoint);
    if (prefix == null) {
      throw new OffmeterConfigurationException(
          "connection details must be for one of the endpoints "
              + names.keySet()
              + ", were for '"
              + endpoint
              + "'",
          null,
          null);
    }
    variables.put(prefix + "URL", url);
    written.remove(prefix + "URL");
  }

  /** Returns the names of the endpoints, each with the beginning of its variables. */
  private Map<String, String> endpoints() {
    Map<String, String> names = new LinkedHashMap<>();
    if (variables.containsKey("OFFMETER_CONFIG")) {
      return names;
    }
    IntStream.range(0, 100)
        .mapToObj(i -> Map.entry(i, "OFFMETER_ENDPOINTS_" + i + "_"))
        .filter(entry -> variables.keySet().stream().anyMatch(v -> v.startsWith(entry.getValue())))
        .forEach(
            entry ->
                names.put(
                    variables.getOrDefault(entry.getValue() + "NAME", "endpoint-" + entry.getKey()),
                    entry.getValue()));
    if (names.isEmpty()) {
      names.put("primary", "OLLAMA_PRIMARY_");
      names.put("fallback", "OLLAMA_FALLBACK_");
    }
    return names;
  }

  /** Returns all settings as environment variables. */
  Map<String, String> variables() {
    return variables;
  }

  /** Returns a failure of the builders with the properties' names in place of the variables'. */
  OffmeterConfigurationException inProperties(RuntimeException failure) {
    PropertyNames names = new PropertyNames(written);
    String message = String.valueOf(failure.getMessage());
    return new OffmeterConfigurationException(
        names.replaceIn(message), names.origin(message), failure);
  }
}
