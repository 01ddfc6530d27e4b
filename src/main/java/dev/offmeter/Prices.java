// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import dev.offmeter.internal.http.EndpointConfig;
import dev.offmeter.internal.report.MeteredEndpoint;
import dev.offmeter.meter.Price;
import dev.offmeter.meter.PriceList;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Finds the prices of a client's endpoints. They and the upkeeps must be in one currency. */
final class Prices {
  private Prices() {}

  /** Returns the endpoints as the report of a meter knows them. */
  static List<MeteredEndpoint> metered(List<Endpoint> endpoints) {
    return endpoints.stream()
        .map(each -> new MeteredEndpoint(each.name(), kind(each), each.upkeep()))
        .toList();
  }

  private static MeteredEndpoint.Kind kind(Endpoint endpoint) {
    if (!endpoint.isServer()) {
      return MeteredEndpoint.Kind.FUNCTION;
    }
    return endpoint.locality() == Locality.SELF_HOSTED
        ? MeteredEndpoint.Kind.OWN
        : MeteredEndpoint.Kind.MANAGED;
  }

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
   *     and upkeeps are in one currency
   */
  static @Nullable Price baseline(
      @Nullable String endpoint,
      @Nullable Price declared,
      List<Endpoint> endpoints,
      List<EndpointConfig> configs) {
    Price price = endpoint == null ? declared : priceOf(endpoint, configs);
    requireOneCurrency(endpoints, configs, price);
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

  private static void requireOneCurrency(
      List<Endpoint> endpoints, List<EndpointConfig> configs, @Nullable Price baseline) {
    Map<String, String> uses = new LinkedHashMap<>();
    for (EndpointConfig config : configs) {
      Price price = config.price();
      if (price != null) {
        uses.putIfAbsent(price.currency(), "endpoint '" + config.name() + "'");
      }
    }
    if (baseline != null) {
      uses.putIfAbsent(baseline.currency(), "the baseline");
    }
    for (Endpoint endpoint : endpoints) {
      String name = "the upkeep of '" + endpoint.name() + "'";
      endpoint.upkeep().ifPresent(upkeep -> uses.putIfAbsent(upkeep.currency(), name));
    }
    // What is free has no currency.
    uses.remove("");
    if (uses.size() > 1) {
      List<String> all = new ArrayList<>();
      uses.forEach((currency, name) -> all.add(currency + " for " + name));
      throw new IllegalStateException(
          "prices must be in one currency, were " + String.join(" and ", all));
    }
  }
}
