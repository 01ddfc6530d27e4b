// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import dev.offmeter.Capability;
import dev.offmeter.ClientInternals;
import dev.offmeter.Endpoint;
import dev.offmeter.LlmClient;
import dev.offmeter.Locality;
import dev.offmeter.guard.Budget;
import dev.offmeter.internal.config.litellm.LiteLlmConfig;
import dev.offmeter.internal.wire.ModelTraits;
import dev.offmeter.meter.Upkeep;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Environment variables become endpoints and settings. */
class EnvironmentTest {
  private static final String SECRET = "hunter2";

  /** {@code NAME=value} each. */
  private static Map<String, String> variables(String... assignments) {
    Map<String, String> variables = new LinkedHashMap<>();
    for (String assignment : assignments) {
      String[] parts = assignment.split("=", 2);
      variables.put(parts[0], parts[1]);
    }
    return variables;
  }

  private static Environment read(Map<String, String> variables) {
    return Environment.read(variables, LiteLlmConfig::read);
  }

  private static List<String> endpoints(String... assignments) {
    return read(variables(assignments)).endpoints().stream().map(Endpoint::toString).toList();
  }

  private static Throwable rejected(
      Class<? extends RuntimeException> type, Map<String, String> variables) {
    Throwable thrown = catchThrowable(() -> read(variables));
    assertThat(thrown).isInstanceOf(type);
    StringWriter everything = new StringWriter();
    thrown.printStackTrace(new PrintWriter(everything));
    assertThat(everything.toString()).doesNotContain(SECRET);
    return thrown;
  }

  private static Throwable wrong(String... assignments) {
    return rejected(IllegalArgumentException.class, variables(assignments));
  }

  private static Throwable contradictory(String... assignments) {
    return rejected(IllegalStateException.class, variables(assignments));
  }

  @Test
  void withoutVariablesThereIsOneLocalServer() {
    Environment environment = read(Map.of());

    assertThat(environment.deadline()).isEmpty();
    assertThat(environment.endpoints())
        .singleElement()
        .satisfies(
            endpoint -> {
              assertThat(endpoint)
                  .hasToString("Endpoint[primary, qwen3:8b at http://localhost:11434/]");
              assertThat(endpoint.locality()).isEqualTo(Locality.SELF_HOSTED);
            });
  }

  @Test
  void everyVariableOfTheSimpleScheme() {
    assertThat(
            endpoints(
                "OLLAMA_MODEL=shared",
                "OLLAMA_PRIMARY_URL=https://llm.example.org/prefix",
                "OLLAMA_PRIMARY_MODEL=own",
                "OLLAMA_PRIMARY_TIMEOUT=15s",
                "OLLAMA_PRIMARY_KEY=k",
                "OLLAMA_PRIMARY_ACCESS_ID=i",
                "OLLAMA_PRIMARY_ACCESS_SECRET=s",
                "OLLAMA_PRIMARY_CLEARTEXT=false",
                "OLLAMA_FALLBACK_URL=http://192.0.2.7:11434",
                "OLLAMA_FALLBACK_TIMEOUT=PT2M",
                "OLLAMA_FALLBACK_KEY=k",
                "OLLAMA_FALLBACK_CLEARTEXT=TRUE"))
        .containsExactly(
            "Endpoint[primary, own at https://llm.example.org/prefix]",
            "Endpoint[fallback, shared at http://192.0.2.7:11434/]");
  }

  @ParameterizedTest
  @CsvSource({
    "OLLAMA_MODEL=m, m",
    "OLLAMA_PRIMARY_MODEL=m, m",
    "OLLAMA_PRIMARY_TIMEOUT=1s, qwen3:8b",
    "OFFMETER_ENDPOINTS_0_URL=http://localhost:11434, qwen3:8b"
  })
  void theModelHasADefault(String assignment, String model) {
    assertThat(read(variables(assignment)).endpoints().get(0).model()).isEqualTo(model);
  }

  @Test
  void everyVariableOfTheIndexedScheme() {
    List<Endpoint> endpoints =
        read(variables(
                "OFFMETER_ENDPOINTS_1_URL=https://two.example.org",
                "OFFMETER_ENDPOINTS_0_NAME=attic",
                "OFFMETER_ENDPOINTS_0_TYPE=ollama",
                "OFFMETER_ENDPOINTS_0_URL=https://one.example.org/llm",
                "OFFMETER_ENDPOINTS_0_MODEL=llama3.2:1b",
                "OFFMETER_ENDPOINTS_0_TIMEOUT=30s",
                "OFFMETER_ENDPOINTS_0_CONNECT=500ms",
                "OFFMETER_ENDPOINTS_0_FIRSTTOKEN=15s",
                "OFFMETER_ENDPOINTS_0_STALL=5s",
                "OFFMETER_ENDPOINTS_0_STREAMTIMEOUT=5m",
                "OFFMETER_ENDPOINTS_0_KEY=k",
                "OFFMETER_ENDPOINTS_0_ACCESSID=i",
                "OFFMETER_ENDPOINTS_0_ACCESSSECRET=s",
                "OFFMETER_ENDPOINTS_0_CLEARTEXT=true",
                "OFFMETER_ENDPOINTS_0_CONCURRENCY=2",
                "OFFMETER_ENDPOINTS_0_RETRIES=1",
                "OFFMETER_ENDPOINTS_0_LOCALITY=managed"))
            .endpoints();

    assertThat(endpoints)
        .extracting(Endpoint::toString)
        .containsExactly(
            "Endpoint[attic, llama3.2:1b at https://one.example.org/llm]",
            "Endpoint[endpoint-1, qwen3:8b at https://two.example.org/]");
    assertThat(endpoints)
        .extracting(Endpoint::locality)
        .containsExactly(Locality.MANAGED, Locality.SELF_HOSTED);
  }

  private static List<Endpoint> withTraits(String capabilities, String contextLength) {
    String prefix = "OFFMETER_ENDPOINTS_0_";
    return read(variables(
            prefix + "URL=http://localhost:1",
            prefix + "CAPABILITIES=" + capabilities,
            prefix + "CONTEXTLENGTH=" + contextLength))
        .endpoints();
  }

  @Test
  void capabilitiesAndContextLengthAreDeclared() {
    Endpoint endpoint = withTraits("vision, Json-Schema,frontier", "8192").get(0);

    ModelTraits declared = ClientInternals.config(endpoint, false).traits();
    assertThat(declared.capabilities())
        .containsExactlyInAnyOrder(Capability.VISION, Capability.JSON_SCHEMA, Capability.FRONTIER);
    assertThat(declared.lacking()).containsExactlyInAnyOrder(Capability.TOOLS, Capability.THINKING);
    assertThat(declared.contextLength()).isEqualTo(8192);
  }

  @Test
  void anUnknownCapabilityIsRejected() {
    assertThatThrownBy(() -> withTraits("vision,sight", "8192"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "OFFMETER_ENDPOINTS_0_CAPABILITIES must be some of vision, tools, json_schema,"
                + " thinking, frontier, was 'sight'");
    assertThatThrownBy(() -> withTraits("vision", "0"))
        .hasMessage("OFFMETER_ENDPOINTS_0_CONTEXTLENGTH: contextLength must be at least 1, was 0");
  }

  @ParameterizedTest
  @CsvSource({
    "ollama, http://localhost:1/, SELF_HOSTED",
    "openai, http://localhost:1/, SELF_HOSTED",
    "openai, https://api.example.org/v1, MANAGED",
    "vllm, https://api.example.org/v1, SELF_HOSTED",
    "llama-server, https://api.example.org/, SELF_HOSTED",
    "tgi, https://api.example.org/, SELF_HOSTED",
    "localai, https://api.example.org/, SELF_HOSTED",
    "lmstudio, https://api.example.org/, SELF_HOSTED",
    "litellm, http://localhost:1/, MANAGED",
    "gemini, https://api.example.org/, MANAGED",
    "anthropic, https://api.example.org/, MANAGED"
  })
  void everyTypeOfServer(String type, String url, Locality locality) {
    String prefix = "OFFMETER_ENDPOINTS_0_";

    assertThat(
            read(variables(prefix + "TYPE=" + type, prefix + "URL=" + url, prefix + "MODEL=m"))
                .endpoints())
        .singleElement()
        .satisfies(
            endpoint -> {
              assertThat(endpoint).hasToString("Endpoint[endpoint-0, m at " + url + "]");
              assertThat(endpoint.locality()).isEqualTo(locality);
            });
  }

  @ParameterizedTest
  @CsvSource({
    "openai, https://api.openai.com/v1",
    "gemini, https://generativelanguage.googleapis.com/",
    "anthropic, https://api.anthropic.com/"
  })
  void aProviderIsAskedAtItsOwnAddress(String type, String url) {
    String prefix = "OFFMETER_ENDPOINTS_0_";

    assertThat(endpoints(prefix + "TYPE=" + type, prefix + "MODEL=m"))
        .containsExactly("Endpoint[endpoint-0, m at " + url + "]");
    assertThat(contradictory(prefix + "TYPE=" + type))
        .hasMessage("OFFMETER_ENDPOINTS_0_MODEL must be set");
  }

  @ParameterizedTest
  @ValueSource(strings = {"vllm", "llama-server", "tgi", "localai", "lmstudio", "litellm"})
  void aServerOfOnesOwnNeedsItsUrlAndModel(String type) {
    String prefix = "OFFMETER_ENDPOINTS_0_";

    assertThat(contradictory(prefix + "TYPE=" + type, prefix + "MODEL=m"))
        .hasMessage("OFFMETER_ENDPOINTS_0_URL must be set");
    assertThat(contradictory(prefix + "TYPE=" + type, prefix + "URL=http://localhost:1"))
        .hasMessage("OFFMETER_ENDPOINTS_0_MODEL must be set");
  }

  @ParameterizedTest
  @ValueSource(strings = {"OLLAMA_MODEL=m", "OFFMETER_ENDPOINTS_0_URL=http://localhost:1"})
  void aFileDoesNotMixWithEitherScheme(String assignment) {
    assertThat(contradictory(assignment, "OFFMETER_CONFIG=config.yaml"))
        .hasMessageStartingWith("use either OFFMETER_CONFIG or ")
        .hasMessageEndingWith(", not both");
  }

  @Test
  void aFileThatIsNotThereIsNamedWithItsVariable() {
    assertThatThrownBy(() -> read(Map.of("OFFMETER_CONFIG", "no/such.yaml")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("OFFMETER_CONFIG must name a file that can be read, was 'no/such.yaml'");
  }

  @Test
  void aModelOfAFileNeedsTheFile() {
    assertThat(contradictory("OFFMETER_CONFIG_MODEL=m"))
        .hasMessage("OFFMETER_CONFIG_MODEL must not be set without OFFMETER_CONFIG");
    assertThat(contradictory("OFFMETER_CLEARTEXT=true"))
        .hasMessage(
            "OFFMETER_CLEARTEXT must not be set without OFFMETER_CONFIG; use"
                + " OLLAMA_PRIMARY_CLEARTEXT or OFFMETER_ENDPOINTS_<n>_CLEARTEXT");
    assertThat(wrong("OFFMETER_CONFIG=\u0000"))
        .hasMessageStartingWith("OFFMETER_CONFIG must be a path");
  }

  @Test
  void tenthAndLaterEndpointsKeepTheirPlace() {
    Map<String, String> variables = new HashMap<>();
    for (int i = 0; i < 100; i++) {
      variables.put("OFFMETER_ENDPOINTS_" + i + "_URL", "http://localhost:" + (2000 + i));
    }

    List<Endpoint> endpoints = read(variables).endpoints();

    assertThat(endpoints).hasSize(100);
    for (int i = 0; i < 100; i++) {
      assertThat(endpoints.get(i)).asString().contains(":" + (2000 + i) + "/");
    }
  }

  @ParameterizedTest
  @CsvSource({
    "OLLAMA_PRIMARY_URL=http://localhost:1",
    "OFFMETER_ENDPOINTS_0_URL=http://localhost:1"
  })
  void theDeadlineGoesWithEitherScheme(String assignment) {
    assertThat(read(variables(assignment, "OFFMETER_DEADLINE=90s")).deadline())
        .hasValue(Duration.ofSeconds(90));
    assertThat(read(variables(assignment)).deadline()).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "OLLAMA_HOST=0.0.0.0:11434",
        "OLLAMA_MODELS=/models",
        "OLLAMA_NUM_PARALLEL=4",
        "OLLAMA_KEEP_ALIVE=-1",
        "OLLAMA_API_KEY=hunter2",
        "OLLAMA_PRIMARYURL=x",
        "MY_OLLAMA_PRIMARY_URL=x",
        "MY_OFFMETER_DEADLINE=x",
        "PATH=/bin"
      })
  void variablesOfOthersAreNotOurs(String assignment) {
    assertThat(endpoints(assignment))
        .containsExactly("Endpoint[primary, qwen3:8b at http://localhost:11434/]");
    assertThat(endpoints(assignment, "OFFMETER_ENDPOINTS_0_URL=http://localhost:1")).hasSize(1);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "OLLAMA_PRIMARY_UR=x",
        "OLLAMA_PRIMARY_url=x",
        "OLLAMA_PRIMARY_URL2=x",
        "OLLAMA_PRIMARY_URL_2=x",
        "OLLAMA_PRIMARY_=x",
        "OLLAMA_PRIMARY_ACCESSID=x",
        "OLLAMA_PRIMARY_PASSWORD=hunter2",
        "OLLAMA_FALLBACK_2_URL=x",
        "OLLAMA_FALLBACK_URL2=x",
        "OFFMETER_ENDPOINTS_0_UR=x",
        "OFFMETER_ENDPOINTS_0_url=x",
        "OFFMETER_ENDPOINTS_0_ACCESS_ID=x",
        "OFFMETER_ENDPOINTS_0_=x",
        "OFFMETER_ENDPOINTS_0=x",
        "OFFMETER_ENDPOINTS_URL=x",
        "OFFMETER_ENDPOINTS_00_URL=x",
        "OFFMETER_ENDPOINTS_-1_URL=x",
        "OFFMETER_ENDPOINTS_100_URL=x",
        "OFFMETER_ENDPOINTS_\u0661_URL=x",
        "OFFMETER_ENDPOINTS_=x",
        "OFFMETER_ENDPOINT_0_URL=x",
        "OFFMETER_ENDPOINTS0_URL=x",
        "OFFMETER_DEADLIN=hunter2",
        "OFFMETER_CONFIGURATION=x",
        "OFFMETER_=x"
      })
  void aMisspeltVariableIsNotLostInSilence(String assignment) {
    String name = assignment.split("=", 2)[0];

    assertThat(wrong(assignment)).hasMessageStartingWith(name + " is not a known variable");
    assertThat(wrong(assignment, "OLLAMA_FALLBACK_URL=http://localhost:1"))
        .hasMessageStartingWith(name + " is not a known variable");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "OLLAMA_MODEL=m",
        "OLLAMA_PRIMARY_URL=http://localhost:1",
        "OLLAMA_PRIMARY_KEY=hunter2",
        "OLLAMA_FALLBACK_URL=http://localhost:1"
      })
  void theTwoSchemesDoNotMix(String simple) {
    assertThat(contradictory(simple, "OFFMETER_ENDPOINTS_0_URL=http://localhost:1"))
        .hasMessageContaining(simple.split("=", 2)[0])
        .hasMessageContaining("OFFMETER_ENDPOINTS_")
        .hasMessageContaining("not both");
    assertThatCode(() -> endpoints(simple)).doesNotThrowAnyException();
  }

  static Stream<Arguments> gaps() {
    return Stream.of(
        arguments(List.of(1), "[1]"),
        arguments(List.of(0, 2), "[0, 2]"),
        arguments(List.of(0, 1, 99), "[0, 1, 99]"));
  }

  @ParameterizedTest
  @MethodSource("gaps")
  void indicesRunFromZeroWithoutAGap(List<Integer> indices, String message) {
    String[] assignments =
        indices.stream()
            .map(index -> "OFFMETER_ENDPOINTS_" + index + "_URL=http://localhost:1")
            .toArray(String[]::new);

    assertThat(contradictory(assignments))
        .hasMessageContaining("OFFMETER_ENDPOINTS_")
        .hasMessageContaining("without a gap")
        .hasMessageContaining(message);
  }

  @Test
  void twoEndpointsOfOneNameAreNamedByTheirVariables() {
    String[] urls = {
      "OFFMETER_ENDPOINTS_0_URL=http://localhost:1",
      "OFFMETER_ENDPOINTS_1_URL=http://localhost:2",
      "OFFMETER_ENDPOINTS_2_URL=http://localhost:3"
    };
    Map<String, String> variables = variables(urls);
    variables.put("OFFMETER_ENDPOINTS_0_NAME", "attic");
    variables.put("OFFMETER_ENDPOINTS_2_NAME", "attic");

    assertThat(rejected(IllegalStateException.class, variables))
        .hasMessage(
            "OFFMETER_ENDPOINTS_0_NAME and OFFMETER_ENDPOINTS_2_NAME must differ,"
                + " were both 'attic'");

    variables.put("OFFMETER_ENDPOINTS_2_NAME", "endpoint-1");
    assertThat(rejected(IllegalStateException.class, variables))
        .hasMessageStartingWith("OFFMETER_ENDPOINTS_1_NAME and OFFMETER_ENDPOINTS_2_NAME");

    variables.put("OFFMETER_ENDPOINTS_2_NAME", "Attic");
    assertThat(read(variables).endpoints()).hasSize(3);
  }

  @Test
  void anEndpointNeedsItsUrl() {
    assertThat(contradictory("OFFMETER_ENDPOINTS_0_KEY=" + SECRET))
        .hasMessage("OFFMETER_ENDPOINTS_0_URL must be set");
    assertThat(
            contradictory(
                "OFFMETER_ENDPOINTS_0_URL=http://localhost:1", "OFFMETER_ENDPOINTS_1_MODEL=m"))
        .hasMessage("OFFMETER_ENDPOINTS_1_URL must be set");
  }

  @ParameterizedTest
  @ValueSource(strings = {"MODEL=m", "TIMEOUT=1s", "KEY=hunter2", "CLEARTEXT=true"})
  void aFallbackWithoutItsUrlIsNotLostInSilence(String orphan) {
    assertThat(contradictory("OLLAMA_FALLBACK_" + orphan))
        .hasMessageContaining("OLLAMA_FALLBACK_" + orphan.split("=", 2)[0])
        .hasMessageContaining("must not be set without OLLAMA_FALLBACK_URL");
    assertThat(endpoints("OLLAMA_FALLBACK_" + orphan, "OLLAMA_FALLBACK_URL=http://localhost:1"))
        .hasSize(2);
  }

  @ParameterizedTest
  @CsvSource({
    "OLLAMA_PRIMARY_, ACCESS_ID, ACCESS_SECRET",
    "OFFMETER_ENDPOINTS_0_, ACCESSID, ACCESSSECRET"
  })
  void halfAnAccessTokenIsRejected(String prefix, String id, String secret) {
    String url = prefix + "URL=https://llm.example.org";

    assertThat(contradictory(url, prefix + id + "=" + SECRET))
        .hasMessageContaining(prefix + id)
        .hasMessageContaining(prefix + secret)
        .hasMessageEndingWith("only " + id + " is");
    assertThat(contradictory(url, prefix + secret + "=" + SECRET))
        .hasMessageEndingWith("only " + secret + " is");
    assertThat(endpoints(url, prefix + id + "=i", prefix + secret + "=s")).hasSize(1);
  }

  @ParameterizedTest
  @CsvSource({
    "OLLAMA_PRIMARY_, ACCESS_ID, ACCESS_SECRET",
    "OFFMETER_ENDPOINTS_0_, ACCESSID, ACCESSSECRET"
  })
  void aBadHalfOfAnAccessTokenIsNamedItself(String prefix, String id, String secret) {
    for (String bad : new String[] {"", " ", "hunter2\n", "hunter2ü"}) {
      assertThat(wrong(prefix + "URL=https://h", prefix + id + "=i", prefix + secret + "=" + bad))
          .hasMessageContaining(prefix + secret)
          .hasMessageContaining("must ");
      assertThat(wrong(prefix + "URL=https://h", prefix + secret + "=s", prefix + id + "=" + bad))
          .hasMessageContaining(prefix + id)
          .hasMessageContaining("must ");
    }
  }

  @ParameterizedTest
  @CsvSource(
      ignoreLeadingAndTrailingWhitespace = false,
      value = {"OLLAMA_PRIMARY_,KEY", "OFFMETER_ENDPOINTS_0_,KEY"})
  void aBadKeyIsNamedButNotShown(String prefix, String key) {
    for (String bad : new String[] {"hunter2\n", "\thunter2\u0001", "hunter2ü", "hun\rhunter2"}) {
      assertThat(wrong(prefix + "URL=https://h", prefix + key + "=" + bad))
          .hasMessageStartingWith(prefix + key + ":")
          .hasMessageContaining("printable ASCII")
          .hasMessageContaining("***");
    }
    assertThat(wrong(prefix + "URL=https://h", prefix + key + "= "))
        .hasMessageStartingWith(prefix + key + " must not be blank");
  }

  static Stream<Arguments> blanks() {
    return Stream.of(
            "OLLAMA_MODEL",
            "OLLAMA_PRIMARY_URL",
            "OLLAMA_PRIMARY_MODEL",
            "OLLAMA_PRIMARY_TIMEOUT",
            "OLLAMA_PRIMARY_KEY",
            "OLLAMA_PRIMARY_CLEARTEXT",
            "OLLAMA_FALLBACK_URL",
            "OFFMETER_ENDPOINTS_0_NAME",
            "OFFMETER_ENDPOINTS_0_TYPE",
            "OFFMETER_ENDPOINTS_0_URL",
            "OFFMETER_ENDPOINTS_0_MODEL",
            "OFFMETER_ENDPOINTS_0_TIMEOUT",
            "OFFMETER_ENDPOINTS_0_CONNECT",
            "OFFMETER_ENDPOINTS_0_FIRSTTOKEN",
            "OFFMETER_ENDPOINTS_0_STALL",
            "OFFMETER_ENDPOINTS_0_STREAMTIMEOUT",
            "OFFMETER_ENDPOINTS_0_KEY",
            "OFFMETER_ENDPOINTS_0_CLEARTEXT",
            "OFFMETER_ENDPOINTS_0_CONCURRENCY",
            "OFFMETER_ENDPOINTS_0_RPM",
            "OFFMETER_ENDPOINTS_0_RETRIES",
            "OFFMETER_ENDPOINTS_0_ENDMARKERISENOUGH",
            "OFFMETER_ENDPOINTS_0_LOCALITY",
            "OFFMETER_ENDPOINTS_0_OMIT",
            "OFFMETER_ENDPOINTS_0_PATH",
            "OFFMETER_ENDPOINTS_0_UPKEEPPRICE",
            "OFFMETER_CONFIG",
            "OFFMETER_DEADLINE")
        .flatMap(name -> Stream.of(arguments(name, ""), arguments(name, " \t")));
  }

  @ParameterizedTest
  @MethodSource("blanks")
  void aBlankValueIsRejectedEverywhere(String name, String blank) {
    Map<String, String> variables = new HashMap<>();
    if (name.startsWith("OFFMETER_ENDPOINTS_")) {
      variables.put("OFFMETER_ENDPOINTS_0_URL", "http://localhost:1");
    }
    variables.put(name, blank);

    assertThat(rejected(IllegalArgumentException.class, variables))
        .hasMessageStartingWith(name)
        .hasMessageMatching("(?s).*'\\s*'");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "TYPE=bedrock | must be one of [ollama, openai, vllm, llama-server, tgi, localai, lmstudio,"
            + " litellm, gemini, anthropic] | 'bedrock'",
        "TYPE=Ollama | must be one of [ollama, | 'Ollama'",
        "TIMEOUT=15 | must be a time span | '15'",
        "TIMEOUT=0s | must be | 0s",
        "TIMEOUT=-PT5S | must be | -PT5S",
        "TIMEOUT=25h | must be | 24 h",
        "CONNECT=fast | must be a time span | 'fast'",
        "FIRSTTOKEN=1d | must be a time span | '1d'",
        "STALL=PT0S | must be | PT0S",
        "STREAMTIMEOUT=PT0S | must be | PT0S",
        "CLEARTEXT=yes | must be true or false | 'yes'",
        "CLEARTEXT=1 | must be true or false | '1'",
        "CONCURRENCY=many | must be a whole number | 'many'",
        "CONCURRENCY=1.5 | must be a whole number | '1.5'",
        "CONCURRENCY=99999999999 | must be a whole number of at most 2147483647 | '99999999999'",
        "CONCURRENCY=0 | must be at least 1 | 0",
        "CONCURRENCY=-1 | must be at least 1 | -1",
        "RPM=0 | requestsPerMinute must be from 1 to 100000 | 0",
        "RPM=many | must be a whole number | 'many'",
        "RETRIES=11 | must be from 0 to 10 | 11",
        "RETRIES=-1 | must be from 0 to 10 | -1",
        "RETRIES=two | must be a whole number | 'two'",
        "OMIT=stream_options | omit must be one of [think, | 'stream_options'",
        "OMIT=think,,seed | omit must be one of [think, | ''",
        "PATH=a b | path must be one of a URL | 'a b'",
        "LOCALITY=cloud | must be self_hosted or managed | 'cloud'",
        "PRICESECOND=-1 | amount must be at least 0 | -1",
        "PRICESECOND=cheap | amount must be a finite number | 'cheap'"
      })
  void aWrongValueIsNamedWithItsVariableAndRule(String assignment, String rule, String value) {
    String name = "OFFMETER_ENDPOINTS_0_" + assignment.split("=", 2)[0];

    assertThat(
            wrong(
                "OFFMETER_ENDPOINTS_0_URL=http://localhost:1",
                "OFFMETER_ENDPOINTS_0_" + assignment))
        .hasMessageStartingWith(name)
        .hasMessageContaining(rule)
        .hasMessageContaining(value);
  }

  @ParameterizedTest
  @CsvSource({
    "PRICEIN=-1 PRICEOUT=1, PRICEIN: input must be at least 0",
    "PRICEIN=1 PRICEOUT=1e999999999, PRICEOUT: output must have at most 40 digits",
    "PRICEIN=1 PRICEOUT=1 CURRENCY=dollars, CURRENCY: currency must be a code of ISO 4217"
  })
  void aWrongPriceIsNamedWithItsVariable(String assignments, String message) {
    assertThat(wrong(ofFirst(assignments)))
        .hasMessageStartingWith("OFFMETER_ENDPOINTS_0_" + message);
  }

  @ParameterizedTest
  @CsvSource({
    "PRICEIN=1, PRICEIN and OFFMETER_ENDPOINTS_0_PRICEOUT must be set together",
    "PRICEOUT=1, PRICEIN and OFFMETER_ENDPOINTS_0_PRICEOUT must be set together",
    "PRICEIN=1 PRICEOUT=1 PRICESECOND=1, PRICESECOND must not be set beside PRICEIN",
    "CURRENCY=EUR, CURRENCY must not be set without a price or an upkeep"
  })
  void halfAPriceIsRejected(String assignments, String message) {
    assertThat(contradictory(ofFirst(assignments)))
        .hasMessageStartingWith("OFFMETER_ENDPOINTS_0_" + message);
  }

  @Test
  void theUpkeepOfAnEndpointIsInItsCurrency() {
    List<Endpoint> endpoints =
        read(variables(
                "OFFMETER_ENDPOINTS_0_URL=http://localhost:1",
                "OFFMETER_ENDPOINTS_0_CURRENCY=CHF",
                "OFFMETER_ENDPOINTS_0_UPKEEPPRICE=700.50",
                "OFFMETER_ENDPOINTS_0_UPKEEPMONTHS=36",
                "OFFMETER_ENDPOINTS_0_UPKEEPWATTS=20",
                "OFFMETER_ENDPOINTS_0_UPKEEPIDLEWATTS=7",
                "OFFMETER_ENDPOINTS_0_UPKEEPKWH=0.30",
                "OFFMETER_ENDPOINTS_0_UPKEEPHOURS=1.5",
                "OFFMETER_ENDPOINTS_0_UPKEEPRATE=50",
                "OFFMETER_ENDPOINTS_1_URL=http://localhost:2",
                "OFFMETER_ENDPOINTS_1_MODEL=m",
                "OFFMETER_ENDPOINTS_1_UPKEEPPRICE=80",
                "OFFMETER_ENDPOINTS_2_URL=http://localhost:3"))
            .endpoints();

    assertThat(endpoints)
        .extracting(endpoint -> ClientInternals.upkeep(endpoint).map(Upkeep::toString).orElse("-"))
        .containsExactly(
            "Upkeep[CHF price 700.50 over 36 months, rent 0 for 0 hours, 20 W, idle 7 W"
                + " at 0.30 per kWh, 1.5 hours at 50]",
            "Upkeep[USD price 80 over 1 months, rent 0 for 0 hours, 0 W, idle 0 W"
                + " at 0 per kWh, 0 hours at 0]",
            "-");
  }

  @ParameterizedTest
  @CsvSource({
    "UPKEEPPRICE=-1, UPKEEPPRICE: price must be at least 0",
    "UPKEEPPRICE=cheap, UPKEEPPRICE must be a finite number",
    "UPKEEPPRICE=1e999999999, UPKEEPPRICE: price must have at most 40 digits",
    "UPKEEPPRICE=1 UPKEEPMONTHS=0, UPKEEPMONTHS: months must be at least 1",
    "UPKEEPPRICE=1 UPKEEPMONTHS=two, UPKEEPMONTHS must be a whole number",
    "UPKEEPPRICE=1 CURRENCY=francs, CURRENCY: currency must be a code of ISO 4217",
    "UPKEEPWATTS=NaN UPKEEPKWH=1, UPKEEPWATTS must be a finite number",
    "UPKEEPWATTS=1 UPKEEPKWH=-1, UPKEEPKWH: kwh must be at least 0",
    "UPKEEPHOURS=1 UPKEEPRATE=-1, UPKEEPRATE: rate must be at least 0"
  })
  void aWrongUpkeepIsNamedWithItsVariable(String assignments, String message) {
    assertThat(wrong(ofFirst(assignments)))
        .hasMessageStartingWith("OFFMETER_ENDPOINTS_0_" + message);
  }

  @ParameterizedTest
  @CsvSource({
    "UPKEEPWATTS=20, UPKEEPWATTS and OFFMETER_ENDPOINTS_0_UPKEEPKWH must be set together",
    "UPKEEPRATE=50, UPKEEPHOURS and OFFMETER_ENDPOINTS_0_UPKEEPRATE must be set together",
    "UPKEEPMONTHS=36, UPKEEPMONTHS must not be set without UPKEEPPRICE",
    "UPKEEPIDLEWATTS=7, UPKEEPIDLEWATTS must not be set without UPKEEPWATTS",
    "UPKEEPIDLEWATTS=9 UPKEEPWATTS=7 UPKEEPKWH=1, UPKEEPIDLEWATTS: idleWatts must be at most watts"
  })
  void halfAnUpkeepIsRejected(String assignments, String message) {
    assertThat(contradictory(ofFirst(assignments)))
        .hasMessageStartingWith("OFFMETER_ENDPOINTS_0_" + message);
  }

  private static String[] ofFirst(String assignments) {
    return Stream.concat(
            Stream.of("OFFMETER_ENDPOINTS_0_URL=http://localhost:1"),
            Arrays.stream(assignments.split(" ")).map(one -> "OFFMETER_ENDPOINTS_0_" + one))
        .toArray(String[]::new);
  }

  @Test
  void everyVariableOfABudget() {
    List<Budget> budgets =
        read(variables(
                "OFFMETER_BUDGETS_0_NAME=month",
                "OFFMETER_BUDGETS_0_LIMIT=20.00 USD",
                "OFFMETER_BUDGETS_0_PER=month Europe/Zurich",
                "OFFMETER_BUDGETS_0_SCOPE=endpoint:reserve, tag:feature=follow-up",
                "OFFMETER_BUDGETS_0_EXCEEDED=reject",
                "OFFMETER_BUDGETS_0_ALERT=0.8, 0.5",
                "OFFMETER_BUDGETS_1_LIMIT=2M tokens",
                "OFFMETER_BUDGETS_1_PER=session",
                "OFFMETER_BUDGETS_2_LIMIT=500 calls",
                "OFFMETER_BUDGETS_2_PER=24h",
                "OFFMETER_BUDGETS_2_SCOPE=tag:customer",
                "OFFMETER_BUDGETS_3_LIMIT=3h",
                "OFFMETER_BUDGETS_3_PER=day"))
            .budgets();

    assertThat(budgets)
        .extracting(Budget::toString)
        .containsExactly(
            "Budget[month, 20.00 USD per month in Europe/Zurich]",
            "Budget[budget-1, 2000000 tokens per session]",
            "Budget[budget-2, 500 calls in the last PT24H]",
            "Budget[budget-3, 10800 s per day in Z]");
    Budget month = budgets.get(0);
    assertThat(month.endpoint()).contains("reserve");
    assertThat(month.tag()).contains("feature");
    assertThat(month.tagValue()).contains("follow-up");
    assertThat(month.whenExceeded()).isEqualTo(Budget.WhenExceeded.REJECT);
    assertThat(month.alerts()).containsExactly(0.5, 0.8);
    assertThat(budgets.get(2).tag()).contains("customer");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "LIMIT=20 | LIMIT: must be a limit with its unit such as 20 USD, 2M tokens, | '20'",
        "LIMIT=-1 USD | LIMIT: amount must be more than 0 | '-1'",
        "LIMIT=0 calls | LIMIT: calls must be at least 1 | 0",
        "LIMIT=18446744074G tokens | LIMIT: must be at most 9223372036G | '18446744074G tokens'",
        "SCOPE=endpoint:a,endpoint:b | SCOPE: must be one endpoint and one tag at most | endpoint:b",
        "SCOPE=tag:a,endpoint:b,tag:c=d | SCOPE: must be one endpoint and one tag at most | tag:c",
        "LIMIT=5 XYZ | LIMIT: currency must be a code of ISO 4217 | 'XYZ'",
        "PER=year | PER: must be day, week or month with or without a zone, | 'year'",
        "PER=day Mars/Base | PER: must be in a known time zone | 'Mars/Base'",
        "PER=1s | PER: window must be from 1 minute | PT1S",
        "SCOPE=reserve | SCOPE: must be endpoint:<name>, tag:<name> or | 'reserve'",
        "EXCEEDED=stop | EXCEEDED: must be skip, reject or warn | 'stop'",
        "ALERT=half | ALERT: must be shares such as 0.5,0.8 | 'half'",
        "ALERT=80 | ALERT: alertAt must be more than 0 and at most 1 | 80",
        "LIMITS=1 | LIMITS is not a known variable; it must end in one of [ALERT, | LIMIT"
      })
  void aWrongBudgetIsNamedWithItsVariable(String assignment, String rule, String value) {
    Map<String, String> all = new HashMap<>(variables("OFFMETER_BUDGETS_0_LIMIT=5 calls"));
    all.putAll(variables("OFFMETER_BUDGETS_0_" + assignment));

    assertThat(rejected(IllegalArgumentException.class, all))
        .hasMessageStartingWith("OFFMETER_BUDGETS_0_" + rule)
        .hasMessageContaining(value);
  }

  @Test
  void aBudgetNeedsALimitAndItsNumbersHaveNoGap() {
    assertThat(contradictory("OFFMETER_BUDGETS_0_NAME=month"))
        .hasMessage("OFFMETER_BUDGETS_0_LIMIT must be set");
    assertThat(contradictory("OFFMETER_BUDGETS_1_LIMIT=1 calls"))
        .hasMessage("OFFMETER_BUDGETS_ indices must run from 0 without a gap, were [1]");
  }

  @Test
  void pricesAndTheBaselineAreOfTheClient() {
    LlmClient.Builder builder =
        LlmClient.builder()
            .fromEnv(
                variables(
                    "OFFMETER_ENDPOINTS_0_URL=https://llm.example.org",
                    "OFFMETER_ENDPOINTS_0_NAME=reserve",
                    "OFFMETER_ENDPOINTS_0_PRICEIN=0.3",
                    "OFFMETER_ENDPOINTS_0_PRICEOUT=2.5",
                    "OFFMETER_ENDPOINTS_0_CURRENCY=EUR",
                    "OFFMETER_BASELINE=other"));

    assertThatThrownBy(builder::build)
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("baseline must be one of reserve, was 'other'");
    builder.baseline("reserve").build().close();
    assertThat(wrong("OFFMETER_PRICES=/nowhere.json"))
        .hasMessage("OFFMETER_PRICES must name a file that can be read, was '/nowhere.json'");
  }

  @Test
  void theUsageLogIsAFileThatCanBeWritten(@TempDir Path folder) {
    Path file = folder.resolve("usage.jsonl");
    LlmClient client =
        LlmClient.fromEnv(
            variables("OLLAMA_PRIMARY_URL=http://localhost", "OFFMETER_USAGELOG=" + file));
    assertThat(client.meter().usageLog()).isPresent();
    client.close();

    assertThat(wrong("OFFMETER_USAGELOG=" + folder))
        .hasMessage("OFFMETER_USAGELOG must name a file that can be written, was '" + folder + "'");
    assertThat(wrong("OFFMETER_USAGELOG=/nowhere/usage.jsonl"))
        .hasMessage(
            "OFFMETER_USAGELOG must name a file that can be written, was '/nowhere/usage.jsonl'");
    assertThat(wrong("OFFMETER_USAGELOG=")).hasMessageContaining("OFFMETER_USAGELOG must not be");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "TYPE=ollama",
        "TIMEOUT=1ms",
        "TIMEOUT=24h",
        "CLEARTEXT=True",
        "CONCURRENCY=1",
        "CONCURRENCY=2147483647",
        "RPM=1",
        "RPM=100000",
        "RETRIES=0",
        "RETRIES=10",
        "LOCALITY=self_hosted",
        "LOCALITY=SELF-HOSTED",
        "LOCALITY=Managed"
      })
  void aRightValueIsTaken(String assignment) {
    Locale before = Locale.getDefault();
    Locale.setDefault(Locale.forLanguageTag("tr"));
    try {
      assertThat(
              endpoints(
                  "OFFMETER_ENDPOINTS_0_URL=http://localhost:1",
                  "OFFMETER_ENDPOINTS_0_" + assignment))
          .hasSize(1);
      assertThat(endpoints()).singleElement().asString().startsWith("Endpoint[primary,");
    } finally {
      Locale.setDefault(before);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"soon", "0s", "-PT1S", "PT0.0009S", "25h", "P2D"})
  void aWrongDeadlineIsNamedWithItsVariable(String value) {
    assertThat(wrong("OFFMETER_DEADLINE=" + value))
        .hasMessageStartingWith("OFFMETER_DEADLINE must be ")
        .hasMessageContaining("'" + value + "'");
  }

  @Test
  void aFirstTokenLimitFitsIntoTheTimeout() {
    String url = "OFFMETER_ENDPOINTS_0_URL=http://localhost:1";
    String timeout = "OFFMETER_ENDPOINTS_0_TIMEOUT=15s";

    assertThat(contradictory(url, timeout, "OFFMETER_ENDPOINTS_0_FIRSTTOKEN=16s"))
        .hasMessageStartingWith("OFFMETER_ENDPOINTS_0_")
        .hasMessageContaining("PT15S")
        .hasMessageContaining("PT16S");
    assertThat(endpoints(url, timeout, "OFFMETER_ENDPOINTS_0_FIRSTTOKEN=15s")).hasSize(1);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "localhost:11434",
        "llm.example.org",
        "ftp://llm.example.org",
        "/relative",
        "http://",
        "http://host:99999",
        "http://host:port",
        "http://ho st",
        "http://host/?key=hunter2",
        "http://host/#hunter2",
        "host?hunter2",
        "host#hunter2",
        "http://user:hunter2@host",
        "http://hunter2@host:11434",
        "https://user:hu@hunter2@host/x",
        "https://user:hunter2/x@host/x",
        "https://user:a/b@hunter2@host/x",
        "user:hunter2@host:11434",
        "htp://user:hunter2@host",
        "http://user:hunter2@host:port",
        "http:user:hunter2@host",
        "http:\\\\user:hunter2@host",
        "http://host:11434/api/chat",
        "http://host:11434/api",
        "http://host:11434/api/generate",
        "http://host:11434/v1/chat/completions",
        "http://http://host:11434",
        "\"http://host:11434\"",
        "http://host:11434\r",
        " http://host:11434",
        "http://${HOST}:11434",
        "http://user:${hunter2}@host",
        "http://host:11434/api/chat/",
        "https://host/v1",
        "https://host/v1/"
      })
  void aWrongUrlIsNamedWithItsVariableButItsSecretsAreNot(String url) {
    assertThat(wrong("OLLAMA_PRIMARY_URL=" + url))
        .hasMessageStartingWith("OLLAMA_PRIMARY_URL")
        .hasMessageContaining("must ")
        .hasMessageContaining("was '");
    assertThat(wrong("OFFMETER_ENDPOINTS_0_URL=" + url))
        .hasMessageStartingWith("OFFMETER_ENDPOINTS_0_URL");
  }

  @ParameterizedTest
  @ValueSource(strings = {"KEY=hunter2", "ACCESS_ID=hunter2"})
  void aCredentialDoesNotGoInTheClearToAnotherMachine(String credential) {
    String name = "OLLAMA_PRIMARY_" + credential;
    String secret = "OLLAMA_PRIMARY_ACCESS_SECRET=" + SECRET;
    String[] hosts = {
      "http://192.0.2.7:11434",
      "http://localhost.example.org",
      "http://evil-localhost",
      "http://0.0.0.0:11434",
      "http://[fe80::1]:11434",
      "http://128.0.0.1",
      "http://127.0.0.1.example.org"
    };
    boolean pair = credential.startsWith("ACCESS");
    for (String host : hosts) {
      String url = "OLLAMA_PRIMARY_URL=" + host;
      Map<String, String> variables = variables(url, name);
      if (pair) {
        variables.putAll(variables(secret));
      }

      assertThat(rejected(IllegalStateException.class, variables))
          .hasMessageStartingWith("OLLAMA_PRIMARY_")
          .hasMessageContaining("https");

      variables.put("OLLAMA_PRIMARY_CLEARTEXT", "false");
      rejected(IllegalStateException.class, variables);
      variables.put("OLLAMA_PRIMARY_CLEARTEXT", "true");
      assertThat(read(variables).endpoints()).hasSize(1);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"OLLAMA_PRIMARY_", "OFFMETER_ENDPOINTS_0_"})
  void clearTextIsAllowedByTheVariableThatIsNamed(String prefix) {
    String url = prefix + "URL=http://192.0.2.7:11434";
    String key = prefix + "KEY=" + SECRET;

    assertThat(contradictory(url, key))
        .hasMessageContaining(prefix + "CLEARTEXT=true overrides")
        .hasMessageNotContaining("allowClearTextCredentials");
    assertThat(endpoints(url, key, prefix + "CLEARTEXT=true")).hasSize(1);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "https://llm.example.org",
        "http://localhost:11434",
        "http://LOCALHOST",
        "http://node.localhost",
        "http://127.0.0.1:11434",
        "http://127.8.9.1",
        "http://[::1]:11434",
        "http://[0:0:0:0:0:0:0:1]"
      })
  void aCredentialMayGoOverTlsOrToThisMachine(String url) {
    assertThat(endpoints("OLLAMA_PRIMARY_URL=" + url, "OLLAMA_PRIMARY_KEY=k")).hasSize(1);
  }

  @Test
  void withoutACredentialClearTextIsFine() {
    assertThat(endpoints("OLLAMA_PRIMARY_URL=http://192.0.2.7:11434")).hasSize(1);
  }

  @Test
  void noCredentialIsEverShown() {
    Environment environment =
        read(
            variables(
                "OLLAMA_PRIMARY_URL=https://h",
                "OLLAMA_PRIMARY_KEY=" + SECRET,
                "OLLAMA_PRIMARY_ACCESS_ID=" + SECRET,
                "OLLAMA_PRIMARY_ACCESS_SECRET=" + SECRET));

    assertThat(environment.endpoints().toString()).doesNotContain(SECRET);
    assertThat(environment.toString()).doesNotContain(SECRET);
  }

  @Test
  void whatCannotBeChangedFromOutsideIsNot() {
    Environment environment = read(Map.of());

    assertThat(catchThrowable(() -> environment.endpoints().clear()))
        .isInstanceOf(UnsupportedOperationException.class);
  }

  @Test
  void aClientTakesEndpointsAndOrder() {
    try (LlmClient client =
        LlmClient.fromEnv(variables("OLLAMA_FALLBACK_URL=http://localhost:1"))) {
      assertThat(client)
          .hasToString(
              "LlmClient[Endpoint[primary, qwen3:8b at http://localhost:11434/],"
                  + " Endpoint[fallback, qwen3:8b at http://localhost:1/]]");
    }
  }

  @Test
  void aModelIsKeptWarmAndACallQueuedByVariable() {
    assertThatCode(
            () ->
                endpoints(
                    "OFFMETER_ENDPOINTS_0_URL=http://localhost:1",
                    "OFFMETER_ENDPOINTS_0_KEEPWARM=true",
                    "OFFMETER_ENDPOINTS_0_CONCURRENCY=1",
                    "OFFMETER_ENDPOINTS_0_MAXWAIT=2s"))
        .doesNotThrowAnyException();
    assertThatCode(() -> endpoints("OLLAMA_PRIMARY_KEEP_WARM=true")).doesNotThrowAnyException();
    assertThat(
            rejected(
                IllegalStateException.class,
                variables("OLLAMA_PRIMARY_KEEP_WARM=true", "OLLAMA_PRIMARY_MODEL=m:cloud")))
        .hasMessage(
            "OLLAMA_PRIMARY_*: endpoint 'primary' must not have keepWarm: it is managed, where no"
                + " model is loaded");
    assertThatCode(
            () -> endpoints("OLLAMA_PRIMARY_KEEP_WARM=false", "OLLAMA_PRIMARY_MODEL=m:cloud"))
        .doesNotThrowAnyException();
    assertThat(wrong("OLLAMA_PRIMARY_KEEP_WARM=yes"))
        .hasMessage("OLLAMA_PRIMARY_KEEP_WARM must be true or false, was 'yes'");
    assertThat(
            rejected(
                IllegalStateException.class,
                variables(
                    "OFFMETER_ENDPOINTS_0_URL=http://localhost:1",
                    "OFFMETER_ENDPOINTS_0_MAXWAIT=2s")))
        .hasMessageContaining("must have a maxConcurrent to have a maxWait");
    assertThat(
            rejected(
                IllegalStateException.class,
                variables(
                    "OFFMETER_ENDPOINTS_0_URL=http://localhost:1",
                    "OFFMETER_ENDPOINTS_0_MODEL=m",
                    "OFFMETER_ENDPOINTS_0_TYPE=vllm",
                    "OFFMETER_ENDPOINTS_0_KEEPWARM=true")))
        .hasMessageContaining("only Ollama's native API knows them");
  }

  @Test
  void unloadingAWedgedModelIsAllowedByVariable() {
    assertThatCode(
            () ->
                endpoints(
                    "OLLAMA_FALLBACK_URL=http://localhost:1",
                    "OLLAMA_FALLBACK_UNLOAD_WHEN_WEDGED=true"))
        .doesNotThrowAnyException();
    assertThat(wrong("OLLAMA_PRIMARY_UNLOAD_WHEN_WEDGED=yes"))
        .hasMessage("OLLAMA_PRIMARY_UNLOAD_WHEN_WEDGED must be true or false, was 'yes'");
    assertThat(
            rejected(
                IllegalStateException.class,
                variables(
                    "OLLAMA_PRIMARY_UNLOAD_WHEN_WEDGED=true", "OLLAMA_PRIMARY_MODEL=m:cloud")))
        .hasMessage(
            "OLLAMA_PRIMARY_*: endpoint 'primary' must not have unloadWhenWedged: it is managed,"
                + " where no model is loaded");
    assertThat(
            rejected(
                IllegalStateException.class,
                variables(
                    "OFFMETER_ENDPOINTS_0_URL=http://localhost:1",
                    "OFFMETER_ENDPOINTS_0_MODEL=m",
                    "OFFMETER_ENDPOINTS_0_TYPE=vllm",
                    "OFFMETER_ENDPOINTS_0_UNLOADWHENWEDGED=true")))
        .hasMessageContaining("only Ollama's native API can unload a model");
  }

  @Test
  void hedgingIsSwitchedOnByVariable() {
    assertThat(read(variables("OFFMETER_HEDGE_AFTER=4s")).hedgeAfter())
        .contains(Duration.ofSeconds(4));
    assertThat(read(variables()).hedgeAfter()).isEmpty();
    assertThat(wrong("OFFMETER_HEDGE_AFTER=soon")).hasMessageContaining("OFFMETER_HEDGE_AFTER");
  }

  static Stream<Arguments> slips() {
    Map<String, String> right =
        Map.of(
            "OLLAMA_MODEL", "qwen3:8b",
            "OLLAMA_PRIMARY_MODEL", "qwen3:8b",
            "OLLAMA_PRIMARY_TIMEOUT", "15s",
            "OLLAMA_PRIMARY_KEEP_WARM", "true",
            "OFFMETER_ENDPOINTS_0_NAME", "attic",
            "OFFMETER_ENDPOINTS_0_TYPE", "ollama",
            "OFFMETER_ENDPOINTS_0_MODEL", "qwen3:8b",
            "OFFMETER_ENDPOINTS_0_RETRIES", "1",
            "OFFMETER_ENDPOINTS_0_LOCALITY", "managed",
            "OFFMETER_DEADLINE", "15s");
    return right.entrySet().stream()
        .flatMap(
            entry ->
                Stream.of("\"%s\"", "'%s'", "%s\r", "%s\n", " %s", "%s ", "${X}", "$X", "<%s>")
                    .map(slip -> arguments(entry.getKey(), slip.formatted(entry.getValue()))));
  }

  @ParameterizedTest
  @MethodSource("slips")
  void aMistakeOfAShellOrATemplateIsNamedWithItsVariableRuleAndValue(String name, String value) {
    Map<String, String> variables = new HashMap<>();
    if (name.startsWith("OFFMETER_ENDPOINTS_")) {
      variables.put("OFFMETER_ENDPOINTS_0_URL", "http://localhost:1");
    }
    variables.put(name, value);

    assertThat(rejected(IllegalArgumentException.class, variables))
        .hasMessageStartingWith(name)
        .hasMessageContaining("must ")
        .hasMessageContaining(", was '" + value.replace("\r", "\\r").replace("\n", "\\n") + "'");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "\"hunter2\"",
        "'hunter2'",
        " hunter2",
        "hunter2\r",
        "Bearer hunter2",
        "Authorization: Bearer hunter2",
        "${hunter2}",
        "$hunter2",
        "{{ hunter2 }}",
        "<your-hunter2-key>",
        "your-api-key",
        "YOUR_API_KEY_HERE",
        "changeme",
        "change-me",
        "replace_this",
        "sk-xxxx",
        "sk-...",
        "***",
        "TODO"
      })
  void aKeyThatIsNoneIsNamedButNotShown(String value) {
    for (String name : List.of("OLLAMA_PRIMARY_KEY", "OFFMETER_ENDPOINTS_0_KEY")) {
      String url = name.replace("KEY", "URL=http://localhost:1");
      assertThat(wrong(url, name + "=" + value))
          .hasMessageStartingWith(name)
          .hasMessageContaining("must ")
          .hasMessageContaining("was ***");
    }
    assertThat(wrong("OLLAMA_PRIMARY_ACCESS_ID=i", "OLLAMA_PRIMARY_ACCESS_SECRET=" + value))
        .hasMessageContaining("OLLAMA_PRIMARY_ACCESS_SECRET")
        .hasMessageContaining("was ***");
  }
}
