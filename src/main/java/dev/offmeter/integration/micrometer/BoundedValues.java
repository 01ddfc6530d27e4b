// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.micrometer;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * The values of one tag, of which only the first so many are used: each value makes a time series
 * that a monitoring system keeps for months, and a server, or a caller, may send any.
 */
final class BoundedValues {
  private static final int MAX_LENGTH = 100;

  private final int most;
  private final Set<String> known = ConcurrentHashMap.newKeySet();

  BoundedValues(int most) {
    this.most = most;
  }

  /** Returns the value, {@code none} for an empty one, and {@code other} for one too many. */
  String of(String value) {
    if (value.isEmpty()) {
      return MeterNames.NONE;
    }
    if (known.contains(value)) {
      return value;
    }
    // Two threads may each add one more than that; a bound need not be exact.
    if (known.size() >= most || value.length() > MAX_LENGTH) {
      return MeterNames.OTHER;
    }
    known.add(value);
    return value;
  }
}
