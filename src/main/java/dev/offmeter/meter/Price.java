// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.meter;

import dev.offmeter.Usage;
import java.math.BigDecimal;
import java.time.Duration;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The price of an endpoint: per million tokens, per second of compute time, per request, or all of
 * these. Immutable, so safe for use by many threads.
 *
 * <pre>{@code
 * Price.perMillionTokens("USD", 0.30, 2.50).cachedInput(0.075)
 * }</pre>
 *
 * <p>Amounts are a text such as {@code "0.30"} or any {@link Number}, taken by its decimal
 * notation: {@code 0.3} is exactly three tenths, as is {@code new BigDecimal("0.3")}.
 */
public final class Price {
  /** The decimals between an amount per million tokens and one per token. */
  private static final int MILLION = 6;

  private static final Price FREE =
      new Price("", BigDecimal.ZERO, BigDecimal.ZERO, BigDecimal.ZERO, BigDecimal.ZERO);

  private final String currency;

  // Per token.
  private final BigDecimal input;
  private final BigDecimal output;
  private final @Nullable BigDecimal cachedInput;
  private final @Nullable BigDecimal cacheWrite;
  private final @Nullable BigDecimal thinking;

  private final BigDecimal second;
  private final BigDecimal request;

  /** The input, in tokens, above which {@link #longPrice} holds for the whole request. */
  private final int longAbove;

  private final @Nullable Price longPrice;
  private final String source;
  private final int hash;

  private Price(
      String currency, BigDecimal input, BigDecimal output, BigDecimal second, BigDecimal request) {
    this(currency, input, output, null, null, null, second, request, 0, null, "");
  }

  private Price(
      String currency,
      BigDecimal input,
      BigDecimal output,
      @Nullable BigDecimal cachedInput,
      @Nullable BigDecimal cacheWrite,
      @Nullable BigDecimal thinking,
      BigDecimal second,
      BigDecimal request,
      int longAbove,
      @Nullable Price longPrice,
      String source) {
    this.currency = currency;
    this.input = input;
    this.output = output;
    this.cachedInput = cachedInput;
    this.cacheWrite = cacheWrite;
    this.thinking = thinking;
    this.second = second;
    this.request = request;
    this.longAbove = longAbove;
    this.longPrice = longPrice;
    this.source = source;
    this.hash = Objects.hash(currency, input, output, cachedInput, cacheWrite, thinking, second);
  }

  /**
   * Returns a price per million tokens.
   *
   * @param currency an ISO 4217 code, such as {@code USD}
   * @param input per million input tokens, at least 0
   * @param output per million output tokens, at least 0
   */
  public static Price perMillionTokens(String currency, Number input, Number output) {
    return new Price(
        Amounts.currency(currency),
        perToken("input", input),
        perToken("output", output),
        BigDecimal.ZERO,
        BigDecimal.ZERO);
  }

  /** Returns a price per million tokens, with amounts in decimal notation. */
  public static Price perMillionTokens(String currency, String input, String output) {
    return perMillionTokens(
        currency, Amounts.parsed("input", input), Amounts.parsed("output", output));
  }

  /**
   * Returns a price per second of compute time, as of a rented machine that bills by use: for the
   * time that the server reports ({@link Usage#computeTime()}), else for the time from dispatch to
   * the end of the attempt.
   *
   * @param currency an ISO 4217 code, such as {@code EUR}
   * @param amount per second, at least 0
   */
  public static Price perSecond(String currency, Number amount) {
    return new Price(
        Amounts.currency(currency),
        BigDecimal.ZERO,
        BigDecimal.ZERO,
        Amounts.of("amount", amount),
        BigDecimal.ZERO);
  }

  /** Returns a price per second of compute time, with the amount in decimal notation. */
  public static Price perSecond(String currency, String amount) {
    return perSecond(currency, Amounts.parsed("amount", amount));
  }

  /**
   * Returns the price of what costs nothing extra per call, such as a node of your own. What such a
   * node costs as a machine is not a price.
   */
  public static Price free() {
    return FREE;
  }

  private static BigDecimal perToken(String field, Number perMillion) {
    return Amounts.of(field, perMillion).movePointLeft(MILLION);
  }

  /**
   * Returns a copy with a price per million input tokens that are read from the server's cache;
   * default: as other input.
   */
  public Price cachedInput(Number perMillion) {
    BigDecimal price = charged("cachedInput", perToken("cachedInput", perMillion));
    return with(price, cacheWrite, thinking, second, request, longAbove, longPrice, source);
  }

  /**
   * Returns a copy with a price per million input tokens that are read from the server's cache, in
   * decimal notation.
   */
  public Price cachedInput(String perMillion) {
    return cachedInput(Amounts.parsed("cachedInput", perMillion));
  }

  /**
   * Returns a copy with a price per million input tokens that are written to the server's cache;
   * default: as other input. Anthropic charges more for them.
   */
  public Price cacheWrite(Number perMillion) {
    BigDecimal price = charged("cacheWrite", perToken("cacheWrite", perMillion));
    return with(cachedInput, price, thinking, second, request, longAbove, longPrice, source);
  }

  /**
   * Returns a copy with a price per million input tokens that are written to the server's cache, in
   * decimal notation.
   */
  public Price cacheWrite(String perMillion) {
    return cacheWrite(Amounts.parsed("cacheWrite", perMillion));
  }

  /** Returns a copy with a price per million tokens of thinking; default: as other output. */
  public Price thinking(Number perMillion) {
    BigDecimal price = charged("thinking", perToken("thinking", perMillion));
    return with(cachedInput, cacheWrite, price, second, request, longAbove, longPrice, source);
  }

  /** Returns a copy with a price per million tokens of thinking, in decimal notation. */
  public Price thinking(String perMillion) {
    return thinking(Amounts.parsed("thinking", perMillion));
  }

  /** Returns a copy with a price per request, beside that of its tokens; default: 0. */
  public Price request(Number amount) {
    BigDecimal price = charged("request", Amounts.of("request", amount));
    return with(cachedInput, cacheWrite, thinking, second, price, longAbove, longPrice, source);
  }

  /** Returns a copy with a price per request, beside that of its tokens, in decimal notation. */
  public Price request(String amount) {
    return request(Amounts.parsed("request", amount));
  }

  /**
   * Returns a copy with another price for requests whose input is longer; it holds for all tokens
   * of such a request.
   *
   * @param inputTokens the longest input at this price, at least 1
   * @param other the price above it, in the same currency and without such a limit of its own
   */
  public Price above(int inputTokens, Price other) {
    if (inputTokens < 1) {
      throw new IllegalArgumentException("inputTokens must be at least 1, was " + inputTokens);
    }
    if (!other.currency.equals(currency)) {
      throw new IllegalArgumentException(
          "currency of the price above must be " + currency + ", was " + other.currency);
    }
    if (other.longPrice != null) {
      throw new IllegalArgumentException("price above must not have one above it, was " + other);
    }
    return with(cachedInput, cacheWrite, thinking, second, request, inputTokens, other, source);
  }

  /** Returns a copy that says where it comes from; see {@link Cost#priceSource()}. */
  public Price source(String source) {
    Objects.requireNonNull(source, "source");
    Price above = longPrice == null ? null : longPrice.source(source);
    return with(cachedInput, cacheWrite, thinking, second, request, longAbove, above, source);
  }

  private BigDecimal charged(String field, BigDecimal amount) {
    if (currency.isEmpty() && amount.signum() > 0) {
      throw new IllegalArgumentException(
          field + " must be 0 for a price that is free, was " + amount.toPlainString());
    }
    return amount;
  }

  private Price with(
      @Nullable BigDecimal cachedInput,
      @Nullable BigDecimal cacheWrite,
      @Nullable BigDecimal thinking,
      BigDecimal second,
      BigDecimal request,
      int longAbove,
      @Nullable Price longPrice,
      String source) {
    return new Price(
        currency,
        input,
        output,
        cachedInput,
        cacheWrite,
        thinking,
        second,
        request,
        longAbove,
        longPrice,
        source);
  }

  /** Returns the ISO 4217 code of the currency; empty if it is free. */
  public String currency() {
    return currency;
  }

  /** Returns whether compute time costs something at this price. */
  public boolean chargesTime() {
    return second.signum() > 0 || (longPrice != null && longPrice.chargesTime());
  }

  /** Returns whether nothing ever costs anything at this price. */
  public boolean isFree() {
    return input.signum() == 0
        && output.signum() == 0
        && second.signum() == 0
        && request.signum() == 0
        && isZero(cachedInput)
        && isZero(cacheWrite)
        && isZero(thinking)
        && (longPrice == null || longPrice.isFree());
  }

  private static boolean isZero(@Nullable BigDecimal price) {
    return price == null || price.signum() == 0;
  }

  /** Returns where the price comes from; see {@link Cost#priceSource()}. */
  public String source() {
    return source;
  }

  /** Returns the price that holds for a request with so much input: this one or the one above. */
  public Price forInput(long inputTokens) {
    return longPrice != null && inputTokens > longAbove ? longPrice : this;
  }

  /**
   * Returns what one request costs.
   *
   * @param usage its tokens
   * @param computeTime what a price per second is charged for
   */
  public Cost cost(Usage usage, Duration computeTime) {
    return forInput(usage.inputTokens())
        .cost(
            usage.inputTokens(),
            usage.cachedInputTokens(),
            usage.cacheWriteTokens(),
            usage.outputTokens(),
            usage.thinkingTokens(),
            1,
            computeTime);
  }

  /**
   * Returns the most that one request can cost: each token may be of the dearest sort, written to
   * the cache or of thinking.
   *
   * @param inputTokens at most
   * @param outputTokens at most
   * @param computeTime at most
   */
  public Cost most(long inputTokens, long outputTokens, Duration computeTime) {
    if (currency.isEmpty()) {
      return Cost.ofNothing(source);
    }
    Price longer = longPrice == null || inputTokens <= longAbove ? this : longPrice;
    BigDecimal sum =
        times(dearer(dearestInput(), longer.dearestInput()), inputTokens)
            .add(times(dearer(dearestOutput(), longer.dearestOutput()), outputTokens))
            .add(times(dearer(request, longer.request), 1));
    BigDecimal perSecond = dearer(second, longer.second);
    return Cost.of(
        perSecond.signum() == 0 ? sum : sum.add(ofTime(perSecond, computeTime)), currency, source);
  }

  private BigDecimal dearestInput() {
    return dearer(dearer(input, cachedInput), cacheWrite);
  }

  private BigDecimal dearestOutput() {
    return dearer(output, thinking);
  }

  private static BigDecimal dearer(BigDecimal price, @Nullable BigDecimal other) {
    return other == null ? price : price.max(other);
  }

  /**
   * Returns what several requests cost together, all of them on the same side of {@link #above}.
   *
   * @param inputTokens of all input, the cache's included
   * @param cachedTokens of input read from the cache
   * @param cacheWriteTokens of input written to the cache
   * @param outputTokens of all output, thinking included
   * @param thinkingTokens of thinking
   * @param requests the number of requests
   * @param computeTime the sum of their times
   */
  public Cost cost(
      long inputTokens,
      long cachedTokens,
      long cacheWriteTokens,
      long outputTokens,
      long thinkingTokens,
      long requests,
      Duration computeTime) {
    if (currency.isEmpty()) {
      return Cost.ofNothing(source);
    }
    BigDecimal sum = times(input, inputTokens - cachedTokens - cacheWriteTokens);
    sum = add(sum, cachedInput == null ? input : cachedInput, cachedTokens);
    sum = add(sum, cacheWrite == null ? input : cacheWrite, cacheWriteTokens);
    sum = add(sum, output, outputTokens - thinkingTokens);
    sum = add(sum, thinking == null ? output : thinking, thinkingTokens);
    sum = add(sum, request, requests);
    return Cost.of(
        second.signum() == 0 ? sum : sum.add(ofTime(second, computeTime)), currency, source);
  }

  /** Most calls have no tokens of most sorts, and most prices none of a request. */
  private static BigDecimal add(BigDecimal sum, BigDecimal price, long count) {
    return count == 0 || price.signum() == 0 ? sum : sum.add(times(price, count));
  }

  private static BigDecimal times(BigDecimal price, long count) {
    return price.multiply(BigDecimal.valueOf(count));
  }

  private static BigDecimal ofTime(BigDecimal second, Duration time) {
    BigDecimal seconds =
        BigDecimal.valueOf(time.getSeconds()).add(BigDecimal.valueOf(time.getNano(), 9));
    return second.multiply(seconds);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Price price
        && hash == price.hash
        && currency.equals(price.currency)
        && input.equals(price.input)
        && output.equals(price.output)
        && Objects.equals(cachedInput, price.cachedInput)
        && Objects.equals(cacheWrite, price.cacheWrite)
        && Objects.equals(thinking, price.thinking)
        && second.equals(price.second)
        && request.equals(price.request)
        && longAbove == price.longAbove
        && Objects.equals(longPrice, price.longPrice)
        && source.equals(price.source);
  }

  @Override
  public int hashCode() {
    return hash;
  }

  /** Returns the amounts per million tokens, per second and per request that are not 0. */
  @Override
  public String toString() {
    StringBuilder text = new StringBuilder();
    append(text, "input", perMillion(input), " per million");
    append(text, "cached input", perMillion(cachedInput), " per million");
    append(text, "cache write", perMillion(cacheWrite), " per million");
    append(text, "output", perMillion(output), " per million");
    append(text, "thinking", perMillion(thinking), " per million");
    append(text, "compute", second, " per second");
    append(text, "request", request, " per request");
    if (longPrice != null) {
      text.append(", above ").append(longAbove).append(" input tokens ").append(longPrice);
    }
    return text.isEmpty() ? "free" : currency + text;
  }

  private static @Nullable BigDecimal perMillion(@Nullable BigDecimal perToken) {
    return perToken == null ? null : perToken.movePointRight(MILLION);
  }

  private static void append(
      StringBuilder text, String what, @Nullable BigDecimal amount, String unit) {
    if (amount != null && amount.signum() != 0) {
      text.append(text.isEmpty() ? " " : ", ").append(what).append(' ');
      text.append(Amounts.shown(amount).toPlainString()).append(unit);
    }
  }
}
