// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.offmeter.internal.http.EndpointConfig;
import dev.offmeter.meter.Price;
import dev.offmeter.meter.Upkeep;
import java.lang.reflect.Field;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * The tables of {@code docs/configuration.md} are generated from the code: a default is read from
 * what is built without the setting, a rule is the text of the message for a wrong value, a
 * combination is one that {@code build()} rejects. {@code mvn -Pquick -Dtest=SettingsTableTest
 * -Doffmeter.docs=write test} writes them anew, for the review to see.
 */
class SettingsTableTest {
  private static final Path PAGE = Path.of("docs/configuration.md");
  private static final Pattern TABLE =
      Pattern.compile("<!-- generated -->\n(.*?)<!-- end -->\n", Pattern.DOTALL);
  private static final Pattern RULE =
      Pattern.compile(".*? must (?:be )?(?:from )?(.+?)(?:, was .*)?", Pattern.DOTALL);
  private static final Pattern SETTER = Pattern.compile("`(\\w+)");
  private static final Duration NONE = Duration.ZERO;
  private static final Duration SECOND = Duration.ofSeconds(1);

  /** One row of a table, its setting first. */
  private record Row(List<String> cells) {
    static Row of(String... cells) {
      return new Row(List.of(cells));
    }

    String line() {
      return cells.stream()
          .map(cell -> cell.isEmpty() ? " |" : " " + cell + " |")
          .collect(Collectors.joining("", "|", "\n"));
    }
  }

  private static String table(String head, List<Row> rows) {
    String columns = "---|".repeat(rows.get(0).cells().size());
    return "| "
        + head
        + " |\n|"
        + columns
        + "\n"
        + rows.stream().map(Row::line).collect(Collectors.joining());
  }

  private static Endpoint.Builder server() {
    return Endpoint.ollama("x", "http://localhost").model("m");
  }

  private static Endpoint.Builder managed() {
    return server().locality(Locality.MANAGED);
  }

  private static EndpointConfig plain() {
    return server().build().toConfig(false);
  }

  /** Returns the rule that the message about a wrong value states. */
  private static String rule(Runnable wrong) {
    Throwable thrown = catchThrowable(wrong::run);
    assertThat(thrown).isInstanceOf(IllegalArgumentException.class);
    Matcher rule = RULE.matcher(thrown.getMessage());
    assertThat(rule.matches()).as(thrown.getMessage()).isTrue();
    return rule.group(1).replace("not be ", "not ").replaceFirst("hold (.*) only", "$1");
  }

  private static String rule(Consumer<Endpoint.Builder> wrong) {
    return rule(() -> wrong.accept(server()));
  }

  /** A combination that is rejected. */
  private static String combination(String text, Endpoint.Builder wrong) {
    assertThat(catchThrowable(wrong::build)).as(text).isInstanceOf(IllegalStateException.class);
    return text;
  }

  /** The kinds that take a setting; the others reject it. */
  private static String only(String kind, Endpoint.Builder... others) {
    for (Endpoint.Builder other : others) {
      combination(kind, other);
    }
    return kind;
  }

  private static String shown(Object value) {
    if (value.equals(Integer.MAX_VALUE)) {
      return "unlimited";
    }
    if (!(value instanceof Duration span)) {
      return String.valueOf(value);
    }
    if (span.isZero()) {
      return "none";
    }
    return span.toSeconds() % 600 == 0 ? span.toMinutes() + " min" : span.toSeconds() + " s";
  }

  private static String mebibytes(String constant) throws ReflectiveOperationException {
    Field field = Endpoint.class.getDeclaredField(constant);
    field.setAccessible(true);
    return ((Number) field.get(null)).longValue() / (1024 * 1024) + " MiB";
  }

  private static String code(String... names) {
    return Arrays.stream(names).map(name -> "`" + name + "`").collect(Collectors.joining(", "));
  }

  private static Row server(
      String setting, String variables, String keys, String byDefault, String value) {
    return Row.of(code(setting), variables, keys, byDefault, value, "servers");
  }

  private static Row any(
      String setting, String variables, String keys, String byDefault, String value) {
    return Row.of(code(setting), variables, keys, byDefault, value, "all");
  }

  private static Row of(
      String kinds, String setting, String variables, String keys, String byDefault, String value) {
    return Row.of(code(setting), variables, keys, byDefault, value, kinds);
  }

  private static List<Row> endpoint() throws ReflectiveOperationException {
    EndpointConfig plain = plain();
    EndpointConfig first = server().build().toConfig(true);
    Endpoint.Builder openAi = Endpoint.openAi("x", "http://localhost").model("m");
    return List.of(
        any(
            "name",
            code("NAME"),
            code("model_info.id") + ", else " + code("model_name"),
            "`endpoint-N`",
            rule(() -> Endpoint.ollama(" ", "http://localhost")) + "; unique"),
        server(
            "baseUrl",
            code("URL"),
            code("api_base", "base_url"),
            "the provider's own",
            "absolute, http or https"),
        server(
            "model(String)",
            code("MODEL"),
            code("model"),
            "none",
            rule(b -> b.model(" "))
                + combination("; required", Endpoint.openAi("x", "http://localhost"))),
        any(
            "timeout(Duration)",
            code("TIMEOUT"),
            code("timeout"),
            shown(first.timeouts().attempt())
                + " for the first of several, else "
                + shown(plain.timeouts().attempt()),
            rule(b -> b.timeout(NONE))),
        server(
            "connectTimeout(Duration)",
            code("CONNECT"),
            "",
            shown(plain.timeouts().connect()),
            rule(b -> b.connectTimeout(NONE))),
        server(
            "firstTokenTimeout(Duration)",
            code("FIRSTTOKEN"),
            code("stream_timeout"),
            "`timeout`",
            rule(b -> b.firstTokenTimeout(NONE))
                + combination(
                    "; at most `timeout`",
                    server().timeout(SECOND).firstTokenTimeout(SECOND.plusMillis(1)))),
        server(
            "stallTimeout(Duration)",
            code("STALL"),
            "",
            shown(plain.timeouts().stall()) + ", at most `timeout`",
            rule(b -> b.stallTimeout(NONE))),
        server(
            "streamTimeout(Duration)",
            code("STREAMTIMEOUT"),
            "",
            shown(plain.timeouts().stream()),
            rule(b -> b.streamTimeout(NONE))),
        server(
            "minimumRate(double, Duration)",
            "",
            "",
            "none",
            rule(b -> b.minimumRate(0, SECOND)) + " pieces a second"),
        server(
            "apiKey(String or Supplier)",
            code("KEY"),
            code("api_key"),
            "none",
            rule(b -> b.apiKey("\u00e9"))),
        server(
            "cloudflareAccess(id, secret)",
            code("ACCESSID", "ACCESSSECRET"),
            "",
            "none",
            combination("both or neither", server().header("CF-Access-Client-Id", "x"))),
        server("header(name, value)", "", "", "none", rule(b -> b.header("x", "\u00e9"))),
        server("allowClearTextCredentials(boolean)", code("CLEARTEXT"), "", "false", ""),
        any(
            "maxConcurrent(int)",
            code("CONCURRENCY"),
            code("max_parallel_requests"),
            shown(plain.maxConcurrent()),
            rule(b -> b.maxConcurrent(0))),
        any(
            "maxWait(Duration)",
            code("MAXWAIT"),
            "",
            shown(plain.maxWait()),
            rule(b -> b.maxWait(NONE))
                + combination("; needs `maxConcurrent`", server().maxWait(SECOND))),
        any(
            "requestsPerMinute(int)",
            code("RPM"),
            code("rpm"),
            shown(plain.requestsPerMinute()),
            rule(b -> b.requestsPerMinute(0))),
        server(
            "retries(int)",
            code("RETRIES"),
            code("num_retries"),
            shown(plain.retries()),
            rule(b -> b.retries(-1))),
        any(
            "locality(Locality)",
            code("LOCALITY"),
            "",
            "[by kind](privacy.md#locality)",
            code("self_hosted", "managed")),
        any(
            "price(Price)",
            code("PRICEIN", "PRICEOUT", "PRICESECOND", "CURRENCY"),
            code("input_cost_per_token", "output_cost_per_token", "input_cost_per_second"),
            "[free, or unknown if managed](costs.md#prices)",
            rule(() -> Price.perMillionTokens("USD", -1, 0))),
        any(
            "capabilities(Capability...)",
            code("CAPABILITIES"),
            "",
            "[as reported, or unknown](capabilities.md#what-is-known)",
            "`vision`, `tools`, `json_schema`, `thinking`, `frontier`, by comma"),
        server(
            "capability(Capability, boolean)",
            "",
            code("model_info.supports_*"),
            "as `capabilities`",
            ""),
        server(
            "contextLength(int)",
            code("CONTEXTLENGTH"),
            code("model_info.max_input_tokens"),
            "[as reported, or unknown](capabilities.md#context)",
            rule(b -> b.contextLength(0))),
        server(
            "maxTokens(int)",
            code("MAXTOKENS"),
            code("max_tokens", "max_completion_tokens"),
            "the client's, else " + ChatRequest.DEFAULT_MAX_TOKENS,
            rule(b -> b.maxTokens(0))),
        server(
            "defaults(Consumer)",
            "",
            code("temperature", "top_p", "seed", "stop"),
            "the client's",
            ""),
        server("option(name, value)", "", "", "none", "text, number, boolean, list, map"),
        server(
            "omit(String...)",
            code("OMIT"),
            "",
            "none",
            "[names](servers.md#fields-that-a-server-refuses), by comma"),
        server(
            "upkeep(Upkeep)",
            code(
                    "UPKEEPPRICE",
                    "UPKEEPMONTHS",
                    "UPKEEPWATTS",
                    "UPKEEPIDLEWATTS",
                    "UPKEEPKWH",
                    "UPKEEPHOURS",
                    "UPKEEPRATE")
                + ", in "
                + code("CURRENCY"),
            "",
            "[none](costs.md#the-report)",
            rule(() -> Upkeep.builder().price(-1))),
        server(
            "stopRepetition(boolean)",
            code("STOPREPETITION"),
            "",
            "[by locality](guards.md#an-answer-that-repeats-itself)",
            ""),
        server("maxLineBytes(int)", "", "", mebibytes("LINE_BYTES"), rule(b -> b.maxLineBytes(0))),
        server(
            "maxAnswerBytes(long)",
            "",
            "",
            mebibytes("ANSWER_BYTES"),
            rule(b -> b.maxAnswerBytes(0))),
        of(
            only("`openAi`", server().dialect(Dialect.VLLM)),
            "dialect(Dialect)",
            code("TYPE"),
            code("model"),
            "`GENERIC`",
            ""),
        of(
            only("`openAi`", server().path("/x")),
            "path(String)",
            code("PATH"),
            "",
            "`/v1/chat/completions`",
            ""),
        of(
            only("`openAi`, `anthropic`", server().endMarkerIsEnough(true)),
            "endMarkerIsEnough(boolean)",
            code("ENDMARKERISENOUGH"),
            "",
            "false",
            ""),
        of(
            only("`ollama`", openAi.keepAlive(SECOND)),
            "keepAlive(Duration)",
            "",
            code("keep_alive"),
            "the server's",
            rule(b -> b.keepAlive(Duration.ofMillis(1500)))),
        of(
            "`ollama`",
            "keepWarm(boolean)",
            code("KEEPWARM"),
            "",
            shown(plain.keepWarm()),
            combination(
                    "`keepAlive` 10 s or more",
                    server().keepWarm(true).keepAlive(Duration.ofSeconds(9)))
                + combination("; not managed", managed().keepWarm(true))),
        of(
            "`ollama`",
            "unloadWhenWedged(boolean)",
            code("UNLOADWHENWEDGED"),
            "",
            shown(plain.unloadWhenWedged()),
            combination("not managed", managed().unloadWhenWedged(true))),
        of(
            "`local`",
            "answerWhileModelLoads(boolean)",
            "",
            "",
            shown(plain.answerWhileModelLoads()),
            ""));
  }

  private static List<Row> client() {
    return List.of(
        Row.of(code("endpoint(Endpoint)"), "", "none", "at least one; names differ"),
        Row.of(
            code("deadline(Duration)"),
            code("OFFMETER_DEADLINE"),
            "the sum of all tries",
            rule(() -> LlmClient.builder().deadline(NONE))),
        Row.of(
            code("hedgeAfter(Duration)"),
            code("OFFMETER_HEDGE_AFTER"),
            "off",
            rule(() -> LlmClient.builder().hedgeAfter(NONE))),
        Row.of(
            code("maxHedgedShare(double)"),
            "",
            "0.1",
            rule(() -> LlmClient.builder().maxHedgedShare(0))),
        Row.of(code("defaults(Consumer)"), code("OFFMETER_MAXTOKENS"), "none", ""),
        Row.of(
            code("maxTokensAtMost(int)"),
            code("OFFMETER_MAXTOKENSATMOST"),
            shown(MaxTokensCeiling.DEFAULT),
            rule(() -> LlmClient.builder().maxTokensAtMost(0))),
        Row.of(
            code("maxRepeatsPerSession(int)"),
            code("OFFMETER_MAXREPEATSPERSESSION"),
            shown(LoopGuard.DEFAULT),
            rule(() -> LlmClient.builder().maxRepeatsPerSession(0))),
        Row.of(
            code("prices(PriceList)"),
            code("OFFMETER_PRICES"),
            "[none](costs.md#prices)",
            "a file of LiteLLM's or models.dev's format"),
        Row.of(
            code("baseline(String)", "baseline(Price)"),
            code("OFFMETER_BASELINE"),
            "[none](costs.md#what-own-hardware-saves)",
            "an endpoint with a price"),
        Row.of(
            code("budget(Budget)"),
            code("OFFMETER_BUDGETS_<n>_LIMIT") + " and [others](budgets.md#variables)",
            "[none](budgets.md)",
            "names differ; of money only with prices"),
        Row.of(code("budgetStore(BudgetStore)"), "", "in memory", ""),
        Row.of(
            code("usageLog(UsageLog)"),
            code("OFFMETER_USAGELOG"),
            "[none](usage-log.md)",
            "the variable: a file that can be written"),
        Row.of(
            code("usageLogSpill(Path)"),
            "",
            "[none](usage-log.md#when-it-does-not-work)",
            rule(() -> LlmClient.builder().usageLogSpill(Path.of("/"))) + "; needs a `usageLog`"),
        Row.of(code("listener(LlmListener)"), "", "none", ""),
        Row.of(code("httpClient(OkHttpClient)"), "", "a new one", ""));
  }

  private static List<Row> request() {
    ChatRequest plain = ChatRequest.builder().user("x").build();
    return List.of(
        Row.of(
            code("system", "user", "assistant", "message"),
            "none",
            "at least one; the last from the user or a tool"),
        Row.of(
            code("maxTokens(int)"),
            "the endpoint's, the client's, " + plain.maxTokens(),
            rule(() -> ChatRequest.builder().maxTokens(0))),
        Row.of(
            code("temperature(double)"),
            "the model's",
            rule(() -> ChatRequest.builder().temperature(-1))),
        Row.of(code("topP(double)"), "the model's", rule(() -> ChatRequest.builder().topP(2))),
        Row.of(code("seed(long)"), "random", ""),
        Row.of(code("stop(String...)"), "the model's", rule(() -> ChatRequest.builder().stop(""))),
        Row.of(code("thinking(boolean)"), shown(plain.thinking()), ""),
        Row.of(
            code("deadline(Duration)"),
            "the client's",
            rule(() -> ChatRequest.builder().deadline(NONE))),
        Row.of(
            code("onBrokenStream(StreamRecovery)"),
            "[`" + plain.onBrokenStream() + "`](streaming.md#when-an-answer-breaks-off)",
            ""),
        Row.of(
            code("tool(name, description, schema)"),
            "none",
            "1 to 64 letters, digits, `_`, `-`; a JSON object"),
        Row.of(code("model(String)"), "[any](capabilities.md#a-model-of-the-callers-choice)", ""),
        Row.of(code("selfHostedOnly()"), "off", ""),
        Row.of(code("requires(Capability...)"), "nothing", ""),
        Row.of(
            code("answerSchema(String)"),
            "none",
            rule(() -> ChatRequest.builder().answerSchema("x"))),
        Row.of(code("repairTurn(boolean)"), shown(plain.repairTurn()), ""),
        Row.of(code("accept(AnswerCheck)"), "none", ""),
        Row.of(code("continueWhenFiltered(boolean)"), shown(plain.continueWhenFiltered()), ""),
        Row.of(code("allowRepetition()"), "off", ""),
        Row.of(
            code("session(String)"),
            "none",
            rule(() -> ChatRequest.builder().user("x").session("x".repeat(201)))),
        Row.of(code("tag(key, value)"), "none", ""));
  }

  private static List<String> tables() throws ReflectiveOperationException {
    return List.of(
        table("setting | variable | default | value", client()),
        table("setting | variable | LiteLLM key | default | value | for", endpoint()),
        table("setting | default | value", request()));
  }

  @Test
  void thePageHasTheTables() throws Exception {
    String page = Files.readString(PAGE);
    Matcher table = TABLE.matcher(page);
    List<String> shown = new ArrayList<>();
    StringBuilder written = new StringBuilder();
    List<String> tables = tables();
    while (table.find()) {
      String now = tables.get(Math.min(shown.size(), tables.size() - 1));
      shown.add(table.group(1));
      table.appendReplacement(
          written, Matcher.quoteReplacement("<!-- generated -->\n" + now + "<!-- end -->\n"));
    }
    table.appendTail(written);
    if ("write".equals(System.getProperty("offmeter.docs"))) {
      Files.writeString(PAGE, written);
    }
    assertThat(shown).isEqualTo(tables);
  }

  /** The rows of the kinds that match. */
  private static List<Row> endpointsOf(String kinds) throws ReflectiveOperationException {
    return endpoint().stream().filter(row -> row.cells().get(5).matches(kinds)).toList();
  }

  @Test
  void theTablesHaveEverySetting() throws Exception {
    assertThat(settings(endpointsOf("(?!`local`).*"), "name", "baseUrl"))
        .isEqualTo(setters(Endpoint.Builder.class));
    assertThat(settings(endpointsOf("all|`local`"), "name"))
        .isEqualTo(setters(Endpoint.FunctionBuilder.class));
    assertThat(settings(client())).isEqualTo(without(setters(LlmClient.Builder.class), "from.*"));
    assertThat(settings(request())).isEqualTo(setters(ChatRequest.Builder.class));
  }

  @Test
  void theTableOfAnEndpointHasEveryVariable() throws Exception {
    Throwable unknown =
        catchThrowable(() -> LlmClient.fromEnv(Map.of("OFFMETER_ENDPOINTS_0_NONE", "x")));
    String known = unknown.getMessage().replaceFirst(".*\\[(.*)]", "$1");

    assertThat(names(endpoint(), 1)).isEqualTo(new TreeSet<>(List.of(known.split(", "))));
  }

  /** Two keys are missing on purpose: they say which endpoint it is, and when it is asked. */
  @Test
  void theTableOfAnEndpointHasEveryKeyOfLiteLlm() throws Exception {
    Field keys =
        Class.forName("dev.offmeter.internal.config.litellm.SupportedKeys")
            .getDeclaredField("PARAMS");
    keys.setAccessible(true);
    Set<String> known = new TreeSet<>();
    ((Set<?>) keys.get(null)).forEach(key -> known.add((String) key));

    assertThat(without(names(endpoint(), 2), "model_info.*|model_name"))
        .isEqualTo(without(known, "order|custom_llm_provider"));
  }

  private static Set<String> settings(List<Row> rows, String... others) {
    Set<String> names = names(rows, 0);
    names.removeAll(List.of(others));
    return names;
  }

  private static Set<String> names(List<Row> rows, int column) {
    Set<String> names = new TreeSet<>();
    for (Row row : rows) {
      SETTER.matcher(row.cells().get(column)).results().forEach(name -> names.add(name.group(1)));
    }
    return names;
  }

  private static Set<String> setters(Class<?> builder) {
    return Stream.of(builder.getMethods())
        .filter(method -> method.getReturnType() == builder)
        .map(java.lang.reflect.Method::getName)
        .collect(Collectors.toCollection(TreeSet::new));
  }

  private static Set<String> without(Set<String> names, String pattern) {
    names.removeIf(name -> name.matches(pattern));
    return names;
  }
}
