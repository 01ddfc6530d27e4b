// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.config;

import dev.offmeter.meter.Price;
import java.util.function.Consumer;

/** Reads the price of one endpoint: per million tokens in and out, or per second. */
final class PriceVariables {
  private final EndpointVariables own;

  PriceVariables(EndpointVariables own) {
    this.own = own;
  }

  /** Sets the price if there is one. */
  void set(Consumer<Price> setter) {
    own.rejectHalf("PRICEIN", "PRICEOUT");
    boolean perToken = own.get("PRICEIN") != null;
    boolean perSecond = own.get("PRICESECOND") != null;
    if (perToken && perSecond) {
      throw own.contradiction("PRICESECOND", "must not be set beside PRICEIN and PRICEOUT");
    }
    if (own.get("CURRENCY") != null
        && !perToken
        && !perSecond
        && !new UpkeepVariables(own).isAnySet()) {
      throw own.contradiction("CURRENCY", "must not be set without a price or an upkeep");
    }
    own.set("CURRENCY", code -> Price.perSecond(code, 0));
    String currency = currency(own);
    // The input alone first, so that a message names the variable that is wrong.
    own.set("PRICEIN", input -> Price.perMillionTokens(currency, input, "0"));
    own.set(
        "PRICEOUT",
        output -> setter.accept(Price.perMillionTokens(currency, own.require("PRICEIN"), output)));
    own.set("PRICESECOND", amount -> setter.accept(Price.perSecond(currency, amount)));
  }

  /** Returns the currency of an endpoint's price and upkeep. */
  static String currency(EndpointVariables own) {
    return own.get("CURRENCY") == null ? "USD" : own.require("CURRENCY");
  }
}
