// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.config;

import dev.offmeter.Endpoint;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * What the environment variables say. Two schemes, never both: the simple one ({@code
 * OLLAMA_PRIMARY_URL} and its companions) for one or two Ollama servers, the indexed one ({@code
 * OFFMETER_ENDPOINTS_0_URL}) for any list. {@code docs/configuration.md} lists them all.
 */
public final class Environment {
  static final String DEFAULT_URL = "http://localhost:11434";
  static final String DEFAULT_MODEL = "qwen3:8b";

  private static final String DEADLINE = "OFFMETER_DEADLINE";
  private static final String MODEL = "OLLAMA_MODEL";
  private static final Pattern SIMPLE = Pattern.compile("OLLAMA_(?:PRIMARY|FALLBACK)_(.*)");
  private static final Pattern INDEXED = Pattern.compile("OFFMETER_ENDPOINTS_(.*)");
  private static final Pattern INDEX = Pattern.compile("(0|[1-9][0-9]?)_([A-Z]+)");

  private static final Set<String> SIMPLE_KEYS =
      Set.of("URL", "MODEL", "TIMEOUT", "KEY", "ACCESS_ID", "ACCESS_SECRET", "CLEARTEXT");
  private static final Set<String> INDEXED_KEYS =
      Set.of(
          "NAME",
          "TYPE",
          "URL",
          "MODEL",
          "TIMEOUT",
          "CONNECT",
          "FIRSTTOKEN",
          "STALL",
          "KEY",
          "ACCESSID",
          "ACCESSSECRET",
          "CLEARTEXT",
          "CONCURRENCY",
          "RETRIES",
          "LOCALITY");

  private final List<Endpoint> endpoints;
  private final @Nullable Duration deadline;

  private Environment(List<Endpoint> endpoints, @Nullable Duration deadline) {
    this.endpoints = List.copyOf(endpoints);
    this.deadline = deadline;
  }

  /**
   * Reads the variables. Opens no connection.
   *
   * @throws IllegalArgumentException if a variable has a wrong value; the message names it
   * @throws IllegalStateException if variables contradict each other
   */
  public static Environment read(Map<String, String> variables) {
    Set<String> simple = new TreeSet<>();
    Set<Integer> indices = new TreeSet<>();
    for (String name : variables.keySet()) {
      if (name.equals(MODEL) || isSimple(name)) {
        simple.add(name);
      }
      index(name).ifPresent(indices::add);
    }
    if (!simple.isEmpty() && !indices.isEmpty()) {
      throw new IllegalStateException(
          "use either " + simple + " or OFFMETER_ENDPOINTS_..., not both");
    }
    List<Endpoint> endpoints = indices.isEmpty() ? simple(variables) : indexed(variables, indices);
    String deadline = variables.get(DEADLINE);
    return new Environment(
        endpoints, deadline == null ? null : Durations.parse(DEADLINE, deadline));
  }

  /** The endpoints in order of preference. */
  public List<Endpoint> endpoints() {
    return endpoints;
  }

  /** The deadline, if one is set. */
  public Optional<Duration> deadline() {
    return Optional.ofNullable(deadline);
  }

  private static boolean isSimple(String name) {
    Matcher matcher = SIMPLE.matcher(name);
    if (matcher.matches() && !SIMPLE_KEYS.contains(matcher.group(1))) {
      throw unknown(name, SIMPLE_KEYS);
    }
    return matcher.matches();
  }

  private static Optional<Integer> index(String name) {
    Matcher indexed = INDEXED.matcher(name);
    if (!indexed.matches()) {
      if (name.startsWith("OFFMETER_") && !name.equals(DEADLINE)) {
        throw new IllegalArgumentException(
            name
                + " is not a known variable; use "
                + DEADLINE
                + " or OFFMETER_ENDPOINTS_<n>_<key>");
      }
      return Optional.empty();
    }
    Matcher key = INDEX.matcher(indexed.group(1));
    if (!key.matches() || !INDEXED_KEYS.contains(key.group(2))) {
      throw unknown(name, INDEXED_KEYS);
    }
    return Optional.of(Integer.valueOf(key.group(1)));
  }

  /** A misspelt variable must not be lost in silence. */
  private static IllegalArgumentException unknown(String name, Set<String> known) {
    return new IllegalArgumentException(
        name + " is not a known variable; it must end in one of " + new TreeSet<>(known));
  }

  private static List<Endpoint> simple(Map<String, String> variables) {
    List<Endpoint> endpoints = new ArrayList<>();
    endpoints.add(simple(variables, "PRIMARY", DEFAULT_URL));
    String fallback = variables.get("OLLAMA_FALLBACK_URL");
    if (fallback != null) {
      endpoints.add(simple(variables, "FALLBACK", fallback));
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

  private static Endpoint simple(Map<String, String> variables, String role, String url) {
    Variables own = new Variables(variables, "OLLAMA_" + role + "_");
    String name = role.toLowerCase(Locale.ROOT);
    Endpoint.Builder builder = Endpoint.ollama(name, own.url(url));
    String shared = variables.getOrDefault(MODEL, DEFAULT_MODEL);
    new Variables(variables, "").set(MODEL, builder::model);
    builder.model(own.get("MODEL") == null ? shared : own.require("MODEL"));
    own.setDuration("TIMEOUT", builder::timeout);
    own.setAccess("ACCESS_ID", "ACCESS_SECRET", builder::cloudflareAccess);
    own.set("KEY", builder::apiKey);
    own.setFlag("CLEARTEXT", builder::allowClearTextCredentials);
    return own.build(builder);
  }

  private static List<Endpoint> indexed(Map<String, String> variables, Set<Integer> indices) {
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
      endpoints.add(indexed(new Variables(variables, "OFFMETER_ENDPOINTS_" + index + "_"), index));
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

  private static Endpoint indexed(Variables own, int index) {
    own.requireOneOf("TYPE", "ollama");
    String name = own.get("NAME") == null ? "endpoint-" + index : own.require("NAME");
    Endpoint.Builder builder = Endpoint.ollama(name, own.url(own.require("URL")));
    builder.model(own.get("MODEL") == null ? DEFAULT_MODEL : own.require("MODEL"));
    own.setDuration("TIMEOUT", builder::timeout);
    own.setDuration("CONNECT", builder::connectTimeout);
    own.setDuration("FIRSTTOKEN", builder::firstTokenTimeout);
    own.setDuration("STALL", builder::stallTimeout);
    own.setAccess("ACCESSID", "ACCESSSECRET", builder::cloudflareAccess);
    own.set("KEY", builder::apiKey);
    own.setFlag("CLEARTEXT", builder::allowClearTextCredentials);
    own.setInt("CONCURRENCY", builder::maxConcurrent);
    own.setInt("RETRIES", builder::retries);
    own.setLocality("LOCALITY", builder::locality);
    return own.build(builder);
  }
}
