// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Bad input gets an error with field, rule and value, before any socket opens. */
class BadInputTest {
  private static Endpoint.Builder endpoint() {
    return Endpoint.ollama("mac", "https://llm.example.com").model("m");
  }

  private static void rejectsValue(ThrowingCallable call, String... parts) {
    assertThatThrownBy(call).isInstanceOf(IllegalArgumentException.class).message().contains(parts);
  }

  private static void rejectsCombination(ThrowingCallable call, String... parts) {
    assertThatThrownBy(call).isInstanceOf(IllegalStateException.class).message().contains(parts);
  }

  @Test
  void rejectsAClientWithoutEndpoints() {
    rejectsCombination(() -> LlmClient.builder().build(), "endpoints", "must not be empty");
  }

  @Test
  void rejectsTwoEndpointsOfOneName() {
    rejectsCombination(
        () -> LlmClient.builder().endpoint(endpoint().build()).endpoint(endpoint().build()).build(),
        "endpoint 'mac' is configured twice");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        " ",
        "/api",
        "llm.example.com",
        "localhost:11434",
        "ftp://host",
        "file:///x",
        "http://",
        "https://host?x=1",
        "https://host#top",
        "http://localhost:11434/v1",
        "http://localhost:11434/v1/",
        "http://localhost:11434/api/chat",
        "http://localhost:11434/api",
        "http://localhost:11434/api/",
        "http://localhost:11434/llm/api//",
        "http://localhost:11434/api/generate",
        "http://localhost:11434/api/tags",
        "http://localhost:11434/v1/chat/completions",
        "http://localhost:11434/v1/models/",
        "http://http://localhost:11434",
        "https://http://localhost:11434",
        "https://https//localhost",
        "http://https:/localhost",
        "http://a:11434,http://b:11434",
        "http:/localhost:11434",
        "http:///localhost:11434",
        "http://a,b:11434",
        "http://<host>:11434",
        "http://$HOST:11434",
        "http://${HOST}:11434",
        "http://localhost:11434/${PREFIX}",
        "http://{{ host }}",
        "${URL}",
        "$URL",
        "%URL%",
        "os.environ/URL",
        "\"http://localhost:11434\"",
        "'http://localhost:11434'",
        "http://localhost:11434\"",
        " http://localhost:11434",
        "http://localhost:11434 ",
        "http://localhost:11434\r",
        "http://localhost:11434\n",
        "\ufeffhttp://localhost:11434"
      })
  void rejectsAnAddressThatIsNoServersRoot(String url) {
    rejectsValue(
        () -> Endpoint.ollama("mac", url).model("m").build(), "endpoint 'mac'", "baseUrl", "was '");
  }

  @Test
  void rejectsThePathOfACallOfEveryProtocol() {
    List<Endpoint.Builder> calls =
        List.of(
            Endpoint.openAi("e", "http://localhost:8080/v1/chat/completions"),
            Endpoint.openAi("e", "http://localhost:8080/chat/completions"),
            Endpoint.openAi("e", "http://localhost:8080/v1/completions"),
            Endpoint.openAi("e", "http://localhost:8080/v1/models"),
            Endpoint.openAi("e", "http://localhost:11434/api/chat"),
            Endpoint.gemini("e", "https://example.org/v1beta/models"),
            Endpoint.gemini("e", "https://example.org/v1beta/models/m:generateContent"),
            Endpoint.anthropic("e", "https://example.org/v1/messages"),
            Endpoint.anthropic("e", "https://example.org/v1/models"));
    for (Endpoint.Builder call : calls) {
      rejectsValue(
          () -> call.model("m").build(), "endpoint 'e': baseUrl must be the server's root");
    }
    assertThatThrownBy(() -> Endpoint.ollama("e", "http://localhost:1/v1").model("m").build())
        .as("only an OpenAI-compatible server has a path that can be set")
        .hasMessage(
            "endpoint 'e': baseUrl must be the server's root, without the path of a call, was"
                + " 'http://localhost:1/v1'");
    for (String root : List.of("https://example.org/api/v1", "https://h/v1", "https://h/models")) {
      assertThat(Endpoint.openAi("e", root).model("m").build()).isNotNull();
    }
  }

  static List<String> slips() {
    return List.of(
        "\"x\"",
        "'x'",
        "`x`",
        "\u201cx\u201d",
        "x\"",
        " x",
        "x ",
        "x\u00a0",
        "x\r",
        "x\n",
        "\ufeffx",
        "\u200bx",
        "${X}",
        "${X:-y}",
        "a${X}",
        "$X",
        "$(x)",
        "{{ x }}",
        "<x>",
        "%X%",
        "@x@",
        "#{x}",
        "os.environ/X");
  }

  @ParameterizedTest
  @MethodSource("slips")
  void rejectsWhatAShellOrATemplateLeftInAName(String slip) {
    rejectsValue(() -> endpoint().model(slip), "model must not", "was '");
    rejectsValue(() -> Endpoint.local(slip, request -> "x"), "name must not", "was '");
    assertThatThrownBy(() -> endpoint().model(slip)).hasMessageNotContainingAny("\r", "\n");
  }

  @ParameterizedTest
  @MethodSource("slips")
  void rejectsWhatAShellOrATemplateLeftInACredentialAndShowsNone(String slip) {
    String secret = slip.replaceFirst("[xX]", "hunter2");
    List<ThrowingCallable> calls =
        List.of(
            () -> endpoint().apiKey(secret),
            () -> endpoint().cloudflareAccess(secret, "s"),
            () -> endpoint().cloudflareAccess("i", secret));
    for (ThrowingCallable call : calls) {
      assertThatThrownBy(call)
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContainingAll("must ", "***")
          .hasMessageNotContaining("hunter2");
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "Bearer hunter2",
        "bearer hunter2",
        "Authorization: Bearer hunter2",
        "Authorization:hunter2",
        "x-api-key: hunter2",
        "CF-Access-Client-Secret: hunter2",
        "Basic hunter2",
        "hun hunter2"
      })
  void rejectsACredentialThatIsMoreThanTheValue(String credential) {
    assertThatThrownBy(() -> endpoint().apiKey(credential))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageMatching("apiKey must .*, was \\*\\*\\*");
    assertThatThrownBy(() -> endpoint().cloudflareAccess("i", credential))
        .hasMessageMatching("clientSecret must .*, was \\*\\*\\*");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"sk-1234", "a$b", "p@ss:word", "AIza-_09", "tokens", "id:secret", "x=y==", "<a"})
  void acceptsWhatOnlyLooksLikeAMistake(String credential) {
    assertThat(endpoint().apiKey(credential).build()).isNotNull();
    assertThat(endpoint().model("hf.co/org/Model-GGUF:Q4_K_M").build()).isNotNull();
    assertThat(endpoint().model("my model (v2)").build()).isNotNull();
  }

  @ParameterizedTest
  @ValueSource(strings = {"http://user@host", "https://user:secret@host", "http://:secret@host"})
  void rejectsUserInfoAndMasksIt(String url) {
    assertThatThrownBy(() -> Endpoint.ollama("mac", url).model("m").build())
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("user-info")
        .hasMessageNotContaining("secret");
  }

  @ParameterizedTest
  @ValueSource(strings = {"http://localhost:11434", "https://host/", "http://[::1]:11434/ollama/"})
  void acceptsAServersRootWithOrWithoutAPrefix(String url) {
    assertThat(Endpoint.ollama("mac", url).model("m").build().name()).isEqualTo("mac");
  }

  static List<Function<Duration, Object>> everyClock() {
    return List.of(
        d -> endpoint().timeout(d),
        d -> endpoint().connectTimeout(d),
        d -> endpoint().firstTokenTimeout(d),
        d -> endpoint().stallTimeout(d),
        d -> endpoint().streamTimeout(d),
        d -> endpoint().minimumRate(1, d),
        d -> ChatRequest.builder().deadline(d),
        d -> LlmClient.builder().deadline(d));
  }

  @Test
  void rejectsDurationsThatAreZeroOrNegativeOrLongerThanADay() {
    List<Duration> wrong =
        List.of(Duration.ZERO, Duration.ofSeconds(-1), Duration.ofNanos(1), Duration.ofDays(2));
    for (Function<Duration, Object> clock : everyClock()) {
      for (Duration duration : wrong) {
        rejectsValue(() -> clock.apply(duration), "must be from 1 ms to 24 h", duration.toString());
      }
      assertThat(clock.apply(Duration.ofMillis(1))).isNotNull();
      assertThat(clock.apply(Duration.ofHours(24))).isNotNull();
    }
  }

  @ParameterizedTest
  @ValueSource(doubles = {0, -1, Double.NaN, Double.POSITIVE_INFINITY})
  void rejectsARateThatIsNoRate(double rate) {
    rejectsValue(
        () -> endpoint().minimumRate(rate, Duration.ofSeconds(1)),
        "minimumRate must be a finite number of more than 0, was " + rate);
    rejectsValue(() -> StreamRecovery.hold((int) Math.min(0, rate)), "pieces must be at least 1");
  }

  @Test
  void rejectsAFirstTokenLimitBeyondTheAttempts() {
    rejectsCombination(
        () ->
            endpoint()
                .timeout(Duration.ofSeconds(5))
                .firstTokenTimeout(Duration.ofSeconds(6))
                .build(),
        "firstTokenTimeout",
        "PT5S",
        "PT6S");
  }

  @Test
  void rejectsAFirstTokenLimitBeyondTheDefaultOfItsPlace() {
    Endpoint first = endpoint().firstTokenTimeout(Duration.ofSeconds(30)).build();
    Endpoint second = Endpoint.local("template", request -> "x").build();

    rejectsCombination(
        () -> LlmClient.builder().endpoint(first).endpoint(second).build(),
        "endpoint 'mac'",
        "firstTokenTimeout",
        "PT15S",
        "PT30S");
    LlmClient.builder().endpoint(second).endpoint(first).build().close();
  }

  @Test
  void rejectsAKeepAliveThatOllamaWouldRoundToNothing() {
    rejectsValue(() -> endpoint().keepAlive(Duration.ofMillis(500)), "keepAlive", "PT0.5S");
    assertThat(endpoint().keepAlive(Duration.ofSeconds(-1)).build()).isNotNull();
    assertThat(endpoint().keepAlive(Duration.ZERO).build()).isNotNull();
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 4, 9})
  void rejectsAKeepAliveThatIsOverBeforeTheModelIsAskedForAgain(int seconds) {
    Endpoint.Builder builder = endpoint().keepAlive(Duration.ofSeconds(seconds));

    assertThat(builder.build()).isNotNull();
    rejectsCombination(
        () -> builder.keepWarm(true).build(),
        "endpoint 'mac' must have a keepAlive of at least 10 s to have keepWarm, which asks for the"
            + " model every 5 s at most, was PT"
            + seconds
            + "S");
    assertThat(builder.keepAlive(Duration.ofSeconds(10)).build()).isNotNull();
    assertThat(builder.keepAlive(Duration.ofSeconds(-1)).build()).isNotNull();
  }

  @Test
  void rejectsKeepWarmWhereNoModelIsLoaded() {
    List<Endpoint.Builder> managed =
        List.of(
            Endpoint.ollama("mac", "https://ollama.com").model("m"),
            endpoint().model("gpt-oss:120b-cloud"),
            endpoint().locality(Locality.MANAGED));
    for (Endpoint.Builder builder : managed) {
      assertThat(builder.keepAlive(Duration.ofMinutes(5)).build()).isNotNull();
      rejectsCombination(
          () -> builder.keepWarm(true).build(),
          "endpoint 'mac' must not have keepWarm: it is managed, where no model is loaded");
    }
    assertThat(endpoint().keepWarm(true).build()).isNotNull();
    assertThat(
            endpoint()
                .model("m:cloud")
                .locality(Locality.SELF_HOSTED)
                .keepWarm(true)
                .build()
                .locality())
        .isEqualTo(Locality.SELF_HOSTED);
  }

  @ParameterizedTest
  @CsvSource({
    "http://192.168.1.20:11434, false",
    "http://mac-mini.local:11434, false",
    "http://llm.example.com, false",
    "http://127.0.0.1.example.com, false",
    "http://localhost.example.com, false",
    "http://localhost:11434, true",
    "http://ollama.localhost:11434, true",
    "http://127.0.0.1:11434, true",
    "http://127.8.8.8:11434, true",
    "http://[::1]:11434, true",
    "https://llm.example.com, true"
  })
  void credentialsTravelInClearTextOnThisMachineOnly(String url, boolean allowed) {
    List<Endpoint.Builder> credentials =
        List.of(
            Endpoint.ollama("mac", url).model("m").apiKey("k"),
            Endpoint.ollama("mac", url).model("m").apiKey(() -> "k"),
            Endpoint.ollama("mac", url).model("m").cloudflareAccess("id", "secret"),
            Endpoint.ollama("mac", url).model("m").header("X-Api-Key", "k"),
            Endpoint.ollama("mac", url).model("m").header("X-Anything", () -> "k"));
    for (Endpoint.Builder builder : credentials) {
      if (allowed) {
        assertThat(builder.build()).isNotNull();
      } else {
        rejectsCombination(builder::build, "endpoint 'mac'", "https", "allowClearTextCredentials");
        assertThat(builder.allowClearTextCredentials(true).build()).isNotNull();
      }
    }
    assertThat(Endpoint.ollama("mac", url).model("m").header("X-Team", "billing").build())
        .isNotNull();
  }

  @Test
  void rejectsCredentialsThatNoHeaderCanHold() {
    rejectsValue(() -> endpoint().apiKey(" "), "apiKey", "must not be blank");
    rejectsValue(() -> endpoint().apiKey("key\n"), "apiKey", "printable ASCII", "position 3");
    rejectsValue(() -> endpoint().cloudflareAccess("id", ""), "clientSecret", "must not be blank");
    rejectsValue(() -> endpoint().cloudflareAccess("", "secret"), "clientId", "must not be blank");
    rejectsValue(() -> endpoint().header("Bad Name", "x"), "header name", "'Bad Name'");
    rejectsValue(() -> endpoint().header("Content-Length", "1"), "header name", "Content-Length");
  }

  @Test
  void rejectsAKeyBesideAHeaderOfTheSameName() {
    List<Endpoint.Builder> both =
        List.of(
            endpoint().apiKey("k").header("Authorization", "Basic k"),
            endpoint().header("authorization", "Basic k").apiKey("k"),
            endpoint().apiKey(() -> "k").header("AUTHORIZATION", () -> "Basic k"),
            endpoint().apiKey("k").build().toBuilder().header("Authorization", "Basic k"));
    for (Endpoint.Builder builder : both) {
      rejectsCombination(builder::build, "endpoint 'mac'", "apiKey", "header Authorization");
    }
  }

  @Test
  void aKeyOrHeaderThatIsSetAgainIsReplaced() {
    assertThat(headers(endpoint().apiKey("old").apiKey("new")))
        .containsExactly("Authorization: Bearer new");
    assertThat(headers(endpoint().apiKey(() -> "old").apiKey("new")))
        .containsExactly("Authorization: Bearer new");
    assertThat(headers(endpoint().header("Authorization", "old").header("authorization", "new")))
        .containsExactly("authorization: new");
    assertThat(headers(endpoint().cloudflareAccess("a", "b").cloudflareAccess("c", "d")))
        .containsExactly("CF-Access-Client-Id: c", "CF-Access-Client-Secret: d");
  }

  private static List<String> headers(Endpoint.Builder builder) {
    return builder.build().toConfig(false).headers().stream()
        .map(header -> header.name() + ": " + header.prefix() + header.fixedValue())
        .toList();
  }

  @Test
  void rejectsHalfAnAccessPair() {
    rejectsCombination(
        () -> endpoint().header("CF-Access-Client-Id", "i").build(),
        "endpoint 'mac'",
        "CF-Access-Client-Secret is missing");
    rejectsCombination(
        () -> endpoint().header("cf-access-client-secret", () -> "s").build(),
        "endpoint 'mac'",
        "CF-Access-Client-Id is missing");
    assertThat(
            endpoint()
                .header("cf-access-client-id", "i")
                .header("CF-Access-Client-Secret", () -> "s")
                .build())
        .isNotNull();
  }

  @Test
  void rejectsCountsOutOfRange() {
    rejectsValue(() -> endpoint().maxConcurrent(0), "maxConcurrent", "at least 1", "0");
    rejectsValue(() -> endpoint().retries(-1), "retries", "from 0 to 10", "-1");
    rejectsValue(() -> endpoint().retries(11), "retries", "from 0 to 10", "11");
    rejectsValue(() -> endpoint().maxLineBytes(10), "maxLineBytes", "at least 1024", "10");
    rejectsValue(() -> endpoint().maxAnswerBytes(10), "maxAnswerBytes", "at least 1024", "10");
    rejectsValue(() -> ChatRequest.builder().maxTokens(0), "maxTokens", "at least 1", "0");
    rejectsValue(() -> ChatRequest.builder().maxTokens(-1), "maxTokens", "at least 1", "-1");
  }

  @Test
  void rejectsNamesAndModelsThatAreBlank() {
    rejectsValue(() -> Endpoint.ollama(" ", "https://host"), "name", "must not be blank");
    rejectsValue(() -> endpoint().model(""), "model", "must not be blank");
    rejectsCombination(() -> Endpoint.ollama("mac", "https://host").build(), "mac", "model");
  }

  @Test
  void rejectsOptionsThatAreNotPlain() {
    rejectsValue(() -> endpoint().option("num_predict", 5), "num_predict", "ChatRequest.maxTokens");
    rejectsValue(() -> endpoint().option("x", new Object()), "option x", "java.lang.Object");
    rejectsValue(() -> endpoint().option("x", Double.NaN), "option x");
    rejectsValue(() -> endpoint().option("x", List.of(List.of())), "option x");
    assertThat(endpoint().option("num_ctx", 8192).option("stop", List.of("a")).build()).isNotNull();
  }

  @ParameterizedTest
  @ValueSource(doubles = {Double.NaN, Double.POSITIVE_INFINITY, -0.1})
  void rejectsATemperatureThatIsNone(double temperature) {
    rejectsValue(
        () -> ChatRequest.builder().temperature(temperature), "temperature", "" + temperature);
  }

  @ParameterizedTest
  @ValueSource(doubles = {Double.NaN, -0.1, 1.1})
  void rejectsATopPThatIsNone(double topP) {
    rejectsValue(() -> ChatRequest.builder().topP(topP), "topP", "" + topP);
  }

  @Test
  void rejectsConversationsThatAskNothing() {
    rejectsCombination(() -> ChatRequest.builder().build(), "messages", "must not be empty");
    rejectsCombination(
        () -> ChatRequest.builder().system("be kind").build(), "last message", "USER", "SYSTEM");
    rejectsCombination(
        () -> ChatRequest.builder().user("hi").assistant("hello").build(), "USER", "ASSISTANT");
    rejectsValue(() -> ChatRequest.builder().user(" "), "message content", "must not be blank");
  }

  @Test
  void rejectsAnEmptyStopTextByItsPlaceAndShowsNone() {
    assertThatThrownBy(() -> ChatRequest.builder().stop("Dear Zoë", ""))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("stop[1] must not be empty");
    rejectsValue(() -> ChatRequest.builder().stop(""), "stop[0] must not be empty");
    assertThat(ChatRequest.builder().user("hi").stop("Dear Zoë", " ").build().stop()).hasSize(2);
  }

  @Test
  void buildersThatGoOnDoNotAlterWhatTheyBuilt() {
    ChatRequest.Builder request = ChatRequest.builder().user("one").tag("a", "b");
    ChatRequest built = request.build();
    request.user("two").tag("c", "d").maxTokens(5);
    assertThat(built.messages()).hasSize(1);
    assertThat(built.tags()).hasSize(1);
    assertThat(built.maxTokens()).isEqualTo(1024);

    Endpoint.Builder endpoint = endpoint();
    Endpoint mac = endpoint.build();
    endpoint.model("other");
    assertThat(mac.model()).isEqualTo("m");
  }

  @Test
  void aCopyEqualsWhatItWasMadeFrom() {
    ChatRequest request =
        ChatRequest.builder()
            .system("s")
            .user("u")
            .maxTokens(7)
            .temperature(0.5)
            .topP(0.9)
            .seed(42)
            .stop("END")
            .thinking(true)
            .deadline(Duration.ofSeconds(9))
            .tag("k", "v")
            .onBrokenStream(StreamRecovery.hold(3))
            .tool("t", "what it does", "{}")
            .build();
    assertThat(request.toBuilder().build()).usingRecursiveComparison().isEqualTo(request);

    Endpoint endpoint =
        endpoint()
            .timeout(Duration.ofSeconds(9))
            .connectTimeout(Duration.ofSeconds(1))
            .firstTokenTimeout(Duration.ofSeconds(8))
            .stallTimeout(Duration.ofSeconds(2))
            .streamTimeout(Duration.ofSeconds(90))
            .minimumRate(2, Duration.ofSeconds(5))
            .apiKey("k")
            .maxConcurrent(3)
            .retries(2)
            .option("num_ctx", 8192)
            .keepAlive(Duration.ofSeconds(-1))
            .locality(Locality.MANAGED)
            .maxLineBytes(4096)
            .maxAnswerBytes(8192)
            .build();
    assertThat(endpoint.toBuilder().build()).usingRecursiveComparison().isEqualTo(endpoint);

    ChatResponse response =
        ChatResponse.builder()
            .text("t")
            .thinking("h")
            .endpoint("e")
            .model("m")
            .usage(new Usage(1, 2))
            .finishReason(FinishReason.LENGTH)
            .toolCalls(List.of(new ChatResponse.ToolCall("", "t", "{}")))
            .attempts(
                List.of(
                    Attempt.builder("e")
                        .origin("https://llm.example.org")
                        .model("m")
                        .failure(FailureKind.CIRCUIT_OPEN)
                        .openedBy(FailureKind.STALLED)
                        .status(200)
                        .elapsed(Duration.ofSeconds(1))
                        .message("x")
                        .build()))
            .elapsed(Duration.ofSeconds(3))
            .timeToFirstToken(Duration.ofSeconds(1))
            .build();
    assertThat(response.toBuilder().build()).usingRecursiveComparison().isEqualTo(response);
    Attempt attempt = response.attempts().get(0);
    assertThat(attempt.toBuilder().build()).usingRecursiveComparison().isEqualTo(attempt);
  }

  @Test
  void aResponseWithoutTextIsNone() {
    rejectsCombination(() -> ChatResponse.builder().text(" ").build(), "text", "blank");
  }

  @Test
  void anOptionIsKeptAsItWasWhenItWasSet() {
    AtomicInteger number = new AtomicInteger(1);
    List<Object> list = new ArrayList<>(List.of(number));

    Object kept = OptionValues.checked("x", list);
    number.set(2);
    list.clear();

    assertThat(kept).hasToString("[1]");
  }
}
