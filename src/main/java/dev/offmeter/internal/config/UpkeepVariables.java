// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.config;

import dev.offmeter.meter.Upkeep;
import java.util.List;
import java.util.function.Consumer;

/** Reads what the machine of one endpoint costs: its price, its power and its owner's time. */
final class UpkeepVariables {
  private static final List<String> KEYS =
      Setting.ENDPOINT.stream()
          .map(Setting::word)
          .filter(word -> word.startsWith("UPKEEP"))
          .toList();

  private final EndpointVariables own;

  UpkeepVariables(EndpointVariables own) {
    this.own = own;
  }

  /** Returns whether there is an upkeep, complete or not. */
  boolean isAnySet() {
    return KEYS.stream().anyMatch(key -> own.get(key) != null);
  }

  /** Sets the upkeep if there is one. The currency has been checked with the price. */
  void set(Consumer<Upkeep> setter) {
    if (!isAnySet()) {
      return;
    }
    // A part without its other half would count as 0 and nobody would notice.
    own.rejectHalf("UPKEEPWATTS", "UPKEEPKWH");
    own.rejectHalf("UPKEEPHOURS", "UPKEEPRATE");
    rejectWithout("UPKEEPMONTHS", "UPKEEPPRICE");
    rejectWithout("UPKEEPIDLEWATTS", "UPKEEPWATTS");
    Upkeep.Builder upkeep = Upkeep.builder().currency(PriceVariables.currency(own));
    own.setNumber("UPKEEPPRICE", upkeep::price);
    own.setInt("UPKEEPMONTHS", upkeep::months);
    own.setNumber("UPKEEPWATTS", upkeep::watts);
    own.setNumber("UPKEEPIDLEWATTS", upkeep::idleWatts);
    own.setNumber("UPKEEPKWH", upkeep::kwh);
    own.setNumber("UPKEEPHOURS", upkeep::hours);
    own.setNumber("UPKEEPRATE", upkeep::rate);
    setter.accept(own.build("UPKEEPIDLEWATTS", upkeep::build));
  }

  private void rejectWithout(String key, String needed) {
    if (own.get(key) != null && own.get(needed) == null) {
      throw own.contradiction(key, "must not be set without " + needed);
    }
  }
}
