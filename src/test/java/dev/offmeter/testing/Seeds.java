// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.testing;

import java.util.Arrays;
import java.util.Random;
import java.util.stream.LongStream;

/**
 * Provides the seeds of random tests. Those of {@code mvn verify} are fixed; {@code
 * -Doffmeter.seed=42} runs one of your choice instead.
 */
public final class Seeds {
  private static final String PROPERTY = "offmeter.seed";

  private Seeds() {}

  /** Returns the seed that was asked for, else these. */
  public static LongStream orElse(long... fixed) {
    Long asked = Long.getLong(PROPERTY);
    return asked == null ? Arrays.stream(fixed) : LongStream.of(asked);
  }

  /** Returns a separate source of randomness, which does not depend on what else happens. */
  public static Random of(long seed, Object... whose) {
    long mixed = seed;
    for (Object part : whose) {
      mixed = mixed * 0x9E3779B97F4A7C15L + part.hashCode();
      mixed ^= mixed >>> 29;
    }
    return new Random(mixed);
  }

  /** Returns how to run the failure of a seed again. */
  public static String replayHint(long seed) {
    return "run it again with -D" + PROPERTY + "=" + seed;
  }
}
