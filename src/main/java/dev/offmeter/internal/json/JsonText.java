// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.json;

/** JSON that a caller hands in as text. */
public final class JsonText {
  private JsonText() {}

  /** Whether the text is one JSON object and nothing else, so that it can stand in a request. */
  public static boolean isObject(String text) {
    return Json.isObject(text);
  }
}
