// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.meter;

import java.math.BigDecimal;
import java.util.Map;
import java.util.Optional;

/**
 * Reads the price of a model in a list. The names are those of LiteLLM's {@code
 * model_prices_and_context_window.json}, US dollars per token, and of models.dev's {@code
 * api.json}, US dollars per million tokens.
 */
final class PriceFields {
  private static final String USD = "USD";
  private static final String INPUT = "input_cost_per_token";
  private static final String OUTPUT = "output_cost_per_token";
  private static final int MILLION = 6;

  /** The longest inputs at the lower price that LiteLLM's list knows, in thousand tokens. */
  private static final int[] TIERS = {128, 200, 256, 272};

  private final Map<String, Object> fields;

  PriceFields(Map<String, Object> fields) {
    this.fields = fields;
  }

  /** Returns the price in LiteLLM's names; empty if there is none for text. */
  Optional<Price> liteLlm() {
    if (!hasBoth(INPUT, OUTPUT)) {
      return perSecond();
    }
    Price price = perToken("");
    for (int thousands : TIERS) {
      String above = "_above_" + thousands + "k_tokens";
      if (hasBoth(INPUT + above, OUTPUT + above)) {
        return Optional.of(price.above(thousands * 1000, perToken(above)));
      }
    }
    return Optional.of(price);
  }

  private Price perToken(String suffix) {
    Price price =
        Price.perMillionTokens(USD, perMillion(INPUT + suffix), perMillion(OUTPUT + suffix));
    if (fields.containsKey("cache_read_input_token_cost" + suffix)) {
      price = price.cachedInput(perMillion("cache_read_input_token_cost" + suffix));
    }
    if (fields.containsKey("cache_creation_input_token_cost" + suffix)) {
      price = price.cacheWrite(perMillion("cache_creation_input_token_cost" + suffix));
    }
    if (fields.containsKey("output_cost_per_reasoning_token" + suffix)) {
      price = price.thinking(perMillion("output_cost_per_reasoning_token" + suffix));
    }
    return fields.containsKey("input_cost_per_request")
        ? price.request(amount("input_cost_per_request"))
        : price;
  }

  private Optional<Price> perSecond() {
    for (String field : new String[] {"input_cost_per_second", "output_cost_per_second"}) {
      if (fields.containsKey(field)) {
        return Optional.of(Price.perSecond(USD, amount(field)));
      }
    }
    return Optional.empty();
  }

  /** Returns the price in models.dev's names; empty if there is none for text. */
  Optional<Price> modelsDev() {
    if (!hasBoth("input", "output")) {
      return Optional.empty();
    }
    Price price = Price.perMillionTokens(USD, amount("input"), amount("output"));
    if (fields.containsKey("cache_read")) {
      price = price.cachedInput(amount("cache_read"));
    }
    return Optional.of(
        fields.containsKey("cache_write") ? price.cacheWrite(amount("cache_write")) : price);
  }

  private boolean hasBoth(String one, String other) {
    return fields.containsKey(one) && fields.containsKey(other);
  }

  private BigDecimal perMillion(String field) {
    return amount(field).movePointRight(MILLION);
  }

  private BigDecimal amount(String field) {
    if (fields.get(field) instanceof BigDecimal amount) {
      return Amounts.of(field, amount);
    }
    throw new IllegalArgumentException(field + " must be a number, was " + fields.get(field));
  }
}
