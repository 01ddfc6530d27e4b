// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.spring;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.LlmClient;
import dev.offmeter.observe.EndpointStatus;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.diagnostics.FailureAnalysis;
import org.springframework.boot.test.context.assertj.AssertableApplicationContext;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.core.env.ConfigurableEnvironment;
import org.springframework.core.env.MapPropertySource;
import org.springframework.core.env.StandardEnvironment;
import org.springframework.core.env.SystemEnvironmentPropertySource;

/** Properties are the environment's variables, named and written as Spring Boot does. */
class OffmeterSettingsTest {
  private final ApplicationContextRunner spring =
      new ApplicationContextRunner()
          .withConfiguration(AutoConfigurations.of(OffmeterAutoConfiguration.class));

  private static ConfigurableEnvironment environment(Map<String, Object> properties) {
    StandardEnvironment environment = new StandardEnvironment();
    environment.getPropertySources().remove("systemEnvironment");
    environment.getPropertySources().addFirst(new MapPropertySource("test", properties));
    return environment;
  }

  private static Map<String, String> variables(Map<String, Object> properties) {
    return OffmeterSettings.read(environment(properties)).variables();
  }

  private static Map<String, String> ofSystem(Map<String, Object> variables) {
    StandardEnvironment environment = new StandardEnvironment();
    environment
        .getPropertySources()
        .replace(
            "systemEnvironment",
            new SystemEnvironmentPropertySource("systemEnvironment", variables));
    return OffmeterSettings.read(environment).variables();
  }

  @ParameterizedTest
  @CsvSource({
    "offmeter.endpoints[0].max-tokens, OFFMETER_ENDPOINTS_0_MAXTOKENS",
    "offmeter.endpoints[0].maxTokens, OFFMETER_ENDPOINTS_0_MAXTOKENS",
    "offmeter.endpoints[0].maxtokens, OFFMETER_ENDPOINTS_0_MAXTOKENS",
    "offmeter.endpoints[12].upkeep-idle-watts, OFFMETER_ENDPOINTS_12_UPKEEPIDLEWATTS",
    "offmeter.budgets[0].limit, OFFMETER_BUDGETS_0_LIMIT",
    "offmeter.hedge-after, OFFMETER_HEDGE_AFTER",
    "offmeter.hedgeAfter, OFFMETER_HEDGE_AFTER",
    "offmeter.config-model, OFFMETER_CONFIG_MODEL",
    "offmeter.max-tokens-at-most, OFFMETER_MAXTOKENSATMOST",
    "offmeter.usage-log, OFFMETER_USAGELOG"
  })
  void aPropertyIsTheVariableOfItsWord(String property, String variable) {
    assertThat(variables(Map.of(property, "1"))).containsOnlyKeys(variable);
  }

  @ParameterizedTest
  @CsvSource({
    "OFFMETER_ENDPOINTS_0_MAXTOKENS, OFFMETER_ENDPOINTS_0_MAXTOKENS",
    "OFFMETER_ENDPOINTS_0_MAX_TOKENS, OFFMETER_ENDPOINTS_0_MAXTOKENS",
    "OFFMETER_HEDGE_AFTER, OFFMETER_HEDGE_AFTER",
    "OFFMETER_HEDGEAFTER, OFFMETER_HEDGE_AFTER",
    "OFFMETER_CONFIG_MODEL, OFFMETER_CONFIG_MODEL",
    "OFFMETER_USAGELOG, OFFMETER_USAGELOG"
  })
  void theVariablesOfTheOperatingSystemMeanTheSameAsWithoutSpring(String set, String read) {
    assertThat(ofSystem(Map.of(set, "1"))).containsOnlyKeys(read);
  }

  @ParameterizedTest
  @CsvSource({
    "15s, 15s",
    "PT15S, PT15S",
    "15, 15ms",
    "1d, PT24H",
    "250000us, PT0.25S",
    "15S, PT15S",
    "soon, soon"
  })
  void aTimeSpanIsReadAsSpringBootReadsIt(String written, String read) {
    assertThat(variables(Map.of("offmeter.deadline", written)))
        .containsEntry("OFFMETER_DEADLINE", read);
  }

  @Test
  void aNumberThatIsNoTimeSpanStaysANumber() {
    assertThat(variables(Map.of("offmeter.endpoints[0].retries", 2)))
        .containsEntry("OFFMETER_ENDPOINTS_0_RETRIES", "2");
  }

  @Test
  void fillsInPlaceholders() {
    assertThat(
            variables(
                Map.of("offmeter.endpoints[0].key", "${node.key}", "node.key", "k-1234567890")))
        .containsEntry("OFFMETER_ENDPOINTS_0_KEY", "k-1234567890");
  }

  @Test
  void aListOfWordsMayBeAListOfYaml() {
    assertThat(
            variables(
                Map.of(
                    "offmeter.endpoints[0].capabilities[0]", "vision",
                    "offmeter.endpoints[0].capabilities[1]", "tools")))
        .containsEntry("OFFMETER_ENDPOINTS_0_CAPABILITIES", "vision,tools");
  }

  @Test
  void aProfileReplacesTheWholeListAndSingleValuesOneByOne() {
    ConfigurableEnvironment environment =
        environment(
            Map.of(
                "offmeter.deadline", "1s",
                "offmeter.max-tokens", "100",
                "offmeter.endpoints[0].url", "http://a",
                "offmeter.endpoints[0].model", "m",
                "offmeter.endpoints[1].url", "http://b"));
    environment
        .getPropertySources()
        .addFirst(
            new MapPropertySource(
                "profile",
                Map.of("offmeter.deadline", "2s", "offmeter.endpoints[0].url", "http://c")));

    assertThat(OffmeterSettings.read(environment).variables())
        .isEqualTo(
            Map.of(
                "OFFMETER_DEADLINE", "2s",
                "OFFMETER_MAXTOKENS", "100",
                "OFFMETER_ENDPOINTS_0_URL", "http://c"));
  }

  @Test
  void whatOnlySpringBootHasIsNoSettingOfTheClient() {
    assertThat(
            variables(
                Map.of(
                    "offmeter.http-client", "false",
                    "offmeter.httpClient", "false")))
        .isEmpty();
    assertThat(ofSystem(Map.of("OFFMETER_HTTP_CLIENT", "true"))).isEmpty();
  }

  @Test
  void theSimpleSchemeWorksFromTheEnvironmentOfSpring() {
    spring
        .withPropertyValues(
            "OLLAMA_PRIMARY_URL=http://mini:11434",
            "OLLAMA_FALLBACK_URL=http://maxi:11434",
            "OLLAMA_MODEL=qwen3:4b")
        .run(
            context ->
                assertThat(origins(context))
                    .containsExactly("http://mini:11434", "http://maxi:11434"));
  }

  @Test
  void withoutAnyPropertyTheServerOnThisMachineIsAsked() {
    spring.run(context -> assertThat(origins(context)).containsExactly("http://localhost:11434"));
  }

  private static List<String> origins(AssertableApplicationContext context) {
    return context.getBean(LlmClient.class).status().endpoints().stream()
        .map(EndpointStatus::origin)
        .toList();
  }

  @Test
  void aLiteLlmFileMayNameVariablesOfSpringsEnvironment() throws Exception {
    spring
        .withPropertyValues("offmeter.config=" + fileWith("MINI_URL"), "MINI_URL=http://mini:11434")
        .run(context -> assertThat(origins(context)).containsExactly("http://mini:11434"));
  }

  @Test
  void aLiteLlmFileMayNameAVariableInLowerCase() throws Exception {
    spring
        .withPropertyValues("offmeter.config=" + fileWith("mini_url"), "mini_url=http://mini:11434")
        .run(context -> assertThat(origins(context)).containsExactly("http://mini:11434"));
  }

  @Test
  void aVariableOfAnotherProgramMayReferToItself() throws Exception {
    spring
        .withPropertyValues(
            "offmeter.config=" + fileWith("MINI_URL"),
            "MINI_URL=http://mini:11434",
            "JAVA_OPTS=${JAVA_OPTS} -Dpassword=s3cret")
        .run(context -> assertThat(origins(context)).containsExactly("http://mini:11434"));
  }

  private static Path fileWith(String variable) throws IOException {
    Path file = Files.createTempFile("litellm", ".yaml");
    Files.writeString(
        file,
        """
        model_list:
          - model_name: chat
            litellm_params:
              model: ollama_chat/qwen3:8b
              api_base: os.environ/%s
        """
            .formatted(variable));
    return file;
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "timeout=soon | offmeter.endpoints[0].timeout must be a time span such as 15s, 500ms, 2m or"
            + " PT15S, was 'soon'",
        "timeout=0 | offmeter.endpoints[0].timeout must be from 1 ms to 24 h, was '0ms'",
        "retries=x | offmeter.endpoints[0].retries must be a whole number, was 'x'",
        "retries=11 | offmeter.endpoints[0].retries: retries must be from 0 to 10, was 11",
        "keepWarm=maybe | offmeter.endpoints[0].keep-warm must be true or false, was 'maybe'",
        "type=oLLaMa | offmeter.endpoints[0].type must be one of [ollama, openai, vllm,"
            + " llama-server, tgi, localai, lmstudio, litellm, gemini, anthropic], was 'oLLaMa'",
        "url= | offmeter.endpoints[0].url must not be blank, was ''",
        "max-wait=1s | offmeter.endpoints[0]: endpoint 'endpoint-0' must have a maxConcurrent"
            + " to have a maxWait: without one it is never full",
        "access-id=x | offmeter.endpoints[0].access-id and offmeter.endpoints[0].access-secret must"
            + " be set together, only access-id is",
        "upkeep-months=1 | offmeter.endpoints[0].upkeep-months must not be set without upkeep-price",
        "timout=1s | offmeter.endpoints[0].timout is not a known property; did you mean"
            + " offmeter.endpoints[0].timeout?",
        "key=changeme | offmeter.endpoints[0].key must not be a placeholder that was to be"
            + " replaced, was ***",
      })
  void aMistakeInAnEndpointHasTheMessageOfTheBuilderAboutTheProperty(
      String assignment, String message) {
    int is = assignment.indexOf('=');
    Map<String, String> properties = new HashMap<>();
    properties.put("offmeter.endpoints[0].url", "http://localhost:1");
    properties.put(
        "offmeter.endpoints[0]." + assignment.substring(0, is), assignment.substring(is + 1));

    assertThat(failure(properties).getDescription().lines().findFirst()).contains(message);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "offmeter.deadline=soon | offmeter.deadline must be a time span such as 15s, 500ms, 2m or"
            + " PT15S, was 'soon'",
        "offmeter.max-tokens=0 | offmeter.max-tokens must be at least 1, was 0",
        "offmeter.hedgeafter=25h | offmeter.hedge-after must be from 1 ms to 24 h, was '25h'",
        "offmeter.cleartext=true | offmeter.cleartext must not be set without offmeter.config; use"
            + " OLLAMA_PRIMARY_CLEARTEXT or offmeter.endpoints[].cleartext",
        "offmeter.endpoints[1].url=http://a | offmeter.endpoints indices must run from 0 without a"
            + " gap, were [1]",
        "offmeter.endpoints=http://a | offmeter.endpoints must be a list, was 'http://a'",
        "offmeter.endpoints=http://u:s3cret@a | offmeter.endpoints must be a list, was ***",
        "offmeter.http-client-enabled=true | offmeter.http-client-enabled is not a known property;"
            + " use one of [deadline, hedge-after, max-tokens, max-tokens-at-most,"
            + " max-repeats-per-session, prices, baseline, usage-log, config, config-model,"
            + " cleartext]",
        "offmeter.endpoints.mini.url=http://a | offmeter.endpoints must be a list, had"
            + " offmeter.endpoints.mini.url",
        "offmeter.dedline=1s | offmeter.dedline is not a known property; did you mean"
            + " offmeter.deadline?",
        "offmeter.budgets[0].limit=5 apples | offmeter.budgets[0].limit: must be a limit with its"
            + " unit such as 20 USD, 2M tokens, 500 calls or 3h, was '5 apples'",
        "offmeter.budgets[0].per=day | offmeter.budgets[0].limit must be set",
        "offmeter.config=/none | offmeter.config must name a file that can be read, was '/none'",
        "offmeter.baseline=x | baseline must be one of primary, was 'x'",
      })
  void aMistakeElsewhereHasItsMessageToo(String assignment, String message) {
    int is = assignment.indexOf('=');

    assertThat(
            failure(Map.of(assignment.substring(0, is), assignment.substring(is + 1)))
                .getDescription()
                .lines()
                .findFirst())
        .contains(message);
  }

  @Test
  void theReportSaysWhereTheMistakeIsAndWhereToRead() {
    FailureAnalysis failure = failure(Map.of("offmeter.deadline", "soon"));

    assertThat(failure.getDescription())
        .endsWith("\n\n    Origin: \"offmeter.deadline\" from property source \"test\"");
    assertThat(failure.getAction())
        .isEqualTo(
            "Correct the property, or remove it to get its default. All properties are described"
                + " at https://github.com/offmeter/offmeter/blob/main/docs/spring.md#properties");
  }

  @Test
  void theReportHasNoSecret() {
    FailureAnalysis failure =
        failure(
            Map.of(
                "offmeter.endpoints[0].url", "http://user:s3cret@mini:11434",
                "offmeter.endpoints[0].key", "sk-s3cret\u00e9"));

    assertThat(failure.getDescription()).contains("***").doesNotContain("s3cret");
  }

  @Test
  void aMixtureOfTwoSchemesFailsTheStart() {
    assertThat(
            failure(
                    Map.of(
                        "offmeter.endpoints[0].url", "http://a", "OLLAMA_PRIMARY_URL", "http://b"))
                .getDescription())
        .startsWith("use either [OLLAMA_PRIMARY_URL] or offmeter.endpoints, not both");
  }

  private FailureAnalysis failure(Map<String, String> properties) {
    FailureAnalysis[] analysis = new FailureAnalysis[1];
    spring
        .withPropertyValues(
            properties.entrySet().stream()
                .map(entry -> entry.getKey() + "=" + entry.getValue())
                .toArray(String[]::new))
        .run(
            context ->
                analysis[0] = new OffmeterFailureAnalyzer().analyze(context.getStartupFailure()));
    return analysis[0];
  }
}
