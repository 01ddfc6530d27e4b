// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.config;

import java.util.List;
import java.util.Map;

/** What stands in a file, without its syntax. */
sealed interface Tree {
  /** A single value as it is written; {@code empty} if there is none. */
  record Scalar(String text, boolean empty) implements Tree {}

  /** Items in the order of the file. */
  record Sequence(List<Item> items) implements Tree {}

  /** Keys in the order of the file. */
  record Mapping(Map<String, Item> entries) implements Tree {}

  /** A value, and the line, from 1, on which its key or it itself begins. */
  record Item(int line, Tree value) {}
}
