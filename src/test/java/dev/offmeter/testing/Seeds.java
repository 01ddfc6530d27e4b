// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.testing;

import java.util.Arrays;
import java.util.Random;
import java.util.stream.LongStream;

/**
 * Where random tests begin. Those of {@code mvn verify} have fixed seeds; {@code
 * -Doffmeter.seed=42} runs one of your choice instead.
 */
public final class Seeds {
  private static final String PROPERTY = "offmeter.seed";

  private Seeds() {}

  /** The seed that was asked for, else these. */
  public static LongStream orElse(long... fixed) {
    Long asked = Long.getLong(PROPERTY);
    return asked == null ? Arrays.stream(fixed) : LongStream.of(asked);
  }

  /** Randomness of something's own, so that it does not depend on what else happens. */
  public static Random of(long seed, Object... whose) {
    long mixed = seed;
    for (Object part : whose) {
      mixed = mixed * 0x9E3779B97F4A7C15L + part.hashCode();
      mixed ^= mixed >>> 29;
    }
    return new Random(mixed);
  }

  /** How a failure of a seed is run again. */
  public static String replayHint(long seed) {
    return "run it again with -D" + PROPERTY + "=" + seed;
  }
}
