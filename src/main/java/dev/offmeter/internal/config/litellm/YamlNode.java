// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.config.litellm;

import java.util.List;
import java.util.Map;

/** A value of a file without its syntax. */
sealed interface YamlNode {
  /** A single value as it is written; {@code empty} if there is none. */
  record Scalar(String text, boolean empty) implements YamlNode {}

  /** Items in the order of the file. */
  record Sequence(List<Item> items) implements YamlNode {}

  /** Keys in the order of the file. */
  record Mapping(Map<String, Item> entries) implements YamlNode {}

  /** A value, and the line, from 1, on which its key or it itself begins. */
  record Item(int line, YamlNode value) {}
}
