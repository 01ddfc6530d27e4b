// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.config;

import dev.offmeter.Endpoint;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Reads {@code OLLAMA_PRIMARY_URL} and its companions: one or two Ollama servers. */
final class SimpleScheme {
  private static final String MODEL = "OLLAMA_MODEL";
  private static final Pattern NAME = Pattern.compile("OLLAMA_(?:PRIMARY|FALLBACK)_(.*)");
  private static final Set<String> KEYS =
      Set.of(
          "URL",
          "MODEL",
          "TIMEOUT",
          "KEY",
          "ACCESS_ID",
          "ACCESS_SECRET",
          "CLEARTEXT",
          "KEEP_WARM",
          "UNLOAD_WHEN_WEDGED");

  private SimpleScheme() {}

  /** Returns whether a variable belongs to this scheme, spelt right or wrong. */
  static boolean isOwn(String name) {
    return name.equals(MODEL) || NAME.matcher(name).matches();
  }

  static void rejectUnknown(String name) {
    Matcher matcher = NAME.matcher(name);
    if (matcher.matches() && !KEYS.contains(matcher.group(1))) {
      throw EndpointVariables.unknown(name, KEYS);
    }
  }

  /** Returns every name that is read. */
  static Set<String> names() {
    Set<String> names = new TreeSet<>(Set.of(MODEL));
    for (String key : KEYS) {
      names.add("OLLAMA_PRIMARY_" + key);
      names.add("OLLAMA_FALLBACK_" + key);
    }
    return names;
  }

  static List<Endpoint> read(Map<String, String> variables) {
    List<Endpoint> endpoints = new ArrayList<>();
    endpoints.add(endpoint(variables, "PRIMARY", Environment.DEFAULT_URL));
    String fallback = variables.get("OLLAMA_FALLBACK_URL");
    if (fallback != null) {
      endpoints.add(endpoint(variables, "FALLBACK", fallback));
    } else {
      rejectOrphans(variables);
    }
    return endpoints;
  }

  private static void rejectOrphans(Map<String, String> variables) {
    Set<String> orphans = new TreeSet<>(variables.keySet());
    orphans.removeIf(name -> !name.startsWith("OLLAMA_FALLBACK_"));
    if (!orphans.isEmpty()) {
      throw new IllegalStateException(orphans + " must not be set without OLLAMA_FALLBACK_URL");
    }
  }

  private static Endpoint endpoint(Map<String, String> variables, String role, String url) {
    EndpointVariables own = new EndpointVariables(variables, "OLLAMA_" + role + "_");
    String name = role.toLowerCase(Locale.ROOT);
    Endpoint.Builder builder = Endpoint.ollama(name, own.url(url));
    builder.model(Environment.DEFAULT_MODEL);
    new EndpointVariables(variables, "").set(MODEL, builder::model);
    own.set("MODEL", builder::model);
    own.setDuration("TIMEOUT", builder::timeout);
    own.setAccess("ACCESS_ID", "ACCESS_SECRET", builder::cloudflareAccess);
    own.setSecret("KEY", builder::apiKey);
    own.setFlag("CLEARTEXT", builder::allowClearTextCredentials);
    own.setFlag("KEEP_WARM", builder::keepWarm);
    own.setFlag("UNLOAD_WHEN_WEDGED", builder::unloadWhenWedged);
    return own.build(builder);
  }
}
