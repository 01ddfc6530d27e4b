// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.random;

import dev.offmeter.meter.UsageLog;
import dev.offmeter.meter.UsageLogStatus;
import dev.offmeter.meter.UsageRecord;
import dev.offmeter.testing.RunReport;
import dev.offmeter.testing.Seeds;
import java.io.IOException;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/** Throws now and then, and remembers which rows it has taken: each once. */
final class UnreliableUsageLog implements UsageLog {
  private final Random random;
  private final RunReport report;
  private final Set<String> taken = ConcurrentHashMap.newKeySet();

  UnreliableUsageLog(long seed, RunReport report) {
    this.random = Seeds.of(seed, "usage log");
    this.report = report;
  }

  @Override
  public void write(List<UsageRecord> batch) throws IOException {
    if (random.nextInt(3) == 0) {
      report.count("usage log failed");
      throw new IOException("now and then");
    }
    for (UsageRecord row : batch) {
      String key = row.call() + "/" + row.number();
      report.reportError("usage row", taken.add(key) ? "" : key + " was written twice");
    }
  }

  /** Returns whether every attempt that has ended is counted, and what is written is here. */
  boolean isWhole(UsageLogStatus status, long attemptsEnded) {
    return status.waiting() == 0
        && status.written() == taken.size()
        && status.written() + status.lost() == attemptsEnded;
  }
}
