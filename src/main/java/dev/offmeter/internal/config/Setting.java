// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.config;

import static dev.offmeter.internal.config.Setting.Kind.DURATION;
import static dev.offmeter.internal.config.Setting.Kind.FLAG;
import static dev.offmeter.internal.config.Setting.Kind.INTEGER;
import static dev.offmeter.internal.config.Setting.Kind.LIST;
import static dev.offmeter.internal.config.Setting.Kind.NUMBER;
import static dev.offmeter.internal.config.Setting.Kind.TEXT;

import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * A setting as configurations name it: the environment by a word, Spring Boot by a property.
 *
 * @param word what follows {@code OFFMETER_}, or the number of an endpoint or a budget, such as
 *     {@code MAXTOKENS}
 * @param property the same in Spring Boot's form, such as {@code max-tokens}
 * @param kind how its value is read
 */
public record Setting(String word, String property, Kind kind) {
  /** The settings of the client. */
  public static final List<Setting> CLIENT =
      List.of(
          of("deadline", DURATION),
          new Setting("HEDGE_AFTER", "hedge-after", DURATION),
          of("max-tokens", INTEGER),
          of("max-tokens-at-most", INTEGER),
          of("max-repeats-per-session", INTEGER),
          of("prices", TEXT),
          of("baseline", TEXT),
          of("usage-log", TEXT),
          of("config", TEXT),
          new Setting("CONFIG_MODEL", "config-model", TEXT),
          of("cleartext", FLAG));

  /** The settings of an endpoint. */
  public static final List<Setting> ENDPOINT =
      List.of(
          of("name", TEXT),
          of("type", TEXT),
          of("url", TEXT),
          of("model", TEXT),
          of("timeout", DURATION),
          of("connect", DURATION),
          of("first-token", DURATION),
          of("stall", DURATION),
          of("stream-timeout", DURATION),
          of("key", TEXT),
          of("access-id", TEXT),
          of("access-secret", TEXT),
          of("cleartext", FLAG),
          of("keep-warm", FLAG),
          of("unload-when-wedged", FLAG),
          of("concurrency", INTEGER),
          of("max-wait", DURATION),
          of("rpm", INTEGER),
          of("max-tokens", INTEGER),
          of("retries", INTEGER),
          of("end-marker-is-enough", FLAG),
          of("stop-repetition", FLAG),
          of("locality", TEXT),
          of("capabilities", LIST),
          of("context-length", INTEGER),
          of("omit", LIST),
          of("path", TEXT),
          of("price-in", NUMBER),
          of("price-out", NUMBER),
          of("price-second", NUMBER),
          of("currency", TEXT),
          of("upkeep-price", NUMBER),
          of("upkeep-months", INTEGER),
          of("upkeep-watts", NUMBER),
          of("upkeep-idle-watts", NUMBER),
          of("upkeep-kwh", NUMBER),
          of("upkeep-hours", NUMBER),
          of("upkeep-rate", NUMBER));

  /** The settings of a budget. */
  public static final List<Setting> BUDGET =
      List.of(
          of("name", TEXT),
          of("limit", TEXT),
          of("per", TEXT),
          of("scope", LIST),
          of("exceeded", TEXT),
          of("alert", LIST));

  /** How a value is read. */
  public enum Kind {
    TEXT,
    DURATION,
    INTEGER,
    NUMBER,
    FLAG,
    /** Parts separated by commas. */
    LIST
  }

  private static Setting of(String property, Kind kind) {
    return new Setting(property.replace("-", "").toUpperCase(Locale.ROOT), property, kind);
  }

  static Set<String> words(List<Setting> settings) {
    return settings.stream().map(Setting::word).collect(Collectors.toUnmodifiableSet());
  }
}
