// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.meter;

import java.math.BigDecimal;
import java.math.RoundingMode;
import org.jspecify.annotations.Nullable;

/**
 * The running costs of a machine of your own: its price spread over the months that it lasts, or
 * its rent; its power; your time. A call to it bills none of them, so they are no price of a call;
 * {@link Meter#report()} sets them against what the baseline would have charged. Immutable, so safe
 * for use by many threads.
 *
 * <pre>{@code
 * Upkeep.builder().currency("EUR").price(700).months(36).watts(20).idleWatts(7).kwh(0.30)
 *     .hours(1).rate(50).build()
 * }</pre>
 *
 * <p>A month is {@value #HOURS_PER_MONTH} hours, a twelfth of a year, and not the 720 hours of 30
 * days. Amounts are any {@link Number}, taken by its decimal notation as for a {@link Price}.
 */
public final class Upkeep {
  /** The hours of a month: 365 days of 24 hours, divided by 12. */
  public static final int HOURS_PER_MONTH = 730;

  /** The decimals of a cost per month, as of a cost per outcome. */
  private static final int DECIMALS = 6;

  private static final String SOURCE = "upkeep";
  private static final BigDecimal MONTH = BigDecimal.valueOf(HOURS_PER_MONTH);

  private final Builder settings;
  private final String currency;

  private Upkeep(Builder settings, String currency) {
    this.settings = settings;
    this.currency = currency;
  }

  /** Returns a builder in which nothing costs anything. */
  public static Builder builder() {
    return new Builder();
  }

  /** Returns a builder that starts from this upkeep. */
  public Builder toBuilder() {
    return new Builder(settings);
  }

  /** Returns the ISO 4217 code of the currency. */
  public String currency() {
    return currency;
  }

  /**
   * Returns what the machine costs in a month in which it computes for a part of the time.
   *
   * @param utilisation that part: from 0 for never to 1 for all of the time
   * @throws IllegalArgumentException if it is less than 0, more than 1, or no number
   */
  public Month month(double utilisation) {
    if (!(utilisation >= 0 && utilisation <= 1)) {
      throw new IllegalArgumentException("utilisation must be from 0 to 1, was " + utilisation);
    }
    BigDecimal months = BigDecimal.valueOf(settings.months);
    BigDecimal share = settings.price.divide(months, 2 * DECIMALS, RoundingMode.HALF_UP);
    BigDecimal rent = settings.rent.multiply(settings.rentHours);
    return new Month(
        cost(share.add(rent)),
        cost(power(BigDecimal.valueOf(utilisation))),
        cost(settings.hours.multiply(settings.rate)));
  }

  private BigDecimal power(BigDecimal utilisation) {
    BigDecimal idle = settings.idle();
    BigDecimal watts = idle.add(settings.watts.subtract(idle).multiply(utilisation));
    return watts.movePointLeft(3).multiply(MONTH).multiply(settings.kwh);
  }

  private Cost cost(BigDecimal amount) {
    BigDecimal rounded = amount.setScale(DECIMALS, RoundingMode.HALF_UP);
    return Cost.of(rounded, currency, SOURCE);
  }

  /** Returns all values. */
  @Override
  public String toString() {
    return "Upkeep["
        + currency
        + (" price " + settings.price.toPlainString() + " over " + settings.months + " months")
        + (", rent " + settings.rent.toPlainString())
        + (" for " + settings.rentHours.toPlainString() + " hours")
        + (", " + settings.watts.toPlainString() + " W")
        + (", idle " + settings.idle().toPlainString() + " W")
        + (" at " + settings.kwh.toPlainString() + " per kWh")
        + (", " + settings.hours.toPlainString() + " hours")
        + (" at " + settings.rate.toPlainString() + "]");
  }

  /**
   * What a machine costs in one month, each part rounded to 6 decimals.
   *
   * @param machine its price, spread over its months, and its rent
   * @param power its electricity
   * @param time your own hours
   */
  public record Month(Cost machine, Cost power, Cost time) {
    /** Returns the cost of machine, power and time. */
    public Cost fullyLoaded() {
      return withoutYourTime().plus(time);
    }

    /** Returns the cost of machine and power. */
    public Cost withoutYourTime() {
      return machine.plus(power);
    }

    /** Returns the cost of power: all that there is if the machine is there anyway. */
    public Cost powerOnly() {
      return power;
    }
  }

  /** Builds an {@link Upkeep}. Not safe for use by several threads. */
  public static final class Builder {
    private @Nullable String currency;
    private BigDecimal price = BigDecimal.ZERO;
    private int months = 1;
    private BigDecimal rent = BigDecimal.ZERO;
    private BigDecimal rentHours = BigDecimal.ZERO;
    private BigDecimal watts = BigDecimal.ZERO;
    private @Nullable BigDecimal idleWatts;
    private BigDecimal kwh = BigDecimal.ZERO;
    private BigDecimal hours = BigDecimal.ZERO;
    private BigDecimal rate = BigDecimal.ZERO;

    private Builder() {}

    private Builder(Builder other) {
      currency = other.currency;
      price = other.price;
      months = other.months;
      rent = other.rent;
      rentHours = other.rentHours;
      watts = other.watts;
      idleWatts = other.idleWatts;
      kwh = other.kwh;
      hours = other.hours;
      rate = other.rate;
    }

    /** Sets the currency of all amounts, an ISO 4217 code such as {@code EUR}; required. */
    public Builder currency(String code) {
      this.currency = Amounts.currency(code);
      return this;
    }

    /** Sets the price of the machine, at least 0; default 0. */
    public Builder price(Number amount) {
      this.price = Amounts.of("price", amount);
      return this;
    }

    /** Sets over how many months the price is spread, at least 1; default 1. */
    public Builder months(int months) {
      if (months < 1) {
        throw new IllegalArgumentException("months must be at least 1, was " + months);
      }
      this.months = months;
      return this;
    }

    /**
     * Sets the rent of a machine that is paid by the hour; default none.
     *
     * @param perHour at least 0
     * @param hoursPerMonth for how many hours a month it is rented: from 0 to 730, which is always
     */
    public Builder rent(Number perHour, Number hoursPerMonth) {
      BigDecimal rentHours = Amounts.of("hoursPerMonth", hoursPerMonth);
      if (rentHours.compareTo(MONTH) > 0) {
        throw new IllegalArgumentException(
            "hoursPerMonth must be at most " + HOURS_PER_MONTH + ", was " + hoursPerMonth);
      }
      this.rent = Amounts.of("perHour", perHour);
      this.rentHours = rentHours;
      return this;
    }

    /** Sets the power that the machine draws while it computes, in watts, at least 0; default 0. */
    public Builder watts(Number watts) {
      this.watts = Amounts.of("watts", watts);
      return this;
    }

    /**
     * Sets the power that the machine draws while it does not compute, in watts, from 0 to {@link
     * #watts}; default: as much as while it computes.
     */
    public Builder idleWatts(Number watts) {
      this.idleWatts = Amounts.of("idleWatts", watts);
      return this;
    }

    /** Sets the price of a kilowatt-hour, at least 0; default 0. */
    public Builder kwh(Number amount) {
      this.kwh = Amounts.of("kwh", amount);
      return this;
    }

    /** Sets the hours of your own time per month, at least 0; default 0. */
    public Builder hours(Number perMonth) {
      this.hours = Amounts.of("hours", perMonth);
      return this;
    }

    /** Sets the price of an hour of your own time, at least 0; default 0. */
    public Builder rate(Number perHour) {
      this.rate = Amounts.of("rate", perHour);
      return this;
    }

    private BigDecimal idle() {
      return idleWatts == null ? watts : idleWatts;
    }

    /**
     * Returns the upkeep.
     *
     * @throws IllegalStateException if there is no currency, or the machine draws more power while
     *     it does not compute than while it does
     */
    public Upkeep build() {
      if (currency == null) {
        throw new IllegalStateException("currency must be set, was not: such as EUR");
      }
      if (idle().compareTo(watts) > 0) {
        throw new IllegalStateException(
            "idleWatts must be at most watts, "
                + watts.toPlainString()
                + ", was "
                + idle().toPlainString());
      }
      return new Upkeep(new Builder(this), currency);
    }
  }
}
