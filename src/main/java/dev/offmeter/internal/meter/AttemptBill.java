// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.meter;

import dev.offmeter.Usage;
import dev.offmeter.meter.Cost;
import dev.offmeter.meter.Price;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * What one attempt used and costs.
 *
 * @param usage the tokens, {@link Usage#reported()} or estimated
 * @param computeTime the time for which the attempt kept the server busy
 * @param computeTimeReported whether the server reported that time; else it is the time from
 *     dispatch to the end
 * @param cost the cost at the endpoint's price
 * @param possiblyBilled whether the attempt was given up, and its provider may bill it all the same
 */
public record AttemptBill(
    Usage usage,
    Duration computeTime,
    boolean computeTimeReported,
    Cost cost,
    boolean possiblyBilled) {
  /** The bill of an attempt that used nothing: it did not reach the server, or was refused. */
  public static final AttemptBill NONE =
      new AttemptBill(Usage.NONE, Duration.ZERO, false, Cost.NONE, false);

  /**
   * Returns the bill of an attempt that has its whole reply.
   *
   * @param price null if it is unknown
   * @param usage as reported, or estimated where the server reported none
   * @param nanos from dispatch to the end
   */
  public static AttemptBill complete(@Nullable Price price, Usage usage, long nanos) {
    return of(price, usage, nanos, false);
  }

  /**
   * Returns the bill of an attempt that was given up after the request had been sent.
   *
   * @param price null if it is unknown
   * @param usage an estimate of what had been sent and received
   * @param nanos from dispatch to the end
   */
  public static AttemptBill givenUp(@Nullable Price price, Usage usage, long nanos) {
    return of(price, usage, nanos, price == null || !price.isFree());
  }

  private static AttemptBill of(
      @Nullable Price price, Usage usage, long nanos, boolean possiblyBilled) {
    boolean timed = !usage.computeTime().isZero();
    Duration compute = timed ? usage.computeTime() : Duration.ofNanos(nanos);
    Cost cost = price == null ? Cost.UNKNOWN : price.cost(usage, compute);
    boolean exact =
        price == null || price.isFree() || (usage.reported() && (timed || !price.chargesTime()));
    return new AttemptBill(
        usage, compute, timed, exact ? cost : cost.asEstimated(), possiblyBilled);
  }
}
