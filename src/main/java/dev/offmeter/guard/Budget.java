// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.guard;

import dev.offmeter.meter.Cost;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.time.Duration;
import java.time.ZoneId;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A limit of what calls may cost or use within a time. Before a request is sent to an endpoint, the
 * most that it can cost is reserved in every budget that it falls under; when it has ended, what it
 * used is counted in its place. So never more than the limit is spent, whatever ends at once.
 * Immutable, so safe for use by many threads.
 *
 * <pre>{@code
 * Budget.money("reserve-month", "20.00", "USD").perMonth(ZoneId.of("Europe/Zurich"))
 *     .endpoint("reserve").alertAt(0.5, 0.8)
 * }</pre>
 *
 * <p>Functions fall under no budget of calls, tokens or compute time, and under one of money only
 * with a price.
 */
public final class Budget {
  /** The decimals of a unit of currency in which money is counted. */
  private static final int NANO = 9;

  private final String name;
  private final Unit unit;
  private final long limit;
  private final String currency;
  private final BudgetWindow window;
  private final @Nullable String endpoint;
  private final @Nullable String tag;
  private final @Nullable String tagValue;
  private final WhenExceeded whenExceeded;
  private final List<Double> alerts;

  /** The units in which a budget counts. */
  public enum Unit {
    /** Money, in a billionth of a unit of the currency. */
    MONEY,
    /** Input and output tokens. */
    TOKENS,
    /**
     * Calls; with an {@link Budget#endpoint}, requests to it, retries and repair turns included.
     */
    CALLS,
    /** Compute time, in milliseconds; see {@link dev.offmeter.Attempt#computeTime()}. */
    COMPUTE_TIME
  }

  /** The consequence for a request that does not fit into a budget. */
  public enum WhenExceeded {
    /** The endpoint is skipped, and the call goes on to the next. */
    SKIP_ENDPOINT,
    /**
     * The call fails before any connection is opened, if its first request to any endpoint would
     * not fit.
     */
    REJECT,
    /** The request is sent; a warning is logged, and the alerts tell. */
    WARN
  }

  private Budget(
      String name,
      Unit unit,
      long limit,
      String currency,
      BudgetWindow window,
      @Nullable String endpoint,
      @Nullable String tag,
      @Nullable String tagValue,
      WhenExceeded whenExceeded,
      List<Double> alerts) {
    this.name = name;
    this.unit = unit;
    this.limit = limit;
    this.currency = currency;
    this.window = window;
    this.endpoint = endpoint;
    this.tag = tag;
    this.tagValue = tagValue;
    this.whenExceeded = whenExceeded;
    this.alerts = alerts;
  }

  private static Budget of(String name, Unit unit, long limit, String currency) {
    return new Budget(
        notBlank("name", name),
        unit,
        limit,
        currency,
        BudgetWindow.TOTAL,
        null,
        null,
        null,
        WhenExceeded.SKIP_ENDPOINT,
        List.of());
  }

  /**
   * Returns a budget of money. Only endpoints with a price that is not free fall under it; every
   * managed endpoint under it must have one.
   *
   * @param name unique in a client; the counts are kept under it
   * @param amount in decimal notation, such as {@code "20.00"}: more than 0, at most 9 billion,
   *     with at most 9 decimals
   * @param currency an ISO 4217 code, that of the client's prices
   */
  public static Budget money(String name, String amount, String currency) {
    Objects.requireNonNull(amount, "amount");
    return of(name, Unit.MONEY, nanos(amount), Cost.of(BigDecimal.ZERO, currency, "").currency());
  }

  private static long nanos(String amount) {
    try {
      BigDecimal value = new BigDecimal(amount);
      if (value.signum() > 0 && value.precision() - value.scale() <= NANO + 1) {
        return value.setScale(NANO, RoundingMode.UNNECESSARY).unscaledValue().longValueExact();
      }
    } catch (ArithmeticException | NumberFormatException e) {
      // Rejected below, as is one out of range.
    }
    throw new IllegalArgumentException(
        "amount must be more than 0 and at most 9 billion, with at most 9 decimals, was '"
            + amount
            + "'");
  }

  /** Returns a budget of input and output tokens; at least 1. */
  public static Budget tokens(String name, long tokens) {
    return of(name, Unit.TOKENS, atLeastOne("tokens", tokens), "");
  }

  /** Returns a budget of calls, see {@link Unit#CALLS}; at least 1. */
  public static Budget calls(String name, long calls) {
    return of(name, Unit.CALLS, atLeastOne("calls", calls), "");
  }

  /** Returns a budget of compute time; at least 1 ms. */
  public static Budget computeTime(String name, Duration computeTime) {
    Objects.requireNonNull(computeTime, "computeTime");
    return of(name, Unit.COMPUTE_TIME, atLeastOne("computeTime in ms", computeTime.toMillis()), "");
  }

  private static long atLeastOne(String field, long value) {
    if (value < 1) {
      throw new IllegalArgumentException(field + " must be at least 1, was " + value);
    }
    return value;
  }

  private static String notBlank(String field, String value) {
    if (value.isBlank() || value.indexOf('|') >= 0) {
      throw new IllegalArgumentException(
          field + " must not be blank and have no '|', was '" + value + "'");
    }
    return value;
  }

  /** Returns a copy that begins anew with each calendar day of a zone. */
  public Budget perDay(ZoneId zone) {
    return in(BudgetWindow.calendar(BudgetWindow.Period.DAY, zone));
  }

  /** Returns a copy that begins anew with each Monday of a zone. */
  public Budget perWeek(ZoneId zone) {
    return in(BudgetWindow.calendar(BudgetWindow.Period.WEEK, zone));
  }

  /** Returns a copy that begins anew with each calendar month of a zone. */
  public Budget perMonth(ZoneId zone) {
    return in(BudgetWindow.calendar(BudgetWindow.Period.MONTH, zone));
  }

  /**
   * Returns a copy that counts what was used within the last time: from 1 minute to 366 days. What
   * was used is forgotten in sixtieths of that, never early.
   */
  public Budget perRolling(Duration window) {
    return in(BudgetWindow.rolling(window));
  }

  /**
   * Returns a copy with a count for each {@code ChatRequest.session}, from its first call to 24 h
   * after its last. Requests without a session do not fall under it.
   */
  public Budget perSession() {
    return in(BudgetWindow.SESSION);
  }

  private Budget in(BudgetWindow window) {
    return new Budget(
        name, unit, limit, currency, window, endpoint, tag, tagValue, whenExceeded, alerts);
  }

  /** Returns a copy under which only requests to one endpoint fall. Default: all endpoints. */
  public Budget endpoint(String endpoint) {
    String only = Objects.requireNonNull(endpoint, "endpoint");
    return new Budget(
        name, unit, limit, currency, window, only, tag, tagValue, whenExceeded, alerts);
  }

  /** Returns a copy with a count for each value of a tag. Calls without it do not fall under it. */
  public Budget tag(String tag) {
    return tagged(Objects.requireNonNull(tag, "tag"), null);
  }

  /** Returns a copy under which only calls with this value of a tag fall. */
  public Budget tag(String tag, String value) {
    return tagged(Objects.requireNonNull(tag, "tag"), Objects.requireNonNull(value, "value"));
  }

  private Budget tagged(String tag, @Nullable String value) {
    return new Budget(
        name, unit, limit, currency, window, endpoint, tag, value, whenExceeded, alerts);
  }

  /** Returns a copy with another consequence; default {@link WhenExceeded#SKIP_ENDPOINT}. */
  public Budget whenExceeded(WhenExceeded whenExceeded) {
    Objects.requireNonNull(whenExceeded, "whenExceeded");
    return new Budget(
        name, unit, limit, currency, window, endpoint, tag, tagValue, whenExceeded, alerts);
  }

  /**
   * Returns a copy that alerts once in each window when so much of the limit is spent; see {@link
   * dev.offmeter.observe.LlmListener#onBudgetAlert}. Default: none.
   *
   * @param shares of the limit, more than 0 and at most 1 each
   */
  public Budget alertAt(double... shares) {
    for (double share : shares) {
      if (!(share > 0 && share <= 1)) {
        throw new IllegalArgumentException(
            "alertAt must be more than 0 and at most 1, was " + share);
      }
    }
    List<Double> sorted = Arrays.stream(shares).sorted().boxed().toList();
    return new Budget(
        name, unit, limit, currency, window, endpoint, tag, tagValue, whenExceeded, sorted);
  }

  /** Returns the name. */
  public String name() {
    return name;
  }

  /** Returns what is counted. */
  public Unit unit() {
    return unit;
  }

  /** Returns the limit, in {@link #unit()}. */
  public long limit() {
    return limit;
  }

  /** Returns the ISO 4217 code; empty unless it is a budget of money. */
  public String currency() {
    return currency;
  }

  /** Returns when it begins anew. */
  public BudgetWindow window() {
    return window;
  }

  /** Returns the endpoint whose requests fall under it; empty for all. */
  public Optional<String> endpoint() {
    return Optional.ofNullable(endpoint);
  }

  /** Returns the tag by whose value is counted; empty for none. */
  public Optional<String> tag() {
    return Optional.ofNullable(tag);
  }

  /** Returns the value of the tag that calls must have; empty for any. */
  public Optional<String> tagValue() {
    return Optional.ofNullable(tagValue);
  }

  /** Returns what becomes of a request that does not fit. */
  public WhenExceeded whenExceeded() {
    return whenExceeded;
  }

  /** Returns the shares of the limit at which it alerts, in ascending order. */
  public List<Double> alerts() {
    return alerts;
  }

  /** Returns an amount in {@link #unit()} as it is shown, such as {@code 20.00 USD}. */
  public String shown(long amount) {
    return switch (unit) {
      case MONEY -> Cost.of(BigDecimal.valueOf(amount, NANO), currency, "").toString();
      case TOKENS -> amount + " tokens";
      case CALLS -> amount + " calls";
      case COMPUTE_TIME ->
          BigDecimal.valueOf(amount, 3).stripTrailingZeros().toPlainString() + " s";
    };
  }

  /** Returns the name, the limit and the window. */
  @Override
  public String toString() {
    return "Budget[" + name + ", " + shown(limit) + " " + window + "]";
  }
}
