// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.offmeter.Attempt;
import dev.offmeter.BudgetExceededException;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ClientInternals;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.internal.config.litellm.LiteLlmConfig;
import dev.offmeter.internal.http.EndpointConfig;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testkit.FakeLlm;
import java.io.File;
import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A client built from a LiteLLM-style file answers. */
@Timeout(20)
class LiteLlmFileTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  @TempDir Path directory;

  private final FakeLlm first = loopback.fake(FakeLlm.ollama().status(503, "down"));
  private final FakeLlm second = loopback.fake(FakeLlm.ollama().streams("from ", "the second"));

  private Path file(String yaml) throws IOException {
    return Files.writeString(directory.resolve("config.yaml"), yaml);
  }

  private Path twoNodes(String more) throws IOException {
    return file(
        """
        model_list:
          - model_name: small
            litellm_params:
              model: ollama_chat/small:1b
              api_base: os.environ/FIRST
              api_key: os.environ/KEY
        """
            + more
            + """
          - model_name: large
            litellm_params: {model: ollama_chat/large:70b, api_base: os.environ/SECOND}
        router_settings: {fallbacks: [{small: [large]}]}
        """);
  }

  private Map<String, String> variables() {
    return Map.of("FIRST", first.url(), "SECOND", second.url(), "KEY", "sk-canary");
  }

  @Test
  void fallsBackInTheOrderOfTheFile() throws Exception {
    LlmClient client =
        loopback.client(
            LlmClient.builder().fromLiteLlmConfig(twoNodes("      keep_alive: 5m\n"), variables()));

    ChatResponse response = client.chat("draft");

    assertThat(response.text()).isEqualTo("from the second");
    assertThat(response.endpoint()).isEqualTo("large");
    assertThat(response.attempts()).extracting(Attempt::endpoint).containsExactly("small", "large");
    assertThat(first.requests())
        .singleElement()
        .satisfies(
            request -> {
              assertThat(request.header("Authorization")).contains("Bearer sk-canary");
              assertThat(request.body()).contains("\"small:1b\"").contains("\"keep_alive\":");
            });
    assertThat(second.requests().get(0).header("Authorization")).isEmpty();
  }

  @Test
  void asksTheGroupThatIsNamed() throws Exception {
    LlmClient client =
        loopback.client(LlmClient.builder().fromLiteLlmConfig(twoNodes(""), "large", variables()));

    assertThat(client.chat("draft").attempts()).hasSize(1);
    assertThat(first.requests()).isEmpty();
  }

  @Test
  void theTimeoutOfTheFileIsTheEndpoints() throws Exception {
    first.hangs();
    LlmClient client =
        loopback.client(
            LlmClient.builder().fromLiteLlmConfig(twoNodes("      timeout: 0.2\n"), variables()));

    assertThat(client.chat("draft").attempts().get(0).failure())
        .contains(FailureKind.ATTEMPT_TIMEOUT);
  }

  @Test
  void theStreamTimeoutOfTheFileIsTheWaitForTheFirstToken() throws Exception {
    first.hangs();
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .fromLiteLlmConfig(twoNodes("      stream_timeout: 0.2\n"), variables()));

    assertThat(client.chat("draft").attempts().get(0).failure())
        .contains(FailureKind.FIRST_TOKEN_TIMEOUT);
  }

  @Test
  void theRequestsPerMinuteOfTheFileAreTheEndpoints() throws Exception {
    first.answers("from the first");
    LlmClient client =
        loopback.client(
            LlmClient.builder().fromLiteLlmConfig(twoNodes("      rpm: 1\n"), variables()));

    assertThat(client.chat("draft").endpoint()).isEqualTo("small");
    assertThat(client.chat("draft").endpoint()).isEqualTo("large");
  }

  @Test
  void retriesAndConcurrencyOfTheFileAreTheEndpoints() throws Exception {
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .fromLiteLlmConfig(
                    twoNodes("      num_retries: 1\n      max_parallel_requests: 3\n"),
                    variables()));

    assertThat(client.chat("draft").endpoint()).isEqualTo("large");
    assertThat(first.requests()).hasSize(2);
    assertThat(
            client
                .resilience4j()
                .bulkheads()
                .bulkhead("small")
                .getMetrics()
                .getMaxAllowedConcurrentCalls())
        .isEqualTo(3);
  }

  private EndpointConfig settled(String parameters) throws IOException {
    Path file =
        file(
            "model_list:\n- model_name: m\n  litellm_params: {model: ollama/x"
                + parameters
                + "}\n");
    return ClientInternals.config(
        LiteLlmConfig.read(file, null, "modelName", Map.of()).endpoints().get(0), true);
  }

  @ParameterizedTest
  @CsvSource({
    "', timeout: 60', PT60S, PT60S",
    "', timeout: 60, stream_timeout: 20', PT60S, PT20S",
    "', timeout: 60, stream_timeout: 60', PT60S, PT60S",
    "', timeout: 60, stream_timeout: 120', PT60S, PT60S",
    "', timeout: 5, stream_timeout: 120', PT5S, PT5S",
    "', stream_timeout: 5', PT15S, PT5S",
    "', stream_timeout: 60', PT120S, PT60S",
    "', stream_timeout: 600', PT600S, PT600S"
  })
  void limitsInAnyRelationMeanWhatTheyMeanThere(String limits, Duration whole, Duration first)
      throws Exception {
    assertThat(settled(limits).timeouts().attempt()).isEqualTo(whole);
    assertThat(settled(limits).timeouts().firstToken()).isEqualTo(first);
  }

  @Test
  void aPlaceholderForAKeyIsNotSentAndAKeyOfExamplesWhereItMay() throws Exception {
    String clear = ", api_base: 'http://host.docker.internal:1'";
    assertThat(settled(", api_key: not-needed").headers()).isEmpty();
    assertThat(settled(clear + ", api_key: sk-local").headers()).isEmpty();
    assertThat(settled(clear + ", api_key: sk-1234").headers()).isEmpty();
    assertThat(settled(", api_key: sk-1234").headers()).hasSize(1);
  }

  @Test
  void whatTheFileTellsTheModelIsSentWhereARequestDoesNotSayIt() throws Exception {
    first.answers("from the first");
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .fromLiteLlmConfig(
                    twoNodes(
                        """
                              max_tokens: 77
                              temperature: 0.25
                              top_p: 0.5
                              seed: 7
                              stop: [END, STOP]
                        """),
                    variables()));
    client.chat("draft");
    client.chat(ChatRequest.builder().user("draft").maxTokens(5).temperature(1).build());

    assertThat(first.requests().get(0).body())
        .contains("\"num_predict\":77", "\"temperature\":0.25", "\"top_p\":0.5", "\"seed\":7")
        .contains("[\"END\",\"STOP\"]");
    assertThat(first.requests().get(1).body())
        .contains("\"num_predict\":5", "\"temperature\":1.0", "\"top_p\":0.5");
  }

  @Test
  void theEnvironmentNamesTheFileAndItsGroup() throws Exception {
    Map<String, String> variables = new HashMap<>(variables());
    variables.put("OFFMETER_CONFIG", twoNodes("").toString());
    LlmClient client = loopback.client(LlmClient.builder().fromEnv(variables));
    assertThat(client.chat("draft").attempts())
        .extracting(Attempt::endpoint)
        .containsExactly("small", "large");

    variables.put("OFFMETER_CONFIG_MODEL", "large");
    assertThat(loopback.client(LlmClient.builder().fromEnv(variables)))
        .hasToString("LlmClient[Endpoint[large, large:70b at " + second.url() + "/]]");

    variables.put("OFFMETER_CONFIG_MODEL", "huge");
    assertThat(catchThrowable(() -> LlmClient.fromEnv(variables)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("config.yaml: OFFMETER_CONFIG_MODEL must be one of [small, large], was 'huge'");
  }

  private Path paid(String litellm) throws IOException {
    return file(
        """
        model_list:
          - model_name: small
            litellm_params: {model: ollama_chat/small:1b, api_base: os.environ/FIRST}
          - model_name: large
            litellm_params: {model: ollama_chat/large:70b, api_base: os.environ/SECOND}
            model_info: {input_cost_per_token: 1, output_cost_per_token: 1}
          - model_name: free
            litellm_params: {model: ollama_chat/free:1b, api_base: os.environ/FIRST}
        router_settings: {fallbacks: [{small: [large]}]}
        """
            + litellm);
  }

  @Test
  void theBudgetOfTheFileKeepsCallsFromWhatCosts() throws Exception {
    Path file = paid("litellm_settings: {max_budget: 0.5, budget_duration: 30d}\n");
    LlmClient client = loopback.client(LlmClient.builder().fromLiteLlmConfig(file, variables()));

    assertThat(catchThrowable(() -> client.chat("draft")))
        .isInstanceOf(BudgetExceededException.class)
        .hasMessageStartingWith(
            "budget exceeded: litellm: 0.00 USD of 0.50 USD per month in Z, begins anew at ");
    assertThat(second.requests()).isEmpty();
  }

  @Test
  void aManagedServerWithoutAPriceIsRejectedUnderABudget() throws Exception {
    Path file =
        file(
            """
            model_list:
              - {model_name: cloud, litellm_params: {model: gemini/flash, api_key: os.environ/KEY}}
            litellm_settings: {max_budget: 5}
            """);

    assertThat(catchThrowable(() -> LlmClient.fromLiteLlmConfig(file, variables())))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageStartingWith(
            "endpoint 'cloud' must have a price, because budget 'litellm' limits money: ");
  }

  @Test
  void twoGroupsOfAFileHaveItsBudgetTogether() throws Exception {
    Path file = paid("litellm_settings: {max_budget: 0.5}\n");
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .fromLiteLlmConfig(file, "large", variables())
                .fromLiteLlmConfig(file, "free", variables()));

    assertThat(client.meter().budgets()).hasSize(1);
  }

  @Test
  void withoutTheYamlLibraryTheMessageNamesIt() throws Exception {
    try (URLClassLoader loader = withoutSnakeYaml()) {
      Class<?> client = loader.loadClass(LlmClient.class.getName());
      Method method = client.getMethod("fromLiteLlmConfig", Path.class, Map.class);
      Path file = twoNodes("");

      assertThat(catchThrowable(() -> method.invoke(null, file, variables())))
          .isInstanceOf(InvocationTargetException.class)
          .cause()
          .isInstanceOf(IllegalStateException.class)
          .hasMessage(
              "org.yaml:snakeyaml must be on the class path to read config.yaml, was not; add that"
                  + " dependency, version 2.5 or later");
      AutoCloseable other =
          (AutoCloseable) client.getMethod("fromEnv", Map.class).invoke(null, Map.of());
      other.close();
    }
  }

  private static URLClassLoader withoutSnakeYaml() {
    String path =
        System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
    URL[] urls =
        Arrays.stream(path.split(File.pathSeparator))
            .filter(entry -> !entry.contains("snakeyaml"))
            .map(LiteLlmFileTest::url)
            .toArray(URL[]::new);
    return new URLClassLoader(urls, ClassLoader.getPlatformClassLoader());
  }

  private static URL url(String entry) {
    try {
      return new File(entry).toURI().toURL();
    } catch (MalformedURLException e) {
      throw new AssertionError(e);
    }
  }
}
