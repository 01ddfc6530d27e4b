// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.config;

import dev.offmeter.Endpoint;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** Reads {@code OFFMETER_ENDPOINTS_0_URL} and its companions: any list of servers. */
final class IndexedScheme {
  private static final Pattern NAME = Pattern.compile("OFFMETER_ENDPOINTS_(.*)");
  private static final Pattern INDEX = Pattern.compile("(0|[1-9][0-9]?)_([A-Z]+)");
  private static final Set<String> KEYS = Setting.words(Setting.ENDPOINT);

  private IndexedScheme() {}

  /** Returns the index in a variable's name; empty if the variable is not one of ours. */
  static Optional<Integer> index(String name) {
    Matcher indexed = NAME.matcher(name);
    if (!indexed.matches()) {
      if (name.startsWith("OFFMETER_")) {
        throw new IllegalArgumentException(
            name
                + " is not a known variable; use "
                + Setting.CLIENT.stream()
                    .map(setting -> "OFFMETER_" + setting.word())
                    .collect(Collectors.joining(", "))
                + ", OFFMETER_ENDPOINTS_<n>_<key> or OFFMETER_BUDGETS_<n>_<key>");
      }
      return Optional.empty();
    }
    Matcher key = INDEX.matcher(indexed.group(1));
    if (!key.matches() || !KEYS.contains(key.group(2))) {
      throw EndpointVariables.unknown(name, KEYS);
    }
    return Optional.of(Integer.valueOf(key.group(1)));
  }

  static List<Endpoint> read(Map<String, String> variables, Set<Integer> indices) {
    Set<Integer> missing = new HashSet<>();
    for (int i = 0; i < indices.size(); i++) {
      missing.add(i);
    }
    missing.removeAll(indices);
    if (!missing.isEmpty()) {
      throw new IllegalStateException(
          "OFFMETER_ENDPOINTS_ indices must run from 0 without a gap, were " + indices);
    }
    List<Endpoint> endpoints = new ArrayList<>();
    for (int index : indices) {
      endpoints.add(
          endpoint(new EndpointVariables(variables, "OFFMETER_ENDPOINTS_" + index + "_"), index));
    }
    rejectTwins(endpoints.stream().map(Endpoint::name).toList());
    return endpoints;
  }

  private static void rejectTwins(List<String> names) {
    for (int i = 0; i < names.size(); i++) {
      int first = names.indexOf(names.get(i));
      if (first < i) {
        throw new IllegalStateException(
            "OFFMETER_ENDPOINTS_"
                + first
                + "_NAME and OFFMETER_ENDPOINTS_"
                + i
                + "_NAME must differ, were both '"
                + names.get(i)
                + "'");
      }
    }
  }

  private static Endpoint endpoint(EndpointVariables own, int index) {
    ServerType type = own.type("TYPE");
    String name = own.get("NAME") == null ? "endpoint-" + index : own.require("NAME");
    String url = type.ownUrl();
    String address = url == null ? own.require("URL") : own.url(url);
    own.withName("NAME", () -> type.endpoint(name, address));
    Endpoint.Builder builder = type.endpoint(name, address);
    if (type != ServerType.OLLAMA || own.get("MODEL") != null) {
      own.require("MODEL");
    }
    builder.model(Environment.DEFAULT_MODEL);
    own.set("MODEL", builder::model);
    own.setDuration("TIMEOUT", builder::timeout);
    own.setDuration("CONNECT", builder::connectTimeout);
    own.setDuration("FIRSTTOKEN", builder::firstTokenTimeout);
    own.setDuration("STALL", builder::stallTimeout);
    own.setDuration("STREAMTIMEOUT", builder::streamTimeout);
    own.setAccess("ACCESSID", "ACCESSSECRET", builder::cloudflareAccess);
    own.setSecret("KEY", builder::apiKey);
    own.setFlag("CLEARTEXT", builder::allowClearTextCredentials);
    own.setFlag("KEEPWARM", builder::keepWarm);
    own.setFlag("UNLOADWHENWEDGED", builder::unloadWhenWedged);
    own.setInt("CONCURRENCY", builder::maxConcurrent);
    own.setDuration("MAXWAIT", builder::maxWait);
    own.setInt("RPM", builder::requestsPerMinute);
    own.setInt("MAXTOKENS", builder::maxTokens);
    own.setInt("RETRIES", builder::retries);
    own.setFlag("ENDMARKERISENOUGH", builder::endMarkerIsEnough);
    own.setFlag("STOPREPETITION", builder::stopRepetition);
    own.setLocality("LOCALITY", builder::locality);
    own.setCapabilities("CAPABILITIES", builder::capabilities);
    own.setInt("CONTEXTLENGTH", builder::contextLength);
    own.setList("OMIT", builder::omit);
    own.set("PATH", builder::path);
    new PriceVariables(own).set(builder::price);
    new UpkeepVariables(own).set(builder::upkeep);
    return own.build(builder);
  }
}
