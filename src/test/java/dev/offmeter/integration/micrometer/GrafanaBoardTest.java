// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.micrometer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.offmeter.AllEndpointsFailedException;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatStream;
import dev.offmeter.Endpoint;
import dev.offmeter.LlmClient;
import dev.offmeter.Locality;
import dev.offmeter.guard.Budget;
import dev.offmeter.meter.Price;
import dev.offmeter.meter.UsageLog;
import dev.offmeter.observe.QueueAlert;
import dev.offmeter.observe.Runaway;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testkit.FakeLlm;
import io.micrometer.core.instrument.Meter;
import io.micrometer.core.instrument.Tag;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.yaml.snakeyaml.Yaml;

/**
 * The board and the rules in {@code docs/grafana}, and the table in {@code docs/metrics.md}, name
 * what a scrape has, no more and no less.
 */
@Timeout(60)
class GrafanaBoardTest {
  private static final Path DOCS = Path.of("docs");
  private static final ChatRequest REQUEST = ChatRequest.builder().user("a reminder").build();

  /** Labels that Prometheus adds to what it scrapes. */
  private static final Set<String> OF_PROMETHEUS = Set.of("job", "instance");

  /** The tag that tells two clients of one process apart, and that one alone does not have. */
  private static final String OF_SEVERAL = "client";

  /** What neither the board nor a rule needs. */
  private static final Set<String> LEFT_OUT = Set.of();

  @RegisterExtension final Loopback loopback = new Loopback();
  @TempDir Path folder;

  private final PrometheusMeterRegistry registry =
      new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
  private final FakeLlm primary = loopback.fake(FakeLlm.ollama());
  private final FakeLlm fallback = loopback.fake(FakeLlm.ollama());
  private final MetricsListener listener = OffmeterMetrics.listener(registry);

  /** The values of each label of each metric. */
  private Map<String, Map<String, Set<String>>> scraped = Map.of();

  /** Calls, fall-throughs, an endpoint that comes back, restarts, budgets, costs; and a scrape. */
  @BeforeEach
  void runAndScrape() {
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .endpoint(
                    primary
                        .endpoint("primary")
                        .price(Price.perMillionTokens("USD", 1, 1))
                        .retries(0)
                        .build())
                .endpoint(fallback.endpoint("fallback").build())
                .baseline(Price.perMillionTokens("USD", 10, 10))
                .budget(Budget.calls("day", 8).alertAt(0.5))
                .usageLog(UsageLog.file(folder.resolve("log.jsonl")))
                .listener(listener));
    new OffmeterMetrics(client).bindTo(registry);
    client.chat(REQUEST);
    primary.streams("half", " of it").cutsAfter(1);
    try (ChatStream stream = client.stream(REQUEST)) {
      assertThat(stream.response().endpoint()).isEqualTo("fallback");
    }
    primary.status(401);
    client.chat(REQUEST);
    client.chat(REQUEST);
    primary.answers("BACK");
    client.recheck("primary").join();
    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("primary");
    failWithoutAPrice();
    // What takes a server hours or a long text is told by hand.
    listener.onRunawayStopped(1, new Runaway("primary", "", Runaway.Kind.REPETITION, 1));
    Duration wait = Duration.ofSeconds(1);
    listener.onQueueAlert(new QueueAlert("primary", "", 1, wait, wait, ""));
    scraped = parsed(registry.scrape());
  }

  private void failWithoutAPrice() {
    Endpoint managed = fallback.endpoint("reserve").locality(Locality.MANAGED).build();
    LlmClient client = loopback.client(LlmClient.builder().endpoint(managed).listener(listener));
    client.chat(REQUEST);
    fallback.status(401);
    assertThatThrownBy(() -> client.chat(REQUEST)).isInstanceOf(AllEndpointsFailedException.class);
  }

  private static Map<String, Map<String, Set<String>>> parsed(String scrape) {
    Map<String, Map<String, Set<String>>> metrics = new TreeMap<>();
    scrape
        .lines()
        .filter(line -> !line.startsWith("#"))
        .forEach(
            line -> {
              Map<String, Set<String>> labels =
                  metrics.computeIfAbsent(line.split("[{ ]", 2)[0], name -> new TreeMap<>());
              Matcher label = Pattern.compile("([a-z_]+)=\"([^\"]*)\"").matcher(line);
              while (label.find()) {
                labels.computeIfAbsent(label.group(1), key -> new TreeSet<>()).add(label.group(2));
              }
            });
    return metrics;
  }

  private static List<String> boardExpressions() throws IOException {
    JsonNode board = new ObjectMapper().readTree(DOCS.resolve("grafana/offmeter.json").toFile());
    List<String> expressions = new ArrayList<>(board.findValuesAsText("expr"));
    board
        .get("templating")
        .get("list")
        .forEach(variable -> expressions.add(variable.get("query").asText()));
    expressions.remove("prometheus");
    return expressions;
  }

  private static List<String> ruleExpressions() throws IOException {
    return rules().map(rule -> rule.get("expr").toString()).toList();
  }

  @SuppressWarnings("unchecked")
  private static Stream<Map<String, Object>> rules() throws IOException {
    Map<String, Object> file =
        new Yaml().load(Files.readString(DOCS.resolve("grafana/alerts.yaml")));
    return ((List<Map<String, Object>>) file.get("groups"))
        .stream().flatMap(group -> ((List<Map<String, Object>>) group.get("rules")).stream());
  }

  @Test
  void everyMetricAndLabelOfTheBoardIsExported() throws IOException {
    assertThat(boardExpressions()).hasSizeGreaterThan(20).allSatisfy(this::check);
  }

  @Test
  void everyLegendOfTheBoardNamesALabelOfItsExpression() throws IOException {
    JsonNode board = new ObjectMapper().readTree(DOCS.resolve("grafana/offmeter.json").toFile());
    for (JsonNode target : board.findParents("expr")) {
      PromQl query = PromQl.of(target.get("expr").asText());
      Matcher label =
          Pattern.compile("\\{\\{(\\w+)}}").matcher(target.get("legendFormat").asText());
      while (label.find()) {
        assertThat(query.grouping()).as(target.toString()).contains(label.group(1));
      }
    }
  }

  @Test
  void everyMetricAndLabelOfTheRulesIsExported() throws IOException {
    assertThat(ruleExpressions()).hasSizeGreaterThan(8).allSatisfy(this::check);
  }

  @Test
  void aClientThatIsUpDoesNotHideAnotherOfItsProcessThatIsDown() throws IOException {
    assertThat(rules())
        .filteredOn(rule -> rule.get("expr").toString().contains("offmeter_endpoint_state"))
        .filteredOn(rule -> rule.get("alert").toString().endsWith("Down"))
        .hasSize(2)
        .extracting(rule -> PromQl.of(rule.get("expr").toString()).grouping())
        .allSatisfy(labels -> assertThat(labels).contains("client"));
  }

  @Test
  void aRowThatIsLostDoesNotAlertForEver() throws IOException {
    assertThat(ruleExpressions())
        .filteredOn(expression -> expression.contains("offmeter_usage_log_rows"))
        .singleElement()
        .asString()
        .contains("increase(offmeter_usage_log_rows{state=\"lost\"}[1h])");
  }

  @Test
  void everyRuleHasASummaryAndASeverityAndItsLabels() throws IOException {
    rules()
        .forEach(
            rule -> {
              String text = rule.toString();
              assertThat(text).contains("summary=").contains("severity=");
              Set<String> kept = PromQl.of(rule.get("expr").toString()).grouping();
              Matcher label = Pattern.compile("\\$labels\\.(\\w+)").matcher(text);
              while (label.find()) {
                assertThat(kept).as(text).contains(label.group(1));
              }
            });
  }

  private void check(String expression) {
    PromQl query = PromQl.of(expression);
    assertThat(query.selectors()).isNotEmpty();
    Set<String> labels = new TreeSet<>(OF_PROMETHEUS);
    labels.add(OF_SEVERAL);
    for (PromQl.Selector selector : query.selectors()) {
      assertThat(scraped).containsKey(selector.metric());
      Map<String, Set<String>> exported = scraped.get(selector.metric());
      labels.addAll(exported.keySet());
      for (PromQl.Condition condition : selector.conditions()) {
        if (!OF_PROMETHEUS.contains(condition.label())) {
          assertThat(exported).as(selector.metric()).containsKey(condition.label());
          assertThat(exported.get(condition.label())).contains(condition.value());
        }
      }
    }
    assertThat(labels).containsAll(query.grouping());
  }

  @Test
  void everyMeterIsOnTheBoardOrInARule() throws IOException {
    Set<String> used =
        Stream.concat(boardExpressions().stream(), ruleExpressions().stream())
            .flatMap(expression -> PromQl.of(expression).selectors().stream())
            .map(selector -> selector.metric().replaceAll("_(seconds_)?(bucket|count|sum)$", ""))
            .collect(Collectors.toCollection(TreeSet::new));
    Set<String> exported =
        scraped.keySet().stream()
            .map(name -> name.replaceAll("_(seconds_)?(bucket|count|sum|max)$", ""))
            .filter(name -> !LEFT_OUT.contains(name))
            .collect(Collectors.toCollection(TreeSet::new));
    assertThat(used).isEqualTo(exported);
  }

  @Test
  void theTableOfThePageHasEachMeterWithItsTypeAndTags() throws IOException {
    Set<String> rows = new TreeSet<>();
    Files.readString(DOCS.resolve("metrics.md"))
        .lines()
        .filter(line -> line.matches("\\| `(gen_ai|offmeter)\\..*"))
        .map(line -> line.split(" *\\| *"))
        .forEach(cells -> rows.add(cells[1] + " " + cells[2] + " " + sorted(cells[3].split(" "))));

    Set<String> meters =
        registry.getMeters().stream()
            .map(
                meter ->
                    "`" + meter.getId().getName() + "` " + type(meter) + " " + sorted(tags(meter)))
            .collect(Collectors.toCollection(TreeSet::new));
    assertThat(rows).isEqualTo(meters);
  }

  private static String type(Meter meter) {
    return meter.getId().getType().name().toLowerCase(Locale.ROOT).replace('_', ' ');
  }

  private static String[] tags(Meter meter) {
    return meter.getId().getTags().stream()
        .map(Tag::getKey)
        .map(key -> "`" + key + "`")
        .toArray(String[]::new);
  }

  private static String sorted(String[] tags) {
    return Stream.of(tags).sorted().collect(Collectors.joining(" "));
  }

  @Test
  void whatIsNotExportedIsFound() {
    for (String wrong :
        List.of(
            "sum(offmeter_atempts_seconds_count)",
            "offmeter_endpoint_state{stat=\"up\"}",
            "offmeter_endpoint_state{state=\"UP\"}",
            "sum by (from) (offmeter_restarts_total)")) {
      assertThatThrownBy(() -> check(wrong)).as(wrong).isInstanceOf(AssertionError.class);
    }
    assertThatThrownBy(() -> PromQl.of("summ(offmeter_restarts_total)"))
        .isInstanceOf(AssertionError.class);
  }
}
