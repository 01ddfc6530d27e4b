// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.config;

import dev.offmeter.Capability;
import dev.offmeter.Endpoint;
import dev.offmeter.Locality;
import java.math.BigDecimal;
import java.time.Duration;
import java.util.Arrays;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import java.util.function.IntConsumer;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The variables of one endpoint. A value that a builder rejects is reported with the variable's
 * name; the builders mask secrets.
 */
public final class EndpointVariables {
  private final Map<String, String> all;
  private final String prefix;

  EndpointVariables(Map<String, String> all, String prefix) {
    this.all = all;
    this.prefix = prefix;
  }

  @Nullable String get(String key) {
    return all.get(prefix + key);
  }

  /** Returns the value, which must be set and not blank. */
  String require(String key) {
    String value = get(key);
    if (value == null) {
      throw new IllegalStateException(prefix + key + " must be set");
    }
    if (value.isBlank()) {
      throw new IllegalArgumentException(prefix + key + " must not be blank, was '" + value + "'");
    }
    return value;
  }

  String url(String otherwise) {
    return get("URL") == null ? otherwise : require("URL");
  }

  /** Returns the type of server, Ollama by default. */
  ServerType type(String key) {
    if (get(key) == null) {
      return ServerType.OLLAMA;
    }
    String value = require(key);
    return ServerType.of(value)
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    prefix
                        + key
                        + " must be one of "
                        + ServerType.labels()
                        + ", was '"
                        + shown(value)
                        + "'"));
  }

  /**
   * Returns the exception for an unknown variable: a misspelt name must not be ignored silently.
   */
  static IllegalArgumentException unknown(String name, Set<String> known) {
    return new IllegalArgumentException(
        name + " is not a known variable; it must end in one of " + new TreeSet<>(known));
  }

  void set(String key, Consumer<String> setter) {
    if (get(key) != null) {
      withName(key, () -> setter.accept(require(key)));
    }
  }

  /** Sets a key or half of a token; rejects a placeholder. */
  void setSecret(String key, Consumer<String> setter) {
    set(
        key,
        value -> {
          rejectUnfilled(key, value);
          setter.accept(value);
        });
  }

  private void rejectUnfilled(String key, String value) {
    if (Placeholders.isUnfilled(value)) {
      throw new IllegalArgumentException(
          prefix + key + " must not be a placeholder that was to be replaced, was ***");
    }
  }

  void setDuration(String key, Consumer<Duration> setter) {
    set(key, value -> setter.accept(Durations.parse(prefix + key, value)));
  }

  void setInt(String key, IntConsumer setter) {
    set(key, value -> setter.accept(parseWholeNumber(key, value)));
  }

  /** Sets a number in decimal notation, with the digits in which it was written. */
  void setNumber(String key, Consumer<BigDecimal> setter) {
    set(key, value -> setter.accept(parseNumber(key, value)));
  }

  void setFlag(String key, Consumer<Boolean> setter) {
    set(key, value -> setter.accept(parseFlag(prefix + key, value)));
  }

  /** Sets a list of names separated by commas. */
  void setList(String key, Consumer<String[]> setter) {
    set(key, value -> setter.accept(value.strip().split("\\s*,\\s*")));
  }

  void setLocality(String key, Consumer<Locality> setter) {
    set(key, value -> setter.accept(parseLocality(key, value)));
  }

  /** Sets a list of capabilities separated by commas. */
  void setCapabilities(String key, Consumer<Capability[]> setter) {
    setList(
        key,
        names ->
            setter.accept(
                Arrays.stream(names)
                    .map(name -> parseCapability(key, name))
                    .toArray(Capability[]::new)));
  }

  /** Sets both halves of an Access token, or neither. */
  void setAccess(String idKey, String secretKey, BiConsumer<String, String> setter) {
    rejectHalf(idKey, secretKey);
    if (get(idKey) == null) {
      return;
    }
    rejectUnfilled(idKey, require(idKey));
    rejectUnfilled(secretKey, require(secretKey));
    withName(
        idKey + " and " + prefix + secretKey,
        () -> setter.accept(require(idKey), require(secretKey)));
  }

  /** Rejects one of two variables without the other. */
  void rejectHalf(String one, String other) {
    if ((get(one) == null) != (get(other) == null)) {
      throw new IllegalStateException(
          prefix
              + one
              + " and "
              + prefix
              + other
              + " must be set together, only "
              + (get(one) == null ? other : one)
              + " is");
    }
  }

  /** Returns the exception for a variable that does not go with others. */
  IllegalStateException contradiction(String key, String rule) {
    return new IllegalStateException(prefix + key + " " + rule);
  }

  /**
   * Builds the endpoint. The rules about combinations are the endpoint's own; their message gets
   * the variables' names.
   */
  Endpoint build(Endpoint.Builder builder) {
    try {
      return builder.build();
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(prefix + "URL: " + e.getMessage(), e);
    } catch (IllegalStateException e) {
      throw new IllegalStateException(prefix + "*: " + asVariable(e.getMessage()), e);
    }
  }

  /** Builds a value; {@code key} is named if its parts do not go together. */
  <T> T build(String key, Supplier<T> value) {
    try {
      return value.get();
    } catch (IllegalStateException e) {
      throw new IllegalStateException(prefix + key + ": " + e.getMessage(), e);
    }
  }

  private String asVariable(@Nullable String message) {
    return String.valueOf(message)
        .replace("allowClearTextCredentials(true)", prefix + "CLEARTEXT=true");
  }

  private int parseWholeNumber(String key, String value) {
    try {
      return Integer.parseInt(value);
    } catch (NumberFormatException e) {
      boolean large = value.matches("\\d+");
      String rule = "a whole number" + (large ? " of at most " + Integer.MAX_VALUE : "");
      throw new IllegalArgumentException(
          prefix + key + " must be " + rule + ", was '" + shown(value) + "'", e);
    }
  }

  private BigDecimal parseNumber(String key, String value) {
    try {
      return new BigDecimal(value);
    } catch (NumberFormatException e) {
      throw new IllegalArgumentException(
          prefix + key + " must be a finite number, was '" + shown(value) + "'", e);
    }
  }

  public static boolean parseFlag(String name, String value) {
    return switch (value.toLowerCase(Locale.ROOT)) {
      case "true" -> true;
      case "false" -> false;
      default ->
          throw new IllegalArgumentException(
              name + " must be true or false, was '" + shown(value) + "'");
    };
  }

  private Capability parseCapability(String key, String name) {
    String constant = name.toUpperCase(Locale.ROOT).replace('-', '_');
    for (Capability capability : Capability.values()) {
      if (capability.name().equals(constant)) {
        return capability;
      }
    }
    String known =
        Arrays.stream(Capability.values())
            .map(capability -> capability.name().toLowerCase(Locale.ROOT))
            .collect(Collectors.joining(", "));
    throw new IllegalArgumentException(
        prefix + key + " must be some of " + known + ", was '" + shown(name) + "'");
  }

  private Locality parseLocality(String key, String value) {
    return switch (value.toLowerCase(Locale.ROOT).replace('-', '_')) {
      case "self_hosted" -> Locality.SELF_HOSTED;
      case "managed" -> Locality.MANAGED;
      default ->
          throw new IllegalArgumentException(
              prefix + key + " must be self_hosted or managed, was '" + shown(value) + "'");
    };
  }

  /**
   * Returns a value on one line: a line end from a file must be visible, and must not split the
   * message.
   */
  static String shown(String value) {
    return value.replace("\r", "\\r").replace("\n", "\\n").replace("\t", "\\t");
  }

  void withName(String key, Runnable setting) {
    try {
      setting.run();
    } catch (IllegalArgumentException e) {
      String message = String.valueOf(e.getMessage());
      throw message.startsWith(prefix + key)
          ? e
          : new IllegalArgumentException(prefix + key + ": " + message, e);
    }
  }
}
