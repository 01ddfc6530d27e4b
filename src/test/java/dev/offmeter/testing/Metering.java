// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.testing;

import dev.offmeter.guard.BudgetStore;
import dev.offmeter.internal.budget.BudgetKeeper;
import dev.offmeter.internal.meter.MeterRecorder;
import dev.offmeter.internal.time.TimeSource;
import dev.offmeter.observe.LlmListener;
import java.time.ZoneOffset;
import java.util.List;

/** Creates what counts and limits the calls of code that is tested without a client. */
public final class Metering {
  private Metering() {}

  /** Returns a meter without a baseline. */
  public static MeterRecorder meter(TimeSource time) {
    return new MeterRecorder(time, ZoneOffset.UTC, null, List.of(), List::of, null);
  }

  /** Returns a keeper of no budget. */
  public static BudgetKeeper noBudgets(TimeSource time) {
    return new BudgetKeeper(List.of(), BudgetStore.inMemory(), time, new LlmListener() {});
  }
}
