// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.config;

import dev.offmeter.Endpoint;
import dev.offmeter.guard.Budget;
import dev.offmeter.meter.PriceList;
import dev.offmeter.meter.UsageLog;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The configuration in environment variables. There are three schemes, never mixed: the simple
 * scheme ({@code OLLAMA_PRIMARY_URL} and its companions) for one or two Ollama servers, the indexed
 * one ({@code OFFMETER_ENDPOINTS_0_URL}) for any list, and {@code OFFMETER_CONFIG} for a
 * LiteLLM-style file. {@code docs/configuration.md} lists them all. Immutable, so safe for use by
 * many threads.
 */
public final class Environment {
  public static final String DEFAULT_URL = "http://localhost:11434";

  /** The variable that lets the credentials of a file's endpoints go in clear text to any host. */
  public static final String CLEAR_TEXT = "OFFMETER_CLEARTEXT";

  static final String DEFAULT_MODEL = "qwen3:8b";

  private static final String DEADLINE = "OFFMETER_DEADLINE";
  private static final String CONFIG = "OFFMETER_CONFIG";
  private static final String CONFIG_MODEL = "OFFMETER_CONFIG_MODEL";
  private static final String HEDGE = "OFFMETER_HEDGE_AFTER";
  private static final String MAX_TOKENS = "OFFMETER_MAXTOKENS";
  private static final String MAX_TOKENS_AT_MOST = "OFFMETER_MAXTOKENSATMOST";
  private static final String MAX_REPEATS = "OFFMETER_MAXREPEATSPERSESSION";
  private static final String PRICES = "OFFMETER_PRICES";
  private static final String BASELINE = "OFFMETER_BASELINE";
  private static final String USAGE_LOG = "OFFMETER_USAGELOG";
  private static final Set<String> SINGLE =
      Setting.CLIENT.stream()
          .map(setting -> "OFFMETER_" + setting.word())
          .collect(Collectors.toUnmodifiableSet());

  private final List<Endpoint> endpoints;
  private final @Nullable Duration deadline;
  private final @Nullable Duration hedgeAfter;
  private final OptionalInt maxTokens;
  private final OptionalInt maxTokensAtMost;
  private final OptionalInt maxRepeatsPerSession;
  private final @Nullable PriceList prices;
  private final @Nullable String baseline;
  private final List<Budget> budgets;
  private final @Nullable UsageLog usageLog;

  private Environment(
      List<Endpoint> endpoints,
      @Nullable Duration deadline,
      @Nullable Duration hedgeAfter,
      OptionalInt maxTokens,
      OptionalInt maxTokensAtMost,
      OptionalInt maxRepeatsPerSession,
      @Nullable PriceList prices,
      @Nullable String baseline,
      List<Budget> budgets,
      @Nullable UsageLog usageLog) {
    this.budgets = budgets;
    this.usageLog = usageLog;
    this.prices = prices;
    this.baseline = baseline;
    this.endpoints = List.copyOf(endpoints);
    this.deadline = deadline;
    this.hedgeAfter = hedgeAfter;
    this.maxTokens = maxTokens;
    this.maxTokensAtMost = maxTokensAtMost;
    this.maxRepeatsPerSession = maxRepeatsPerSession;
  }

  /**
   * Holds what a file configures.
   *
   * @param endpoints in order of preference
   */
  public record FileContents(List<Endpoint> endpoints, List<Budget> budgets) {}

  /** Reads the file that {@code OFFMETER_CONFIG} names. */
  @FunctionalInterface
  public interface FileReader {
    /**
     * Returns the endpoints of a group and of its fallbacks, and the budgets.
     *
     * @param group the group that is asked; null for that of the file's first entry
     * @param field what the group is called in a message
     */
    FileContents read(
        Path file, @Nullable String group, String field, Map<String, String> variables);
  }

  /**
   * Reads the variables. Opens no connection.
   *
   * @param files reads the file if the variables name one
   * @throws IllegalArgumentException if a variable or the file has a wrong value; the message names
   *     it
   * @throws IllegalStateException if variables contradict each other, or one that the file names is
   *     not set
   */
  public static Environment read(Map<String, String> variables, FileReader files) {
    Set<String> simple = new TreeSet<>();
    Set<Integer> indices = new TreeSet<>();
    for (String name : variables.keySet()) {
      SimpleScheme.rejectUnknown(name);
      if (SimpleScheme.isOwn(name)) {
        simple.add(name);
      }
      if (!SINGLE.contains(name) && !BudgetVariables.isOwn(name)) {
        IndexedScheme.index(name).ifPresent(indices::add);
      }
    }
    rejectMixture(variables, simple, indices);
    boolean simply = indices.isEmpty() && !variables.containsKey(CONFIG);
    UnknownVariables.warn(variables.keySet(), simply ? SimpleScheme.names() : Set.of());
    FileContents contents = contents(variables, indices, files);
    List<Budget> budgets = new ArrayList<>(contents.budgets());
    budgets.addAll(BudgetVariables.read(variables));
    return new Environment(
        contents.endpoints(),
        span(variables, DEADLINE),
        span(variables, HEDGE),
        positive(variables, MAX_TOKENS),
        positive(variables, MAX_TOKENS_AT_MOST),
        positive(variables, MAX_REPEATS),
        prices(variables),
        variables.containsKey(BASELINE)
            ? new EndpointVariables(variables, "").require(BASELINE)
            : null,
        budgets,
        usageLog(variables));
  }

  private static @Nullable Duration span(Map<String, String> variables, String name) {
    EndpointVariables own = new EndpointVariables(variables, "");
    return own.get(name) == null ? null : Durations.parse(name, own.require(name));
  }

  private static OptionalInt positive(Map<String, String> variables, String name) {
    int[] number = new int[1];
    new EndpointVariables(variables, "")
        .setInt(
            name,
            value -> {
              if (value < 1) {
                throw new IllegalArgumentException(name + " must be at least 1, was " + value);
              }
              number[0] = value;
            });
    return number[0] == 0 ? OptionalInt.empty() : OptionalInt.of(number[0]);
  }

  private static @Nullable PriceList prices(Map<String, String> variables) {
    EndpointVariables own = new EndpointVariables(variables, "");
    return own.get(PRICES) == null ? null : PriceList.of(path(PRICES, own.require(PRICES)));
  }

  private static @Nullable UsageLog usageLog(Map<String, String> variables) {
    EndpointVariables own = new EndpointVariables(variables, "");
    if (own.get(USAGE_LOG) == null) {
      return null;
    }
    String text = own.require(USAGE_LOG);
    try {
      return UsageLog.file(Path.of(text));
    } catch (InvalidPathException e) {
      throw new IllegalArgumentException(USAGE_LOG + " must be a path, was '" + text + "'", e);
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(
          USAGE_LOG + " must name a file that can be written, was '" + text + "'", e);
    }
  }

  private static void rejectMixture(
      Map<String, String> variables, Set<String> simple, Set<Integer> indices) {
    if (!simple.isEmpty() && !indices.isEmpty()) {
      throw new IllegalStateException(
          "use either " + simple + " or OFFMETER_ENDPOINTS_..., not both");
    }
    if (variables.containsKey(CONFIG) && !(simple.isEmpty() && indices.isEmpty())) {
      throw new IllegalStateException(
          "use either OFFMETER_CONFIG or "
              + (simple.isEmpty() ? "OFFMETER_ENDPOINTS_..." : simple)
              + ", not both");
    }
    if (variables.containsKey(CONFIG_MODEL) && !variables.containsKey(CONFIG)) {
      throw new IllegalStateException(CONFIG_MODEL + " must not be set without " + CONFIG);
    }
    if (variables.containsKey(CLEAR_TEXT) && !variables.containsKey(CONFIG)) {
      throw new IllegalStateException(
          CLEAR_TEXT
              + " must not be set without "
              + CONFIG
              + "; use OLLAMA_PRIMARY_CLEARTEXT or OFFMETER_ENDPOINTS_<n>_CLEARTEXT");
    }
  }

  private static FileContents contents(
      Map<String, String> variables, Set<Integer> indices, FileReader files) {
    if (variables.containsKey(CONFIG)) {
      return file(variables, files);
    }
    List<Endpoint> endpoints =
        indices.isEmpty() ? SimpleScheme.read(variables) : IndexedScheme.read(variables, indices);
    return new FileContents(endpoints, List.of());
  }

  private static FileContents file(Map<String, String> variables, FileReader files) {
    EndpointVariables own = new EndpointVariables(variables, "");
    String group = own.get(CONFIG_MODEL) == null ? null : own.require(CONFIG_MODEL);
    return files.read(path(CONFIG, own.require(CONFIG)), group, CONFIG_MODEL, variables);
  }

  private static Path path(String variable, String text) {
    Path file;
    try {
      file = Path.of(text);
    } catch (InvalidPathException e) {
      throw new IllegalArgumentException(variable + " must be a path, was '" + text + "'", e);
    }
    if (Files.isDirectory(file) || !Files.isReadable(file)) {
      throw new IllegalArgumentException(
          variable + " must name a file that can be read, was '" + text + "'");
    }
    return file;
  }

  /** Returns the endpoints in order of preference. */
  public List<Endpoint> endpoints() {
    return endpoints;
  }

  /** Returns the deadline, if set. */
  public Optional<Duration> deadline() {
    return Optional.ofNullable(deadline);
  }

  /** Returns the silence after which the next endpoint is asked too, if set. */
  public Optional<Duration> hedgeAfter() {
    return Optional.ofNullable(hedgeAfter);
  }

  /** Returns the list of prices, if set. */
  public Optional<PriceList> prices() {
    return Optional.ofNullable(prices);
  }

  /** Returns the endpoint whose price counts as what a call would have cost, if set. */
  public Optional<String> baseline() {
    return Optional.ofNullable(baseline);
  }

  /** Returns the log of attempts, if set. */
  public Optional<UsageLog> usageLog() {
    return Optional.ofNullable(usageLog);
  }

  /** Returns the budgets. */
  public List<Budget> budgets() {
    return budgets;
  }

  /** Returns the most tokens of an answer, for requests that set none, if set. */
  public OptionalInt maxTokens() {
    return maxTokens;
  }

  /** Returns how often the same conversation may be sent within a session, if set. */
  public OptionalInt maxRepeatsPerSession() {
    return maxRepeatsPerSession;
  }

  /** Returns the most tokens that a request may ask for, if set. */
  public OptionalInt maxTokensAtMost() {
    return maxTokensAtMost;
  }
}
