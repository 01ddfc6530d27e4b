// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.config.litellm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.spi.ILoggingEvent;
import dev.offmeter.Capability;
import dev.offmeter.ClientInternals;
import dev.offmeter.Endpoint;
import dev.offmeter.Locality;
import dev.offmeter.guard.Budget;
import dev.offmeter.internal.config.Environment;
import dev.offmeter.internal.wire.ModelTraits;
import dev.offmeter.testing.LoggedEvents;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A file in LiteLLM's style becomes endpoints and settings. */
class LiteLlmConfigTest {
  private static final String CANARY = "sk-canary";
  private static final Path GOLDEN = Path.of("src/test/resources/litellm/golden.yaml");
  private static final Map<String, String> VARIABLES =
      Map.of(
          "NODE_B_URL", "https://node-b.example.org",
          "NODE_KEY", CANARY,
          "NODE_TIMEOUT", "30",
          "GEMINI_API_KEY", CANARY,
          "OTHER_ANTHROPIC_KEY", CANARY,
          "OPENAI_API_KEY", CANARY);

  @TempDir Path directory;

  @RegisterExtension final LoggedEvents log = new LoggedEvents(Level.WARN);

  private Path file(String yaml) {
    try {
      return Files.writeString(directory.resolve("config.yaml"), yaml);
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  private static List<Endpoint> read(
      Path file, @Nullable String group, Map<String, String> variables) {
    return LiteLlmConfig.read(file, group, "modelName", variables).endpoints();
  }

  private static List<String> golden(String group) {
    return read(GOLDEN, group, VARIABLES).stream().map(Endpoint::toString).toList();
  }

  private List<String> endpoints(String yaml, Map<String, String> variables) {
    return read(file(yaml), null, variables).stream().map(Endpoint::toString).toList();
  }

  private List<String> names(String yaml) {
    return read(file(yaml), null, Map.of()).stream().map(Endpoint::name).toList();
  }

  private Throwable rejected(Path file, Map<String, String> variables) {
    Throwable thrown = catchThrowable(() -> read(file, null, variables));
    assertThat(thrown).isInstanceOfAny(IllegalArgumentException.class, IllegalStateException.class);
    StringWriter everything = new StringWriter();
    thrown.printStackTrace(new PrintWriter(everything));
    assertThat(everything.toString()).doesNotContain(CANARY);
    return thrown;
  }

  private Throwable rejected(String yaml) {
    return rejected(file(yaml), VARIABLES);
  }

  /** A file of one deployment with one more parameter, on line 5. */
  private static String with(String parameter) {
    return """
        model_list:
          - model_name: chat
            litellm_params:
              model: ollama_chat/qwen3:8b
        """
        + "      "
        + parameter
        + "\n";
  }

  @Test
  void theFirstGroupIsAskedInItsOrderAndThenItsFallbacks() {
    assertThat(read(GOLDEN, null, VARIABLES).stream().map(Endpoint::toString))
        .containsExactly(
            "Endpoint[chat-small, qwen3:8b at https://node-a.example.org/llm]",
            "Endpoint[node-b, qwen3:8b at https://node-b.example.org/]",
            "Endpoint[chat-vllm, Qwen/Qwen3-8B at http://127.0.0.1:8000/v1]",
            "Endpoint[chat-last, llama3.2:1b at http://localhost:11434/]",
            "Endpoint[chat-cloud, gemini-2.5-flash at https://generativelanguage.googleapis.com/]",
            "Endpoint[chat-cloud-2, claude-sonnet-4-5 at https://api.anthropic.com/]");
  }

  @Test
  void aGroupWithoutFallbacksHasTheDefaultOnes() {
    assertThat(golden("chat-openai"))
        .containsExactly(
            "Endpoint[chat-openai, gpt-4.1-mini at https://api.openai.com/v1]",
            "Endpoint[chat-last, llama3.2:1b at http://localhost:11434/]");
    assertThat(golden("chat-last")).hasSize(1);
  }

  @Test
  void whoseHardwareItIsFollowsFromTheProvider() {
    assertThat(read(GOLDEN, null, VARIABLES))
        .extracting(Endpoint::locality)
        .containsExactly(
            Locality.SELF_HOSTED,
            Locality.SELF_HOSTED,
            Locality.SELF_HOSTED,
            Locality.SELF_HOSTED,
            Locality.MANAGED,
            Locality.MANAGED);
  }

  @Test
  void oneWarningListsWhatIsNotHeeded() {
    golden("chat-last");

    assertThat(log.events())
        .singleElement()
        .satisfies(
            event -> {
              assertThat(event.getLevel()).isEqualTo(Level.WARN);
              assertThat(event.getFormattedMessage())
                  .isEqualTo(
                      "golden.yaml has keys that Offmeter does not heed: [general_settings,"
                          + " model_list[0].litellm_params.weight,"
                          + " model_list[0].litellm_params.tpm, model_list[0].model_info.mode,"
                          + " model_list[1].litellm_params.weight,"
                          + " model_list[1].litellm_params.tpm, router_settings.routing_strategy,"
                          + " litellm_settings.drop_params]");
            });
  }

  @Test
  void aFileThatIsHeededWhollyWarnsOfNothing() {
    assertThat(endpoints(with("timeout: 5"), Map.of()))
        .containsExactly("Endpoint[chat, qwen3:8b at http://localhost:11434/]");
    assertThat(log.events()).isEmpty();
  }

  @Test
  void aGroupThatIsNotThereIsAnErrorThatListsThoseThatAre() {
    assertThat(catchThrowable(() -> golden("chat-smal")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "golden.yaml: modelName must be one of [chat-small, chat-cloud, embeddings, chat-vllm,"
                + " chat-openai, chat-last], was 'chat-smal'");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "timeout: soon | .timeout must be a positive number of seconds, was 'soon'",
        "timeout: 0 | .timeout must be a positive number of seconds, was '0'",
        "timeout: -5 | .timeout must be a positive number of seconds, was '-5'",
        "timeout: .nan | .timeout must be a positive number of seconds, was '.nan'",
        "timeout: 1e999999999 | .timeout must be from 0.001 to 86400 seconds, was '1e999999999'",
        "timeout: 1e-999999999 | .timeout must be from 0.001 to 86400 seconds, was '1e-999999999'",
        "timeout: 86401 | .timeout must be from 0.001 to 86400 seconds, was '86401'",
        "timeout: [5] | .timeout must be a single value, was a list",
        "timeout: {s: 5} | .timeout must be a single value, was a mapping",
        "timeout: ' ' | .timeout must not be blank, was ' '",
        "timeout: os.environ/NODE_KEY"
            + " | .timeout must be a positive number of seconds, was *** from os.environ/NODE_KEY",
        "timeout: os.environ/NOBODY | .timeout is os.environ/NOBODY, but NOBODY is not set",
        "stream_timeout: soon | .stream_timeout must be a positive number of seconds, was 'soon'",
        "max_parallel_requests: 1.5 | .max_parallel_requests must be a whole number, was '1.5'",
        "max_parallel_requests: 0"
            + " | .max_parallel_requests: maxConcurrent must be at least 1, was 0",
        "rpm: 0 | .rpm: requestsPerMinute must be from 1 to 100000, was 0",
        "input_cost_per_second: -1 | .input_cost_per_second must be a number of at least 0,"
            + " was '-1'",
        "input_cost_per_second: 1e99 | .input_cost_per_second must be a number of at least 0,"
            + " was '1e99'",
        "order: first | .order must be a whole number, was 'first'",
        "keep_alive: 5 days"
            + " | .keep_alive must be whole seconds, or such as 5m or 24h, was '5 days'",
        "api_key: [sk-canary] | .api_key must be a single value, was a list",
        "api_key: os.environ/NOBODY | .api_key is os.environ/NOBODY, but NOBODY is not set",
        "api_key: \"sk-canary\\n\" | .api_key: apiKey must hold printable ASCII only,"
            + " was *** with another at position 9",
        "api_base: ftp://u:sk-canary@host | .api_base: endpoint 'chat': baseUrl must be an"
            + " absolute http or https URL, was '***@host'",
        "api_base: os.environ/NODE_KEY | .api_base: endpoint 'chat': baseUrl must be an"
            + " absolute http or https URL, was '***'",
        "model: ollama/x | .model must stand once, stood on line 4 too"
      })
  void aWrongParameterIsNamedWithFileLineAndKey(String parameter, String message) {
    assertThat(rejected(with(parameter)))
        .hasMessage("config.yaml line 5: model_list[0].litellm_params" + message);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "timeout: 0.001",
        "timeout: '5'",
        "timeout: 86400",
        "stream_timeout: 10",
        "rpm: 100000",
        "input_cost_per_second: 0.0005",
        "num_retries: 0",
        "keep_alive: 5m",
        "keep_alive: -1",
        "keep_alive: '3600'",
        "api_key: none",
        "api_key: os.environ/NODE_KEY",
        "temperature: 0.2",
        "input_cost_per_token: 0",
        "aws_region_name: x"
      })
  void aRightParameterIsTaken(String parameter) {
    assertThat(endpoints(with(parameter), VARIABLES))
        .containsExactly("Endpoint[chat, qwen3:8b at http://localhost:11434/]");
  }

  @Test
  void aPriceIsPerTokenAndThatOfModelInfoWins() {
    Endpoint priced =
        read(
                file(
                    """
                    model_list:
                      - model_name: a
                        litellm_params: {model: gemini/x, api_key: k, input_cost_per_token: 1}
                        model_info: {input_cost_per_token: 3e-7, output_cost_per_token: 2.5e-6}
                    """),
                null,
                Map.of())
            .get(0);

    assertThat(ClientInternals.config(priced, false).price())
        .hasToString("USD input 0.30 per million, output 2.50 per million");
  }

  @Test
  void halfAPriceIsNotUsedAndNoted() {
    assertThat(endpoints(with("input_cost_per_token: 1e-6"), Map.of())).hasSize(1);

    assertThat(log.messages())
        .anyMatch(line -> line.contains("input_cost_per_token and output_cost_per_token"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"bedrock/claude", "gpt-4o", "OLLAMA/x", "azure/openai/x"})
  void anUnknownProviderIsAnErrorThatListsTheKnown(String model) {
    assertThat(rejected("model_list:\n- model_name: m\n  litellm_params:\n    model: " + model))
        .hasMessage(
            "config.yaml line 4: model_list[0].litellm_params.model must begin with one of"
                + " [anthropic/, gemini/, hosted_vllm/, ollama/, ollama_chat/, openai/], was '"
                + model
                + "'");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "'' | config.yaml line 1: model_list must be set",
        "'# nothing' | config.yaml line 1: model_list must be set",
        "[] | config.yaml line 1: the document must be a mapping, was a list",
        "text | config.yaml line 1: the document must be a mapping, was 'text'",
        "model_list: | config.yaml line 1: model_list must be set",
        "model_list: [] | config.yaml line 1: model_list must have at least one entry, was a list",
        "model_list: {} | config.yaml line 1: model_list must be a list, was a mapping",
        "model_list: [x] | config.yaml line 1: model_list[0] must be a mapping, was 'x'",
        "model_list: [{model_name: m}]"
            + " | config.yaml line 1: model_list[0].litellm_params must be set",
        "model_list: [{litellm_params: {}}]"
            + " | config.yaml line 1: model_list[0].model_name must be set",
        "model_list: [{model_name: m, litellm_params: {}}]"
            + " | config.yaml line 1: model_list[0].litellm_params.model must be set",
        "model_list: [{model_name: m, litellm_params: x}]"
            + " | config.yaml line 1: model_list[0].litellm_params must be a mapping, was 'x'",
        "modle_list: [] | config.yaml line 1: model_list must be set; is it modle_list?",
        "model_list: [{model_name: m, litelm_params: {}}]"
            + " | config.yaml line 1: model_list[0].litellm_params must be set; is it"
            + " litelm_params?",
        "a: 'sk-canary | config.yaml line 1, column 14: must be valid YAML, was not",
        "a: *sk-canary | config.yaml line 1, column 4: must be valid YAML, was not",
        "a: !sk-canary b | config.yaml line 1: a must not have a tag of its own, had one",
        "!!java.net.URL [x]" + " | config.yaml line 1, column 1: must be valid YAML, was not",
        "a: &x [*x] | config.yaml line 1: a[0] must not contain itself, did",
        "{[a]: b} | config.yaml line 1: ? must be a plain key, was not",
        "{a: 1, a: 2} | config.yaml line 1: model_list must be set",
        "{include: [], include: []}"
            + " | config.yaml line 1: include must stand once, stood on line 1 too",
        "{<<: 5} | config.yaml line 1: << must be a mapping or a list of mappings, was not"
      })
  void aWrongDocumentIsNamedWithFileAndLine(String yaml, String message) {
    assertThat(rejected(yaml)).hasMessage(message);
  }

  @Test
  void tabsAndSecondDocumentsAreNotYaml() {
    assertThat(rejected("a:\n\tb: sk-canary"))
        .hasMessage("config.yaml line 2, column 1: must be valid YAML, was not");
    assertThat(rejected(with("rpm: 1") + "\u0000"))
        .hasMessage(
            "config.yaml must be valid YAML of at most 20 levels and 1000 aliases, was not");
    assertThat(rejected("a: b\n---\nc: sk-canary"))
        .hasMessage("config.yaml line 2, column 1: must be valid YAML, was not");
  }

  @Test
  void whatGrowsWithoutEndIsRefused() throws Exception {
    String bomb = "a: &a [x,x]\n";
    for (int i = 0; i < 24; i++) {
      String before = i == 0 ? "a" : "a" + (i - 1);
      bomb += "a" + i + ": &a" + i + " [" + ("*" + before + ",").repeat(50) + "]\n";
    }
    assertThat(rejected(bomb)).hasMessageContaining("at most 20 levels and 1000 aliases");
    assertThat(rejected("a: " + "[".repeat(100_000)))
        .hasMessageContaining("at most 20 levels and 1000 aliases");
    assertThat(rejected("a: " + "x".repeat(1024 * 1024)))
        .hasMessage("config.yaml must be of at most 1 MiB, was larger");
  }

  @Test
  void aFileThatCannotBeReadIsNamed() throws Exception {
    Path missing = directory.resolve("missing.yaml");
    assertThat(rejected(missing, Map.of()))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("missing.yaml must be a file that can be read, was '" + missing + "'");
    assertThat(rejected(directory, Map.of())).hasMessageContaining("must be a file");
    Path latin = directory.resolve("latin.yaml");
    Files.write(latin, "a: é".getBytes(StandardCharsets.ISO_8859_1));
    assertThat(rejected(latin, Map.of())).hasMessage("latin.yaml must be UTF-8, was not");
  }

  @Test
  void aByteOrderMarkIsNoPartOfTheFile() {
    assertThat(endpoints("\ufeff" + with("rpm: 1"), Map.of())).hasSize(1);
  }

  @Test
  void aVariableIsReplacedAfterTheFileWasParsed() {
    String injection = "m\", api_base: http://elsewhere.example.org";
    assertThat(
            endpoints(
                "model_list: [{model_name: \"os.environ/NAME\", litellm_params: {model:"
                    + " os.environ/MODEL}, model_info: {id: os.environ/ID}}]",
                Map.of("NAME", "n", "MODEL", "ollama/" + injection, "ID", "i")))
        .containsExactly("Endpoint[i, " + injection + " at http://localhost:11434/]");
  }

  @Test
  void whatIsNotAskedNeedsNoVariables() {
    assertThat(
            names(
                """
                model_list:
                  - {model_name: a, litellm_params: {model: ollama/x}}
                  - {model_name: b, litellm_params: {model: bedrock/x, api_key: os.environ/NOBODY}}
                """))
        .containsExactly("a");
  }

  @Test
  void theProvidersOwnKeyComesFromItsVariableAndGoesToItsOwnAddressOnly() {
    String yaml = "model_list: [{model_name: m, litellm_params: {model: openai/x%s}}]";
    assertThat(rejected(file(yaml.formatted("")), Map.of()))
        .isInstanceOf(IllegalStateException.class)
        .hasMessage(
            "config.yaml line 1: model_list[0].litellm_params.api_key must be set, or the variable"
                + " OPENAI_API_KEY");
    assertThat(endpoints(yaml.formatted(""), VARIABLES)).hasSize(1);
    assertThat(endpoints(yaml.formatted(", api_base: http://192.0.2.7"), VARIABLES)).hasSize(1);
  }

  @Test
  void aServerOfOnesOwnNeedsItsAddress() {
    assertThat(rejected("model_list: [{model_name: m, litellm_params: {model: hosted_vllm/x}}]"))
        .hasMessage("config.yaml line 1: model_list[0].litellm_params.api_base must be set");
  }

  @Test
  void aKeyDoesNotGoInTheClearToAnotherMachine() {
    String yaml =
        "model_list: [{model_name: m, litellm_params: {model: ollama/x, api_base:"
            + " 'http://192.0.2.7', api_key: sk-canary}}]";
    assertThat(rejected(yaml))
        .isInstanceOf(IllegalStateException.class)
        .hasMessage(
            "config.yaml line 1: model_list[0].litellm_params: endpoint 'm' must use https to send"
                + " a credential to 192.0.2.7, was http; the variable"
                + " OFFMETER_CLEARTEXT=true allows it for the file");
  }

  @Test
  void aWildcardIsNoModel() {
    assertThat(rejected("model_list: [{model_name: m, litellm_params: {model: openai/*}}]"))
        .hasMessage(
            "config.yaml line 1: model_list[0].litellm_params.model must name one model, was"
                + " 'openai/*'");
  }

  /** Groups a, b, c and d of one deployment each, and d has an id. */
  private static String groups(String settings) {
    return """
        model_list:
          - {model_name: a, litellm_params: {model: ollama/x}}
          - {model_name: b, litellm_params: {model: ollama/x}}
          - {model_name: c, litellm_params: {model: ollama/x}}
          - {model_name: d, litellm_params: {model: ollama/x}, model_info: {id: node-d}}
        """
        + settings;
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "router_settings: {fallbacks: [{a: [c, b]}]} | a, c, b",
        "router_settings: {fallbacks: [{a: [b, c]}, {b: [d]}]} | a, b, node-d, c",
        "router_settings: {fallbacks: [{a: [b]}, {b: [a]}]} | a, b",
        "router_settings: {fallbacks: [{a: [a, b, b]}]} | a, b",
        "router_settings: {fallbacks: [{a: [node-d, d, b]}]} | a, node-d, b",
        "router_settings: {fallbacks: [{b: [c]}]} | a",
        "router_settings: {fallbacks: [{'*': [c]}]} | a, c",
        "router_settings: {fallbacks: [{'*': [c]}], default_fallbacks: [d]} | a, c",
        "router_settings: {fallbacks: [{a: [b]}], default_fallbacks: [d]} | a, b",
        "router_settings: {default_fallbacks: [d]} | a, node-d",
        "litellm_settings: {default_fallbacks: [d]} | a, node-d",
        "litellm_settings: {fallbacks: [{a: [b]}]} | a, b",
        "'{}' | a"
      })
  void fallbacksFollowInOrderAndNoGroupTwice(String settings, String names) {
    String more = settings.equals("{}") ? "router_settings:\n" : settings;
    assertThat(String.join(", ", names(groups(more)))).isEqualTo(names);
    assertThat(log.events()).isEmpty();
  }

  @Test
  void theRoutersFallbacksWinAndTheOthersAreNamed() {
    String both =
        groups(
            "router_settings: {fallbacks: [{a: [b]}]}\nlitellm_settings: {fallbacks: [{a: [c]}]}");

    assertThat(names(both)).containsExactly("a", "b");
    assertThat(log.events())
        .singleElement()
        .extracting(ILoggingEvent::getFormattedMessage)
        .isEqualTo(
            "config.yaml has keys that Offmeter does not heed: [litellm_settings.fallbacks]");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "fallbacks: [{a: [x]}]"
            + " | .fallbacks[0].a[0] must be one of [a, b, c, d] or a model_info.id, was 'x'",
        "fallbacks: [{a: b}] | .fallbacks[0].a must be a list, was 'b'",
        "fallbacks: {a: [b]} | .fallbacks must be a list, was a mapping",
        "fallbacks: [b] | .fallbacks[0] must be a mapping, was 'b'",
        "fallbacks: [{a: [{model: b}]}]"
            + " | .fallbacks[0].a[0] must be a single value, was a mapping",
        "timeout: soon | .timeout must be a positive number of seconds, was 'soon'"
      })
  void aWrongRouterSettingIsNamedWithFileLineAndKey(String setting, String message) {
    assertThat(rejected(groups("router_settings:\n  " + setting)))
        .hasMessage("config.yaml line 7: router_settings" + message);
  }

  @Test
  void namesAreMadeUniqueButIdsMustBe() {
    String yaml =
        """
        model_list:
          - {model_name: a, litellm_params: {model: ollama/x}}
          - {model_name: a, litellm_params: {model: ollama/x}, model_info: {id: a-2}}
          - {model_name: a, litellm_params: {model: ollama/x}, model_info: {id: %s}}
          - {model_name: a, litellm_params: {model: ollama/x}}
        """;
    assertThat(names(yaml.formatted("b"))).containsExactly("a", "a-2", "b", "a-3");
    assertThat(rejected(yaml.formatted("a-2")))
        .hasMessage(
            "config.yaml line 4: model_list[2].model_info.id must be unique among the endpoints,"
                + " was 'a-2'");
  }

  @Test
  void anEndpointWithoutAnOrderComesLast() {
    assertThat(
            names(
                """
                model_list:
                  - {model_name: a, litellm_params: {model: ollama/x}, model_info: {id: none}}
                  - {model_name: a, litellm_params: {model: ollama/x, order: 2}, model_info: {id: two}}
                  - {model_name: a, litellm_params: {model: ollama/x, order: 1}, model_info: {id: one}}
                  - {model_name: a, litellm_params: {model: ollama/x, order: 1}, model_info: {id: uno}}
                """))
        .containsExactly("one", "uno", "two", "none");
  }

  @Test
  void noCredentialIsEverShown() {
    assertThat(read(GOLDEN, null, VARIABLES).toString()).doesNotContain(CANARY);
    assertThat(log.events().toString()).doesNotContain(CANARY);
  }

  private ModelTraits traits(String model, String info) throws IOException {
    String entry = "{model_name: a, litellm_params: {model: %s, api_base: 'http://localhost:1'},";
    String yaml = "model_list: [" + entry.formatted(model) + " model_info: {" + info + "}}]";
    return ClientInternals.config(read(file(yaml), "a", Map.of()).get(0), false).traits();
  }

  @Test
  void whatTheFileSaysAboutTheModelIsDeclaredAndNothingElse() throws IOException {
    ModelTraits declared =
        traits(
            "ollama/x",
            "supports_vision: false, supports_function_calling: true,"
                + " supports_reasoning: 'True', max_input_tokens: 8192");
    assertThat(declared.capabilities())
        .containsExactlyInAnyOrder(Capability.TOOLS, Capability.THINKING);
    assertThat(declared.lacking()).containsExactly(Capability.VISION);
    assertThat(declared.contextLength()).isEqualTo(8192);
    assertThat(traits("ollama/x", "supports_response_schema: true").capabilities())
        .containsExactly(Capability.JSON_SCHEMA);
  }

  @Test
  void aLimitOfThePromptAloneIsNoContextWhereTheAnswerCounts() throws IOException {
    assertThat(traits("hosted_vllm/x", "max_input_tokens: 8192")).isEqualTo(ModelTraits.UNKNOWN);
  }

  private String warning(String yaml) {
    return warning(yaml, VARIABLES);
  }

  private String warning(String yaml, Map<String, String> variables) {
    log.clear();
    endpoints(yaml, variables);
    assertThat(log.events()).hasSizeLessThan(2);
    return log.events().isEmpty() ? "" : log.events().get(0).getFormattedMessage();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "api_bass: http://localhost:1 | api_base",
        "apibase: http://localhost:1 | api_base",
        "time_out: 5 | timeout",
        "timout: 5 | timeout",
        "stream_timout: 5 | stream_timeout",
        "num_retires: 5 | num_retries",
        "max_token: 5 | max_tokens",
        "max_paralel_requests: 5 | max_parallel_requests",
        "temprature: 1 | temperature"
      })
  void aSlipInAKeyIsNamedInTheWarningWithWhatWasMeant(String parameter, String meant) {
    String key = parameter.substring(0, parameter.indexOf(':'));

    assertThat(warning(with(parameter)))
        .isEqualTo(
            "config.yaml has keys that Offmeter does not heed: [model_list[0].litellm_params."
                + key
                + " (did you mean "
                + meant
                + "?)]");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "tpm: 1",
        "top_k: 1",
        "weight: 1",
        "tags: [a]",
        "max_retries: 1",
        "brand_new: {a: b}"
      })
  void aKeyThatIsNearToNoneIsNamedAlone(String parameter) {
    String key = parameter.substring(0, parameter.indexOf(':'));

    assertThat(warning(with(parameter)))
        .endsWith("does not heed: [model_list[0].litellm_params." + key + "]");
  }

  @Test
  void unknownKeysEverywhereAreOneWarning() {
    assertThat(
            warning(
                groups(
                    """
                    general_settings: {master_key: os.environ/NOBODY}
                    whatever_comes_next: [1, 2]
                    router_settings: {num_retires: 1, routing_strategy: simple-shuffle}
                    litellm_settings:
                      drop_params: true
                      service_callback: ["prometheus_system"]
                    """)))
        .isEqualTo(
            "config.yaml has keys that Offmeter does not heed: [general_settings,"
                + " whatever_comes_next, router_settings.num_retires (did you mean num_retries?),"
                + " router_settings.routing_strategy, litellm_settings.drop_params,"
                + " litellm_settings.service_callback]");
  }

  private static String settings(String litellm) {
    return groups("litellm_settings: {" + litellm + "}\n");
  }

  private List<String> budgets(String litellm) {
    return LiteLlmConfig.read(file(settings(litellm)), null, "modelName", Map.of())
        .budgets()
        .stream()
        .map(Budget::toString)
        .toList();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "max_budget: 100 | 100.00 USD in all",
        "max_budget: 0.5, budget_duration: 1d | 0.50 USD per day in Z",
        "max_budget: 100, budget_duration: 24h | 100.00 USD per day in Z",
        "max_budget: 1e2, budget_duration: 7d | 100.00 USD per week in Z",
        "max_budget: 100, budget_duration: 30d, timezone: Europe/Zurich"
            + " | 100.00 USD per month in Europe/Zurich",
        "max_budget: '100', budget_duration: 1mo, timezone: UTC | 100.00 USD per month in UTC"
      })
  void theBudgetOfAllCallsIsOneHere(String settings, String expected) {
    assertThat(budgets(settings)).containsExactly("Budget[litellm, " + expected + "]");
    assertThat(log.events()).isEmpty();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "max_budget: 0 | max_budget",
        "max_budget: 100, budget_duration: 10d | max_budget, budget_duration",
        "max_budget: 100, budget_duration: 2mo | max_budget, budget_duration",
        "budget_duration: 30d, timezone: UTC | budget_duration, timezone",
        "max_budget: 100, timezone: UTC | timezone"
      })
  void aBudgetThatMeansNoneHereIsNamed(String settings, String keys) {
    assertThat(warning(settings(settings)))
        .endsWith(
            "does not heed: ["
                + Stream.of(keys.split(", "))
                    .map(key -> "litellm_settings." + key)
                    .collect(Collectors.joining(", "))
                + "]");
    assertThat(budgets(settings)).hasSize(keys.equals("timezone") ? 1 : 0);
  }

  @Test
  void budgetsThatBeginWithTheFirstRequestAreNamed() {
    String providers = "router_settings: {provider_budget_config: {openai: {budget_limit: 1}}}";

    assertThat(warning(with("max_budget: 1\n      budget_duration: 1d") + providers + "\n"))
        .endsWith(
            "does not heed: [model_list[0].litellm_params.max_budget,"
                + " model_list[0].litellm_params.budget_duration,"
                + " router_settings.provider_budget_config]");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "max_budget: -1 | max_budget must be a number of at least 0, was '-1'",
        "max_budget: much | max_budget must be a number of at least 0, was 'much'",
        "max_budget: 0.0000000001 | max_budget: amount must be more than 0 and at most 9 billion,"
            + " with at most 9 decimals, was '0.0000000001'",
        "max_budget: 1, budget_duration: 1d, timezone: Mars | timezone must be a known time zone"
            + " such as Europe/Zurich, was 'Mars'"
      })
  void aWrongBudgetIsRejectedWithItsLine(String settings, String message) {
    assertThat(catchThrowable(() -> budgets(settings)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("config.yaml line 6: litellm_settings." + message);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "general_settings:",
        "litellm_settings: {drop_params: true, drop_params: false}",
        "general_settings: {a: b}\ngeneral_settings: {a: c}",
        "router_settings:\nlitellm_settings:",
        "router_settings: []",
        "router_settings: {fallbacks: []}",
        "router_settings: {fallbacks: , default_fallbacks: }",
        "litellm_settings: {fallbacks: [], default_fallbacks: []}",
        "router_settings: {fallbacks: [{a: }, {b: []}], timeout: }",
        "router_settings: {fallbacks: [{a: []}, {a: [b]}]}",
        "router_settings: {num_retries: 11, timeout: '60', model_group_alias: {}}",
        "environment_variables:",
        "environment_variables: {A: b, C: , D: {e: f}, G: os.environ/NOBODY}",
        "include: []",
        "finetune_settings: [{a: b}]",
        "callback_settings: {otel: {x: [1, {y: z}]}}"
      })
  void whatIsValidThereIsNotRefused(String settings) {
    assertThat(names(groups(settings))).startsWith("a");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "timeout:",
        "api_key:",
        "api_base:",
        "rpm: 1_000",
        "rpm: '100'",
        "rpm: 100.0",
        "rpm: 1000000",
        "num_retries: 11",
        "max_parallel_requests:",
        "keep_alive: 1h30m",
        "api_key: ''",
        "stop: []",
        "api_base: http://localhost:11434/api/chat",
        "api_base: http://localhost:11434/api/generate",
        "base_url: http://localhost:11434",
        "model_info: {a: b}",
        "extra_headers: {a: b}"
      })
  void aParameterThatIsValidThereIsNotRefused(String parameter) {
    assertThat(endpoints(with(parameter), VARIABLES))
        .containsExactly("Endpoint[chat, qwen3:8b at http://localhost:11434/]");
  }

  @Test
  void aProviderMayStandInAKeyOfItsOwn() {
    String yaml =
        "model_list: [{model_name: m, litellm_params: {model: %s, custom_llm_provider: openai,"
            + " api_base: 'http://localhost:1'}}]";
    for (String model : List.of("Qwen/Qwen3", "openai/Qwen/Qwen3")) {
      assertThat(endpoints(yaml.formatted(model), Map.of()))
          .containsExactly("Endpoint[m, Qwen/Qwen3 at http://localhost:1/]");
    }
  }

  @Test
  void aGroupThatIsNotAskedMayHoldAnything() {
    assertThat(
            names(
                """
                model_list:
                  - {model_name: a, litellm_params: {model: ollama/x}}
                  - {model_name: b, litellm_params: {model: bedrock/x, order: first, timeout: soon}}
                  - {model_name: c, litellm_params: {model: azure/x, api_key: '${KEY}', rpm: no}}
                  - {model_name: '*', litellm_params: {model: '*'}}
                """))
        .containsExactly("a");
  }

  @Test
  void aHundredDeploymentsMayShareTheirParameters() {
    String entry = "  - {model_name: m, litellm_params: {<<: *shared, model: ollama/x}}\n";
    String yaml =
        "shared: &shared {timeout: 5, model: ollama/y}\nmodel_list:\n" + entry.repeat(100);

    assertThat(names(yaml)).hasSize(100);
  }

  @Test
  void aGroupIsAskedAndFollowedByAnotherOfItsNames() {
    String yaml =
        groups(
            "router_settings: {fallbacks: [{a: [large]}], model_group_alias: {small: a, large:"
                + " {model: d, hidden: true}}}");
    assertThat(names(yaml)).containsExactly("a", "node-d");
    assertThat(read(file(yaml), "small", Map.of()))
        .extracting(Endpoint::name)
        .containsExactly("a", "node-d");
    assertThat(log.events()).isEmpty();
  }

  @Test
  void includedFilesAddTheirModelsAndSettings() throws Exception {
    Files.writeString(
        directory.resolve("models.yaml"),
        """
        model_list:
          - {model_name: b, litellm_params: {model: ollama/x, time_out: 5}}
        router_settings: {fallbacks: [{a: [b]}]}
        environment_variables: {MODEL: ollama/y}
        """);
    String yaml =
        """
        include: [models.yaml]
        model_list: [{model_name: a, litellm_params: {model: os.environ/MODEL}}]
        """;

    assertThat(endpoints(yaml, Map.of()))
        .containsExactly(
            "Endpoint[a, y at http://localhost:11434/]",
            "Endpoint[b, x at http://localhost:11434/]");
    assertThat(log.events())
        .singleElement()
        .extracting(ILoggingEvent::getFormattedMessage)
        .isEqualTo(
            "config.yaml has keys that Offmeter does not heed: [models.yaml:"
                + " model_list[0].litellm_params.time_out (did you mean timeout?)]");
    assertThat(names("include: [models.yaml]")).containsExactly("b");
    assertThat(rejected("include: [nobody.yaml]"))
        .hasMessageStartingWith("nobody.yaml must be a file that can be read");
  }

  @Test
  void variablesOfTheFileAreNeverShown() {
    String yaml =
        "environment_variables: {URL: 'http://u:sk-canary@host', KEY: sk-canary}\n"
            + with("api_base: os.environ/URL");
    assertThat(rejected(yaml))
        .hasMessageContaining("must not carry user-info; use apiKey or header, was '***'");
    assertThat(rejected(yaml.replace("api_base: os.environ/URL", "timeout: os.environ/KEY")))
        .hasMessageContaining("was *** from os.environ/KEY");
  }

  @ParameterizedTest
  @CsvSource({
    "MINI_URL, \"http://host:11434\"",
    "MINI_URL, 'http://hunter2\r'",
    "MINI_URL, ${hunter2}"
  })
  void aMistakeInAVariableOfAFileIsNamedAndNotShown(String name, String value) {
    Throwable thrown = rejected(file(with("api_base: os.environ/" + name)), Map.of(name, value));

    assertThat(thrown)
        .hasMessageStartingWith("config.yaml line 5: model_list[0].litellm_params.api_base: ")
        .hasMessageContaining("must not ")
        .hasMessageEndingWith("was '***'")
        .hasMessageNotContaining("hunter2");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "local",
        "dummy",
        "none",
        "None",
        "EMPTY",
        "not-needed",
        "no-key",
        "sk-no-key-required",
        "sk-local",
        "lm-studio",
        "ollama",
        "fake-key",
        "anything",
        "sk-anything",
        "'null'",
        "n/a",
        "changeme",
        "<your-key>",
        "your-api-key",
        "sk-xxxx",
        "''",
        "os.environ/PLACEHOLDER",
        "sk-1234",
        "test"
      })
  void aPlaceholderForAKeyIsNoKeyAndIsNamed(String key) {
    String yaml = with("api_key: " + key) + "      api_base: http://host.docker.internal:11434\n";

    assertThat(warning(yaml, Map.of("PLACEHOLDER", "not-needed")))
        .startsWith("config.yaml has keys that Offmeter does not heed: [model_list[0]")
        .matches(".*api_key \\((a placeholder, no key is sent|a key of examples, .*)\\)]");
  }

  @Test
  void aRealKeyMayGoInTheClearWhereAVariableAllowsIt() {
    String yaml = with("api_key: sk-canary") + "      api_base: http://192.0.2.7\n";
    assertThat(rejected(yaml)).hasMessageContaining("OFFMETER_CLEARTEXT=true");
    assertThat(rejected(file(yaml), Map.of("OFFMETER_CLEARTEXT", "false"))).isNotNull();
    assertThat(rejected(file(yaml), Map.of("OFFMETER_CLEARTEXT", "yes")))
        .hasMessage("OFFMETER_CLEARTEXT must be true or false, was 'yes'");
    assertThat(endpoints(yaml, Map.of("OFFMETER_CLEARTEXT", "true"))).hasSize(1);
    String within = "environment_variables: {OFFMETER_CLEARTEXT: true}\n" + yaml;
    assertThat(endpoints(within, Map.of())).hasSize(1);
    Map<String, String> besideAFile =
        Map.of("OFFMETER_CONFIG", file(yaml).toString(), "OFFMETER_CLEARTEXT", "true");
    assertThat(Environment.read(besideAFile, LiteLlmConfig::read).endpoints()).hasSize(1);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "max_tokens: 0 | .max_tokens: maxTokens must be at least 1, was 0",
        "max_tokens: many | .max_tokens must be a whole number, was 'many'",
        "temperature: -1 | .temperature: temperature must be a finite number of 0 or more, was -1.0",
        "temperature: hot | .temperature must be a number, was 'hot'",
        "top_p: 2 | .top_p: topP must be between 0 and 1, was 2.0",
        "seed: x | .seed must be a whole number, was 'x'",
        "stop: [''] | .stop: stop[0] must not be empty"
      })
  void aWrongDefaultForTheModelIsNamedWithFileLineAndKey(String parameter, String message) {
    assertThat(rejected(with(parameter)))
        .hasMessage("config.yaml line 5: model_list[0].litellm_params" + message);
  }
}
