// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.random;

import dev.offmeter.testing.Seeds;
import java.util.Random;

/**
 * The settings of a random run, which follow from its seed.
 *
 * @param callers threads that make calls
 * @param calls how many each makes
 * @param faults the share of replies that may have any ending
 * @param patient whether endpoints have far more time than calls, which then all have a deadline
 * @param template whether a function that always answers is the last endpoint
 * @param hedging whether calls are hedged
 * @param closing whether the client is closed in the middle
 * @param restarts whether servers are stopped and come back
 */
record RunSettings(
    int callers,
    int calls,
    double faults,
    boolean patient,
    boolean template,
    boolean hedging,
    boolean closing,
    boolean restarts) {
  private static final double[] FAULTS = {0.1, 0.3, 0.3, 0.6};

  static RunSettings of(long seed, int callers, int calls) {
    Random random = Seeds.of(seed, "weather");
    return new RunSettings(
        callers,
        calls,
        FAULTS[random.nextInt(FAULTS.length)],
        random.nextInt(4) == 0,
        random.nextInt(3) > 0,
        random.nextBoolean(),
        random.nextInt(5) == 0,
        random.nextBoolean());
  }
}
