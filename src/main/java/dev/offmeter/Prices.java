// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import dev.offmeter.internal.http.EndpointConfig;
import dev.offmeter.meter.Price;
import dev.offmeter.meter.PriceList;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Finds the prices of a client's endpoints, all of which must be in one currency. */
final class Prices {
  private Prices() {}

  /** Returns the settings with the prices that the list has for those without one. */
  static List<EndpointConfig> add(
      @Nullable PriceList prices, List<Endpoint> endpoints, List<EndpointConfig> configs) {
    if (prices == null) {
      return configs;
    }
    Set<PriceList.Model> wanted = new HashSet<>();
    endpoints.forEach(endpoint -> endpoint.pricedModel().ifPresent(wanted::add));
    Map<PriceList.Model, Price> found = prices.find(wanted);
    List<EndpointConfig> priced = new ArrayList<>();
    for (int i = 0; i < configs.size(); i++) {
      Price price = endpoints.get(i).pricedModel().map(found::get).orElse(null);
      priced.add(price == null ? configs.get(i) : configs.get(i).withPrice(price));
    }
    return priced;
  }

  /**
   * Returns the price that counts as what a call would have cost; null for none.
   *
   * @throws IllegalStateException if the endpoint is not there or has no price, or not all prices
   *     are in one currency
   */
  static @Nullable Price baseline(
      @Nullable String endpoint, @Nullable Price declared, List<EndpointConfig> configs) {
    Price price = endpoint == null ? declared : priceOf(endpoint, configs);
    requireOneCurrency(configs, price);
    return price;
  }

  private static Price priceOf(String endpoint, List<EndpointConfig> configs) {
    List<String> names = configs.stream().map(EndpointConfig::name).toList();
    int index = names.indexOf(endpoint);
    if (index < 0) {
      throw new IllegalStateException(
          "baseline must be one of " + String.join(", ", names) + ", was '" + endpoint + "'");
    }
    Price price = configs.get(index).price();
    if (price == null) {
      throw new IllegalStateException(
          "baseline must be an endpoint with a price, was '"
              + endpoint
              + "': declare one with Endpoint.Builder.price or LlmClient.Builder.prices");
    }
    return price;
  }

  private static void requireOneCurrency(List<EndpointConfig> configs, @Nullable Price baseline) {
    String first = "";
    String of = "";
    for (EndpointConfig config : configs) {
      Price price = config.price();
      String currency = price == null ? "" : price.currency();
      String name = "endpoint '" + config.name() + "'";
      requireSame(first, of, currency, name);
      of = first.isEmpty() ? name : of;
      first = first.isEmpty() ? currency : first;
    }
    if (baseline != null) {
      requireSame(first, of, baseline.currency(), "the baseline");
    }
  }

  private static void requireSame(String first, String of, String currency, String name) {
    if (!first.isEmpty() && !currency.isEmpty() && !first.equals(currency)) {
      throw new IllegalStateException(
          "prices must be in one currency, were "
              + first
              + " for "
              + of
              + " and "
              + currency
              + " for "
              + name);
    }
  }
}
