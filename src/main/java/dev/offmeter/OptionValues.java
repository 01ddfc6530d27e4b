// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Checks the values of options: only what JSON can express, so that a mistake shows before a socket
 * opens.
 */
final class OptionValues {
  private OptionValues() {}

  /** Returns an immutable copy. */
  static Object checked(String name, Object value) {
    if (!isPlain(value)) {
      throw new IllegalArgumentException(
          "option "
              + name
              + " must be a string, number, boolean, list or map, was "
              + value.getClass().getName());
    }
    requirePaired(name, value);
    return copied(value);
  }

  private static void requirePaired(String name, Object value) {
    if (value instanceof Map<?, ?> map) {
      map.forEach(
          (key, inner) -> {
            requirePaired(name, key);
            requirePaired(name, inner);
          });
    } else if (value instanceof List<?> list) {
      list.forEach(item -> requirePaired(name, item));
    } else if (value instanceof String text) {
      Surrogates.requirePaired("option " + name, text);
    }
  }

  /** Returns all texts in the values of options. */
  static List<String> texts(Map<String, Object> options) {
    List<String> texts = new ArrayList<>();
    options.values().forEach(value -> addTexts(value, texts));
    return List.copyOf(texts);
  }

  private static void addTexts(Object value, List<String> texts) {
    if (value instanceof Map<?, ?> map) {
      map.forEach(
          (key, inner) -> {
            addTexts(key, texts);
            addTexts(inner, texts);
          });
    } else if (value instanceof List<?> list) {
      list.forEach(item -> addTexts(item, texts));
    } else if (value instanceof String text) {
      texts.add(text);
    }
  }

  /**
   * Returns an immutable copy of a number; one of another class, such as an {@code AtomicInteger},
   * may change.
   */
  private static Object copied(Number number) {
    String home = number.getClass().getPackageName();
    boolean constant = home.equals("java.lang") || home.equals("java.math");
    return constant ? number : new BigDecimal(number.toString());
  }

  private static Object copied(Object value) {
    if (value instanceof Number number) {
      return copied(number);
    }
    if (value instanceof Map<?, ?> map) {
      Map<Object, Object> copy = new LinkedHashMap<>();
      map.forEach((key, inner) -> copy.put(key, copied(inner)));
      return Collections.unmodifiableMap(copy);
    }
    return value instanceof List<?> list ? list.stream().map(OptionValues::copied).toList() : value;
  }

  private static boolean isPlain(Object value) {
    if (value instanceof List<?> list) {
      return list.stream().allMatch(item -> !(item instanceof List) && isPlain(item));
    }
    if (value instanceof Map<?, ?> map) {
      return map.keySet().stream().allMatch(String.class::isInstance)
          && map.values().stream().allMatch(OptionValues::isPlain);
    }
    boolean number = value instanceof Number n && Double.isFinite(n.doubleValue());
    return number || value instanceof String || value instanceof Boolean;
  }
}
