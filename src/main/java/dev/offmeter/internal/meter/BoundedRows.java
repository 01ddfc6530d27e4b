// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.meter;

import java.util.Collections;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;
import java.util.function.Supplier;

/**
 * Holds what is counted by a key, for a bounded number of keys: the values of a tag may be as many
 * as an application's customers. Safe for use by many threads.
 *
 * @param <K> the key
 * @param <V> what is counted for it
 */
final class BoundedRows<K extends Comparable<K>, V> {
  private final Map<K, V> rows = new ConcurrentHashMap<>();
  private final int most;
  private final K other;
  private final Supplier<V> newRow;

  /**
   * Creates rows.
   *
   * @param most the most keys of their own; threads that add one at the same moment may exceed it
   *     by a few
   * @param other the key of the rest
   */
  BoundedRows(int most, K other, Supplier<V> newRow) {
    this.most = most;
    this.other = other;
    this.newRow = newRow;
  }

  /** Returns the row of a key, which is that of the rest if there are too many. */
  V row(K key) {
    V row = rows.get(key);
    if (row != null) {
      return row;
    }
    K kept = rows.size() < most ? key : other;
    return rows.computeIfAbsent(kept, each -> newRow.get());
  }

  /** Returns a snapshot, sorted by key. */
  <T> Map<K, T> snapshot(Function<V, T> value) {
    Map<K, T> sorted = new TreeMap<>();
    rows.forEach((key, row) -> sorted.put(key, value.apply(row)));
    return Collections.unmodifiableMap(sorted);
  }
}
