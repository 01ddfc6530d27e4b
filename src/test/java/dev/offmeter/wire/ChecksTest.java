// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.wire;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.Dialect;
import dev.offmeter.FailureKind;
import dev.offmeter.wire.Vitals.Sign;
import java.io.IOException;
import java.time.Duration;
import java.util.Map;
import okhttp3.Headers;
import okhttp3.HttpUrl;
import okhttp3.Request;
import okio.Buffer;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What replies to health checks mean: those that real servers gave, and those of others. */
class ChecksTest {
  private static final HttpUrl URL = HttpUrl.get("http://localhost:11434");

  private static Checks ollama(String model, @Nullable Duration keepAlive) {
    return new OllamaChat(Heard.server(URL, model, Map.of("num_ctx", 4096), keepAlive, 1024, 1024))
        .checks();
  }

  private static Checks openAi(Dialect dialect) {
    return new OpenAiChat(
            new Api.Server(
                URL, "m", Map.of(), null, dialect, Api.Variant.STANDARD, 1024, 1024, false))
        .checks();
  }

  private static Sign sign(Check check, Recorded recorded) {
    return check.judge().apply(recorded.reply()).sign();
  }

  private static Vitals vitals(Check check, int status, String body) {
    return check.judge().apply(new Reply(status, Headers.of(), body));
  }

  private static String body(Request request) throws IOException {
    Buffer body = new Buffer();
    request.body().writeTo(body);
    return body.readUtf8();
  }

  @Test
  void ollamasVersionShowsThatItLives() {
    assertThat(sign(ollama("m", null).alive(), Recorded.read("0.32-version")))
        .isEqualTo(Sign.READY);
  }

  @ParameterizedTest
  @CsvSource({
    "tiny-slow, READY",
    "tiny-slow:latest, READY",
    "Tiny-Slow, READY",
    "tiny-slow:8b, COLD",
    "tiny, COLD",
    "library/tiny-slow, READY",
    "Library/tiny-slow:latest, READY",
    "registry.ollama.ai/library/tiny-slow, READY",
    "https://registry.ollama.ai/library/tiny-slow:latest, READY",
    "mine/tiny-slow, COLD",
    "registry.ollama.ai/tiny-slow, COLD",
    "hf.co/library/tiny-slow, COLD",
    "library/mine/tiny-slow, COLD"
  })
  void ollamasListShowsWhetherTheModelIsInMemory(String model, Sign sign) {
    assertThat(sign(ollama(model, null).resident(), Recorded.read("0.32-ps"))).isEqualTo(sign);
  }

  @ParameterizedTest
  @ValueSource(strings = {"mine/m:8b", "registry.ollama.ai/mine/m:8b"})
  void aNamespaceOfOnesOwnIsListed(String model) {
    Vitals vitals =
        vitals(ollama(model, null).resident(), 200, "{\"models\":[{\"name\":\"mine/m:8b\"}]}");

    assertThat(vitals.sign()).isEqualTo(Sign.READY);
  }

  @Test
  void anEmptyListIsAColdModelToo() {
    Vitals vitals = vitals(ollama("m", null).resident(), 200, "{\"models\":[]}");

    assertThat(vitals.sign()).isEqualTo(Sign.COLD);
    assertThat(vitals.failure().kind()).isEqualTo(FailureKind.MODEL_COLD);
  }

  @Test
  void aLoadThatOllamaHasDone() {
    assertThat(sign(ollama("m", null).load(), Recorded.read("0.32-generate-load")))
        .isEqualTo(Sign.READY);
  }

  @Test
  void aLoadHasNoPromptAndTheOptionsOfACall() throws IOException {
    Request load = ollama("m", Duration.ofMinutes(10)).load().request().get().build();

    assertThat(load.url()).hasToString("http://localhost:11434/api/generate");
    assertThat(body(load))
        .isEqualTo(
            "{\"model\":\"m\",\"prompt\":\"\",\"stream\":false,\"shift\":false,\"keep_alive\":600,"
                + "\"options\":{\"num_ctx\":4096}}");
  }

  @Test
  void aLoadThatFailsSaysWhy() {
    Vitals vitals = vitals(ollama("m", null).load(), 404, "{\"error\":\"model 'm' not found\"}");

    assertThat(vitals.sign()).isNotEqualTo(Sign.READY);
    assertThat(vitals.failure().kind()).isEqualTo(FailureKind.MODEL_NOT_FOUND);
  }

  /** As Ollama 0.33 words them. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "500 | option 'num_ctx' must be of type integer   | OPTION_REJECTED",
        "500 | option 'stop' must be of an array of strings | OPTION_REJECTED",
        "400 | invalid model name                          | MODEL_NOT_FOUND"
      })
  void aLoadIsRefusedForTheSameReasonsAsACall(int status, String words, FailureKind kind) {
    String body = "{\"error\":\"" + words.replace("'", "\\\"") + "\"}";

    assertThat(vitals(ollama("m", null).load(), status, body).failure().kind()).isEqualTo(kind);
  }

  @Test
  void aModelThatIsNotKeptIsNotLoadedBeforehand() {
    Checks checks = ollama("m", Duration.ZERO);

    assertThat(checks.alive()).isNotNull();
    assertThat(checks.load()).isNull();
    assertThat(checks.resident()).isNull();
  }

  @Test
  void llamaServerIsReadyOrLoading() {
    Check health = openAi(Dialect.LLAMA_SERVER).alive();

    assertThat(sign(health, Recorded.read("llama-server", "health"))).isEqualTo(Sign.READY);
    assertThat(sign(health, Recorded.read("llama-server", "loading"))).isEqualTo(Sign.NOT_READY);
  }

  @Test
  void aListOfModelsIsASignOfLife() {
    Check models = openAi(Dialect.GENERIC).alive();

    assertThat(sign(models, Recorded.read("llama-server", "models"))).isEqualTo(Sign.READY);
    assertThat(vitals(models, 200, "{\"object\":\"list\",\"data\":null}").sign())
        .isEqualTo(Sign.READY);
    assertThat(vitals(models, 200, "{\"error\":\"Unexpected endpoint\"}").sign())
        .isEqualTo(Sign.UNKNOWN);
  }

  /** A reply is read up to 64 KiB, and a list of models may be longer. */
  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "{\"object\":\"list\",\"data\":[{\"id\":\"one\",\"obj; READY",
        "{\"object\":\"list\",\"data\":[{\"id\":\"on; READY",
        "{\"object\":\"list\",\"data\":[; READY",
        "{\"models\":[{\"name\":\"\",\"data\":; READY",
        "{\"object\":\"list\",\"da; UNKNOWN",
        "{\"object\":{\"data\":[{\"id\":; UNKNOWN",
        "{\"object\":\"data; UNKNOWN",
        "[{\"data\":[]; UNKNOWN",
        "\"data\"; UNKNOWN",
        "<html>{\"data\":[]; UNKNOWN"
      })
  void aListOfModelsThatIsCutIsKnownByItsBeginning(String body, Sign sign) {
    assertThat(vitals(openAi(Dialect.GENERIC).alive(), 200, body).sign()).isEqualTo(sign);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "{\"models\":[{\"name\":\"a:latest\"},{\"name\":\"m:latest\",\"si; READY",
        "{\"models\":[{\"size\":1,\"details\":{\"name\":\"x\"},\"model\":\"m:latest\"; READY",
        "{\"models\":[{\"name\":\"a:latest\",\"families\":[\"m\"]},{\"na; UNKNOWN",
        "{\"models\":[{\"name\":\"a:latest\",\"details\":{\"name\":\"m; UNKNOWN",
        "{\"models\":[; UNKNOWN",
        "{\"models\":[{\"name\":\"a:latest\",\"details\":{\"model\":\"m\"}}]; COLD",
        "{\"models\":[{\"name\":null,\"model\":7}]}; COLD",
        "{\"models\":null}; COLD",
        "{\"error\":\"models\"}; UNKNOWN"
      })
  void aListThatIsCutDoesNotShowThatAModelIsNotInMemory(String body, Sign sign) {
    assertThat(vitals(ollama("m", null).resident(), 200, body).sign()).isEqualTo(sign);
  }

  @Test
  void anEmptyBodyOfVllmIsWell() {
    assertThat(vitals(openAi(Dialect.VLLM).alive(), 200, "").sign()).isEqualTo(Sign.READY);
    assertThat(vitals(openAi(Dialect.VLLM).alive(), 503, "").sign()).isEqualTo(Sign.NOT_READY);
  }

  @ParameterizedTest
  @CsvSource({
    "530, error code: 1033, DEAD",
    "502, bad gateway, DEAD",
    "521, '', DEAD",
    "504, '', DEAD",
    "524, '', DEAD",
    "503, '', NOT_READY",
    "500, '', NOT_READY",
    "401, '', REFUSED",
    "403, <html>login</html>, REFUSED",
    "403, '', REFUSED",
    "302, '', REFUSED",
    "404, 404 page not found, UNKNOWN",
    "405, '', UNKNOWN",
    "429, '', UNKNOWN",
    "200, <html>login</html>, UNKNOWN",
    "200, '', UNKNOWN",
    "204, '', UNKNOWN"
  })
  void everyOtherReplyHasItsMeaning(int status, String body, Sign sign) {
    assertThat(vitals(ollama("m", null).alive(), status, body).sign()).isEqualTo(sign);
  }

  @ParameterizedTest
  @ValueSource(strings = {"VLLM", "TGI", "LLAMA_SERVER", "LOCAL_AI"})
  void aLoginPageIsNoHealth(Dialect dialect) {
    assertThat(vitals(openAi(dialect).alive(), 200, "<!doctype html><title>Login").sign())
        .isEqualTo(Sign.UNKNOWN);
  }
}
