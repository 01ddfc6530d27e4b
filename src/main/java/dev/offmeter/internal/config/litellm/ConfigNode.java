// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.config.litellm;

import dev.offmeter.internal.config.NearestName;
import java.math.BigDecimal;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A value of a file and its place. Every message names file, line and path. A value that comes from
 * a variable is never shown, nor is a key; a value {@code os.environ/NAME} is replaced here, after
 * the file was parsed, so that no secret is parsed as YAML.
 */
final class ConfigNode {
  private static final String VARIABLE = "os.environ/";
  private static final BigDecimal LEAST_SECONDS = new BigDecimal("0.001");

  /** Far more than any price has; a number such as 1e999999999 would fill the heap. */
  private static final int MOST_DECIMALS = 30;

  private static final BigDecimal MOST_SECONDS = new BigDecimal(24 * 60 * 60);

  private final ConfigFile file;
  private final String path;
  private final YamlNode.Item item;

  ConfigNode(ConfigFile file, String path, YamlNode.Item item) {
    this.file = file;
    this.path = path;
    this.item = item;
  }

  ConfigFile file() {
    return file;
  }

  /** Returns the value of a key; null if the key is missing or has no value. */
  @Nullable ConfigNode field(String key) {
    YamlNode.Item value = mapping().get(key);
    if (value == null || isNone(value)) {
      return null;
    }
    return new ConfigNode(file, below(key), value);
  }

  /** Returns the value of a key that is required. */
  ConfigNode require(String key) {
    ConfigNode value = field(key);
    if (value == null) {
      String hint =
          NearestName.of(key, mapping().keySet())
              .filter(known -> !known.equals(key))
              .map(known -> "; is it " + known + "?")
              .orElse("");
      throw new IllegalArgumentException(place(item.line()) + below(key) + " must be set" + hint);
    }
    return value;
  }

  /** Returns the mapping under a key; an empty one if there is none. */
  ConfigNode section(String key) {
    ConfigNode section = field(key);
    return section == null || section.isEmpty()
        ? new ConfigNode(
            file, below(key), new YamlNode.Item(item.line(), new YamlNode.Mapping(Map.of())))
        : section;
  }

  List<ConfigNode> items() {
    if (!(item.value() instanceof YamlNode.Sequence sequence)) {
      throw wrong("must be a list");
    }
    List<ConfigNode> items = new ArrayList<>();
    for (YamlNode.Item next : sequence.items()) {
      items.add(new ConfigNode(file, path + "[" + items.size() + "]", next));
    }
    return items;
  }

  Set<String> keys() {
    return mapping().keySet();
  }

  /** Notes every other key as unsupported: a typing error must not be ignored silently. */
  void noteOtherKeys(Set<String> honoured) {
    for (String key : mapping().keySet()) {
      if (!honoured.contains(key)) {
        String hint =
            NearestName.of(key, honoured).map(known -> " (did you mean " + known + "?)").orElse("");
        file.noteIgnored(below(key) + hint);
      }
    }
  }

  /** Notes that this value is not supported. */
  void noteIgnored() {
    file.noteIgnored(path);
  }

  /** Notes that this value is not supported as it is, and why. */
  void noteIgnored(String reason) {
    file.noteIgnored(path + " (" + reason + ")");
  }

  private Map<String, YamlNode.Item> mapping() {
    if (!(item.value() instanceof YamlNode.Mapping mapping)) {
      throw wrong("must be a mapping");
    }
    return mapping.entries();
  }

  /** Returns whether the value is empty, in whatever form. */
  boolean isEmpty() {
    if (item.value() instanceof YamlNode.Sequence sequence) {
      return sequence.items().isEmpty();
    }
    return item.value() instanceof YamlNode.Mapping mapping
        ? mapping.entries().isEmpty()
        : isNone(item);
  }

  private static boolean isNone(YamlNode.Item item) {
    return item.value() instanceof YamlNode.Scalar scalar && scalar.empty();
  }

  boolean isMapping() {
    return item.value() instanceof YamlNode.Mapping;
  }

  boolean isList() {
    return item.value() instanceof YamlNode.Sequence;
  }

  /** Returns the value with a variable replaced, blank or not. */
  String anyText() {
    return isFromVariable() ? value(variable()) : raw();
  }

  /** Returns the value, not blank, with a variable replaced. */
  String text() {
    String text = anyText();
    if (text.isBlank()) {
      throw wrong("must not be blank");
    }
    return text;
  }

  private String raw() {
    if (!(item.value() instanceof YamlNode.Scalar scalar)) {
      throw wrong("must be a single value");
    }
    if (scalar.empty()) {
      throw wrong("must not be empty");
    }
    return scalar.text();
  }

  private String variable() {
    return raw().substring(VARIABLE.length());
  }

  private String value(String variable) {
    String value = file.variable(variable);
    if (value == null) {
      throw new IllegalStateException(
          where() + " is " + VARIABLE + variable + ", but " + variable + " is not set");
    }
    return value;
  }

  /** Returns whether this is a literal value, or a variable that is set. */
  boolean isKnown() {
    return !isFromVariable() || file.variable(variable()) != null;
  }

  private boolean isFromVariable() {
    return item.value() instanceof YamlNode.Scalar scalar && scalar.text().startsWith(VARIABLE);
  }

  int wholeNumber() {
    try {
      return decimal().intValueExact();
    } catch (ArithmeticException | NumberFormatException e) {
      throw wrong("must be a whole number");
    }
  }

  /** Returns true or false. */
  boolean flag() {
    return switch (text().strip().toLowerCase(Locale.ROOT)) {
      case "true" -> true;
      case "false" -> false;
      default -> throw wrong("must be true or false");
    };
  }

  /** Returns a number of seconds, which may have a fraction. */
  Duration seconds() {
    BigDecimal seconds = number();
    if (seconds.signum() <= 0) {
      throw wrong("must be a positive number of seconds");
    }
    if (seconds.compareTo(LEAST_SECONDS) < 0 || seconds.compareTo(MOST_SECONDS) > 0) {
      throw wrong("must be from 0.001 to 86400 seconds");
    }
    return Duration.ofMillis(seconds.movePointRight(3).longValue());
  }

  private BigDecimal number() {
    try {
      return decimal();
    } catch (NumberFormatException e) {
      throw wrong("must be a positive number of seconds");
    }
  }

  /** Returns a number. */
  double fraction() {
    try {
      return decimal().doubleValue();
    } catch (NumberFormatException e) {
      throw wrong("must be a number");
    }
  }

  /** Returns an amount of money, with the digits in which it is written. */
  BigDecimal amount() {
    try {
      BigDecimal amount = decimal();
      if (amount.signum() >= 0 && Math.abs((long) amount.scale()) <= MOST_DECIMALS) {
        return amount;
      }
    } catch (NumberFormatException e) {
      // Rejected below, as are those out of range.
    }
    throw wrong("must be a number of at least 0");
  }

  /** Returns a number, also one in quotes or with the underscores that YAML allows. */
  private BigDecimal decimal() {
    String text = text().strip();
    return new BigDecimal(
        text.length() > 30 ? "too long" : text.replaceAll("(?<=\\d)_(?=\\d)", ""));
  }

  /** Passes the value to a builder; a rejection is reported with file, line and path. */
  void apply(Consumer<ConfigNode> setter) {
    try {
      setter.accept(this);
    } catch (IllegalArgumentException e) {
      String message = String.valueOf(e.getMessage());
      throw isPlaced(message) ? e : new IllegalArgumentException(where() + ": " + masked(message));
    }
  }

  /** Returns whether a message already names file and line. */
  boolean isPlaced(String message) {
    return message.startsWith(file.name() + " line ");
  }

  /** Returns a message without the value, if the value came from a variable. */
  String masked(String message) {
    return isFromVariable()
        ? message.replace(text(), "***").replaceFirst("(?s), was '.*'", ", was '***'")
        : message;
  }

  IllegalArgumentException wrong(String rule) {
    return new IllegalArgumentException(where() + " " + rule + shown());
  }

  private String shown() {
    if (item.value() instanceof YamlNode.Mapping) {
      return ", was a mapping";
    }
    if (!(item.value() instanceof YamlNode.Scalar scalar)) {
      return ", was a list";
    }
    if (isFromVariable()) {
      return ", was *** from " + VARIABLE + variable();
    }
    return path.endsWith("api_key") ? ", was ***" : ", was '" + scalar.text() + "'";
  }

  String where() {
    return place(item.line()) + (path.isEmpty() ? "the document" : path);
  }

  private String place(int line) {
    return file.name() + " line " + line + ": ";
  }

  private String below(String key) {
    return path.isEmpty() ? key : path + "." + key;
  }
}
