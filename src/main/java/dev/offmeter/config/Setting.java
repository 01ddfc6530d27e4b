// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.config;

import java.math.BigDecimal;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * One place of a file with what stands there. Every message names file, line and path. A value that
 * comes from a variable is never shown, nor is a key; a value {@code os.environ/NAME} is replaced
 * here, after the file was parsed, so that no secret can be read as YAML.
 */
final class Setting {
  private static final String VARIABLE = "os.environ/";
  private static final BigDecimal LEAST_SECONDS = new BigDecimal("0.001");
  private static final BigDecimal MOST_SECONDS = new BigDecimal(24 * 60 * 60);

  private final ConfigFile file;
  private final String path;
  private final Tree.Item item;

  Setting(ConfigFile file, String path, Tree.Item item) {
    this.file = file;
    this.path = path;
    this.item = item;
  }

  ConfigFile file() {
    return file;
  }

  /** The value of a key, or null if the key is not there. */
  @Nullable Setting field(String key) {
    Tree.Item value = mapping().get(key);
    return value == null ? null : new Setting(file, below(key), value);
  }

  /** The value of a key that must be there. */
  Setting require(String key) {
    Setting value = field(key);
    if (value == null) {
      throw new IllegalArgumentException(place(item.line()) + below(key) + " must be set");
    }
    return value;
  }

  /** The mapping under a key; an empty one if there is none. */
  Setting section(String key) {
    Setting section = field(key);
    return section == null || section.isEmpty()
        ? new Setting(file, below(key), new Tree.Item(item.line(), new Tree.Mapping(Map.of())))
        : section;
  }

  List<Setting> items() {
    if (!(item.value() instanceof Tree.Sequence sequence)) {
      throw wrong("must be a list");
    }
    List<Setting> items = new ArrayList<>();
    for (Tree.Item next : sequence.items()) {
      items.add(new Setting(file, path + "[" + items.size() + "]", next));
    }
    return items;
  }

  Set<String> keys() {
    return mapping().keySet();
  }

  /** A key that nobody knows is a slip of the pen, and must not be lost in silence. */
  void checkKeys(Set<String> honoured, Predicate<String> known) {
    mapping()
        .forEach(
            (key, value) -> {
              if (honoured.contains(key)) {
                return;
              }
              if (!known.test(key)) {
                throw new IllegalArgumentException(
                    place(value.line())
                        + below(key)
                        + " is not a known key; Offmeter reads "
                        + new TreeSet<>(honoured));
              }
              file.passOver(below(key));
            });
  }

  /** Notes that this value is not heeded. */
  void passOver() {
    file.passOver(path);
  }

  private Map<String, Tree.Item> mapping() {
    if (!(item.value() instanceof Tree.Mapping mapping)) {
      throw wrong("must be a mapping");
    }
    return mapping.entries();
  }

  private boolean isEmpty() {
    return item.value() instanceof Tree.Scalar scalar && scalar.empty();
  }

  /** The value, not blank, with a variable replaced. */
  String text() {
    String text = isFromVariable() ? value(variable()) : raw();
    if (text.isBlank()) {
      throw wrong("must not be blank");
    }
    return text;
  }

  private String raw() {
    if (!(item.value() instanceof Tree.Scalar scalar)) {
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

  private boolean isFromVariable() {
    return item.value() instanceof Tree.Scalar scalar && scalar.text().startsWith(VARIABLE);
  }

  int wholeNumber() {
    try {
      return Integer.parseInt(text().strip());
    } catch (NumberFormatException e) {
      throw wrong("must be a whole number");
    }
  }

  /** Seconds, with a fraction if need be. */
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
    String text = text().strip();
    try {
      return new BigDecimal(text.length() > 30 ? "too long" : text);
    } catch (NumberFormatException e) {
      throw wrong("must be a positive number of seconds");
    }
  }

  /** Hands the value to a builder; what that rejects is reported with file, line and path. */
  void into(Consumer<Setting> setter) {
    try {
      setter.accept(this);
    } catch (IllegalArgumentException e) {
      String message = String.valueOf(e.getMessage());
      throw message.startsWith(file.name() + " line ")
          ? e
          : new IllegalArgumentException(where() + ": " + masked(message));
    }
  }

  /** A message without the value, if that came from a variable. */
  String masked(String message) {
    return isFromVariable()
        ? message.replace(text(), "***").replaceFirst("(?s), was '.*'", ", was '***'")
        : message;
  }

  IllegalArgumentException wrong(String rule) {
    return new IllegalArgumentException(where() + " " + rule + shown());
  }

  private String shown() {
    if (item.value() instanceof Tree.Mapping) {
      return ", was a mapping";
    }
    if (!(item.value() instanceof Tree.Scalar scalar)) {
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
