// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * The progress of a batch, with the number of drafts by each endpoint. Safe for use by several
 * threads.
 */
final class Tally {
  private final int all;
  private final Map<String, Integer> drafts = new TreeMap<>();
  private int done;
  private int failed;

  Tally(int all) {
    this.all = all;
  }

  synchronized void drafted(String endpoint) {
    done++;
    drafts.merge(endpoint, 1, Integer::sum);
  }

  synchronized void failed() {
    done++;
    failed++;
  }

  @Override
  public synchronized String toString() {
    List<String> parts = new ArrayList<>();
    drafts.forEach((endpoint, number) -> parts.add(number + " by " + endpoint));
    if (failed > 0) {
      parts.add(failed + " without a draft");
    }
    return done + " of " + all + (parts.isEmpty() ? "" : ": " + String.join(", ", parts));
  }
}
