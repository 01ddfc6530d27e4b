// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.meter;

import java.util.LinkedHashMap;
import java.util.Map;

/** Replaces what a database or a file in UTF-8 cannot hold. */
final class StorableText {
  private static final char REPLACEMENT = '\ufffd';

  private StorableText() {}

  /** Returns the texts without NUL, which PostgreSQL rejects, and without halves of pairs. */
  static Map<String, String> of(Map<String, String> texts) {
    boolean storable = true;
    for (Map.Entry<String, String> text : texts.entrySet()) {
      storable &= isStorable(text.getKey()) && isStorable(text.getValue());
    }
    if (storable) {
      return Map.copyOf(texts);
    }
    Map<String, String> replaced = new LinkedHashMap<>();
    texts.forEach((key, value) -> replaced.put(of(key), of(value)));
    return Map.copyOf(replaced);
  }

  private static boolean isStorable(String text) {
    return text.codePoints().allMatch(StorableText::isStorable);
  }

  private static boolean isStorable(int codePoint) {
    return codePoint != 0 && Character.getType(codePoint) != Character.SURROGATE;
  }

  private static String of(String text) {
    StringBuilder storable = new StringBuilder(text.length());
    text.codePoints()
        .map(each -> isStorable(each) ? each : REPLACEMENT)
        .forEach(storable::appendCodePoint);
    return storable.toString();
  }
}
