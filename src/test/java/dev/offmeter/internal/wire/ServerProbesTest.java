// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.Dialect;
import dev.offmeter.FailureKind;
import dev.offmeter.internal.wire.ProbeResult.Status;
import dev.offmeter.internal.wire.ollama.OllamaChat;
import dev.offmeter.internal.wire.openai.OpenAiChat;
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

/** Replies to health checks, of real servers and of strangers, get the right result. */
class ServerProbesTest {
  private static final HttpUrl URL = HttpUrl.get("http://localhost:11434");

  private static ServerProbes ollama(String model, @Nullable Duration keepAlive) {
    return new OllamaChat(
            RecordingDeltaHandler.server(
                URL, model, Map.of("num_ctx", 4096), keepAlive, 1024, 1024))
        .probes();
  }

  private static ServerProbes openAi(Dialect dialect) {
    return new OpenAiChat(
            new ProtocolDescriptor.ServerConfig(
                URL,
                "m",
                Map.of(),
                null,
                dialect,
                ProtocolDescriptor.RequestVariant.STANDARD,
                1024,
                1024,
                false))
        .probes();
  }

  private static Status sign(ProbeRequest probeRequest, RecordedReply recorded) {
    return probeRequest.reader().apply(recorded.reply()).status();
  }

  private static ProbeResult vitals(ProbeRequest probeRequest, int status, String body) {
    return probeRequest.reader().apply(new ErrorResponse(status, Headers.of(), body));
  }

  private static String body(Request request) throws IOException {
    Buffer body = new Buffer();
    request.body().writeTo(body);
    return body.readUtf8();
  }

  @Test
  void ollamasVersionShowsThatItLives() {
    assertThat(sign(ollama("m", null).liveness(), RecordedReply.read("0.32-version")))
        .isEqualTo(Status.READY);
  }

  @ParameterizedTest
  @CsvSource({
    "tiny-slow, READY",
    "tiny-slow:latest, READY",
    "Tiny-Slow, READY",
    "tiny-slow:8b, MODEL_NOT_LOADED",
    "tiny, MODEL_NOT_LOADED",
    "library/tiny-slow, READY",
    "Library/tiny-slow:latest, READY",
    "registry.ollama.ai/library/tiny-slow, READY",
    "https://registry.ollama.ai/library/tiny-slow:latest, READY",
    "mine/tiny-slow, MODEL_NOT_LOADED",
    "registry.ollama.ai/tiny-slow, MODEL_NOT_LOADED",
    "hf.co/library/tiny-slow, MODEL_NOT_LOADED",
    "library/mine/tiny-slow, MODEL_NOT_LOADED"
  })
  void ollamasListShowsWhetherTheModelIsInMemory(String model, Status status) {
    assertThat(sign(ollama(model, null).modelLoaded(), RecordedReply.read("0.32-ps")))
        .isEqualTo(status);
  }

  @ParameterizedTest
  @ValueSource(strings = {"mine/m:8b", "registry.ollama.ai/mine/m:8b"})
  void aNamespaceOfOnesOwnIsListed(String model) {
    ProbeResult probeResult =
        vitals(ollama(model, null).modelLoaded(), 200, "{\"models\":[{\"name\":\"mine/m:8b\"}]}");

    assertThat(probeResult.status()).isEqualTo(Status.READY);
  }

  @Test
  void anEmptyListIsAColdModelToo() {
    ProbeResult probeResult = vitals(ollama("m", null).modelLoaded(), 200, "{\"models\":[]}");

    assertThat(probeResult.status()).isEqualTo(Status.MODEL_NOT_LOADED);
    assertThat(probeResult.failure().kind()).isEqualTo(FailureKind.MODEL_COLD);
  }

  @Test
  void aLoadThatOllamaHasDone() {
    assertThat(sign(ollama("m", null).loadModel(), RecordedReply.read("0.32-generate-load")))
        .isEqualTo(Status.READY);
  }

  @Test
  void aLoadHasNoPromptAndTheOptionsOfACall() throws IOException {
    Request load = ollama("m", Duration.ofMinutes(10)).loadModel().request().get().build();

    assertThat(load.url()).hasToString("http://localhost:11434/api/generate");
    assertThat(body(load))
        .isEqualTo(
            "{\"model\":\"m\",\"prompt\":\"\",\"stream\":false,\"shift\":false,\"keep_alive\":600,"
                + "\"options\":{\"num_ctx\":4096}}");
  }

  @Test
  void aLoadThatFailsSaysWhy() {
    ProbeResult probeResult =
        vitals(ollama("m", null).loadModel(), 404, "{\"error\":\"model 'm' not found\"}");

    assertThat(probeResult.status()).isNotEqualTo(Status.READY);
    assertThat(probeResult.failure().kind()).isEqualTo(FailureKind.MODEL_NOT_FOUND);
  }

  /** The errors are worded as by Ollama 0.33. */
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

    assertThat(vitals(ollama("m", null).loadModel(), status, body).failure().kind())
        .isEqualTo(kind);
  }

  @Test
  void aModelThatIsNotKeptIsNotLoadedBeforehand() {
    ServerProbes checks = ollama("m", Duration.ZERO);

    assertThat(checks.liveness()).isNotNull();
    assertThat(checks.loadModel()).isNull();
    assertThat(checks.modelLoaded()).isNull();
  }

  @Test
  void llamaServerIsReadyOrLoading() {
    ProbeRequest health = openAi(Dialect.LLAMA_SERVER).liveness();

    assertThat(sign(health, RecordedReply.read("llama-server", "health"))).isEqualTo(Status.READY);
    assertThat(sign(health, RecordedReply.read("llama-server", "loading")))
        .isEqualTo(Status.NOT_READY);
  }

  @Test
  void aListOfModelsIsASignOfLife() {
    ProbeRequest models = openAi(Dialect.GENERIC).liveness();

    assertThat(sign(models, RecordedReply.read("llama-server", "models"))).isEqualTo(Status.READY);
    assertThat(vitals(models, 200, "{\"object\":\"list\",\"data\":null}").status())
        .isEqualTo(Status.READY);
    assertThat(vitals(models, 200, "{\"error\":\"Unexpected endpoint\"}").status())
        .isEqualTo(Status.UNKNOWN);
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
  void aListOfModelsThatIsCutIsKnownByItsBeginning(String body, Status status) {
    assertThat(vitals(openAi(Dialect.GENERIC).liveness(), 200, body).status()).isEqualTo(status);
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
        "{\"models\":[{\"name\":\"a:latest\",\"details\":{\"model\":\"m\"}}]; MODEL_NOT_LOADED",
        "{\"models\":[{\"name\":null,\"model\":7}]}; MODEL_NOT_LOADED",
        "{\"models\":null}; MODEL_NOT_LOADED",
        "{\"error\":\"models\"}; UNKNOWN"
      })
  void aListThatIsCutDoesNotShowThatAModelIsNotInMemory(String body, Status status) {
    assertThat(vitals(ollama("m", null).modelLoaded(), 200, body).status()).isEqualTo(status);
  }

  @Test
  void anEmptyBodyOfVllmIsWell() {
    assertThat(vitals(openAi(Dialect.VLLM).liveness(), 200, "").status()).isEqualTo(Status.READY);
    assertThat(vitals(openAi(Dialect.VLLM).liveness(), 503, "").status())
        .isEqualTo(Status.NOT_READY);
  }

  @ParameterizedTest
  @CsvSource({
    "530, error code: 1033, UNREACHABLE",
    "502, bad gateway, UNREACHABLE",
    "521, '', UNREACHABLE",
    "504, '', UNREACHABLE",
    "524, '', UNREACHABLE",
    "503, '', NOT_READY",
    "500, '', NOT_READY",
    "401, '', UNAUTHORIZED",
    "403, <html>login</html>, UNAUTHORIZED",
    "403, '', UNAUTHORIZED",
    "302, '', UNAUTHORIZED",
    "404, 404 page not found, UNKNOWN",
    "405, '', UNKNOWN",
    "429, '', UNKNOWN",
    "200, <html>login</html>, UNKNOWN",
    "200, '', UNKNOWN",
    "204, '', UNKNOWN"
  })
  void everyOtherReplyHasItsMeaning(int status, String body, Status expected) {
    assertThat(vitals(ollama("m", null).liveness(), status, body).status()).isEqualTo(expected);
  }

  @ParameterizedTest
  @ValueSource(strings = {"VLLM", "TGI", "LLAMA_SERVER", "LOCAL_AI"})
  void aLoginPageIsNoHealth(Dialect dialect) {
    assertThat(vitals(openAi(dialect).liveness(), 200, "<!doctype html><title>Login").status())
        .isEqualTo(Status.UNKNOWN);
  }
}
