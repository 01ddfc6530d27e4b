// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.security;

import static dev.offmeter.testing.Loopback.ollama;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.offmeter.AllEndpointsFailedException;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ChatStream;
import dev.offmeter.ClientInternals;
import dev.offmeter.Dialect;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.LlmException;
import dev.offmeter.Locality;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import java.net.URI;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A request for self-hosted endpoints only opens a socket to no other. */
class SelfHostedOnlyTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private Node home;
  private Node managed;

  @BeforeEach
  void twoNodes() {
    home = loopback.node(OllamaReplies.answering("HOME"));
    managed = loopback.node(OllamaReplies.answering("MANAGED"));
  }

  private static ChatRequest secret() {
    return ChatRequest.builder().user("draft a reminder").selfHostedOnly().build();
  }

  private Endpoint reserve() {
    return ollama("reserve", managed).locality(Locality.MANAGED).build();
  }

  private LlmClient client(Endpoint... endpoints) {
    LlmClient.Builder builder = LlmClient.builder();
    List.of(endpoints).forEach(builder::endpoint);
    return loopback.client(builder);
  }

  private static List<Function<LlmClient, Object>> everyWayToAsk() {
    return List.of(
        client -> client.chat(secret()),
        client -> client.chat(secret(), Note.class),
        client -> client.chatAsync(secret()).join(),
        client -> {
          try (ChatStream stream = client.stream(secret())) {
            return stream.response();
          }
        });
  }

  record Note(String text) {}

  @Test
  void noWayToAskReachesAManagedEndpoint() {
    for (Function<LlmClient, Object> way : everyWayToAsk()) {
      LlmClient client = client(reserve());
      Throwable thrown = catchThrowableOfType(RuntimeException.class, () -> way.apply(client));

      LlmException failed =
          (LlmException) (thrown instanceof LlmException ? thrown : thrown.getCause());
      assertThat(failed)
          .isInstanceOf(AllEndpointsFailedException.class)
          .hasMessageContaining("[reserve-model]: NOT_PERMITTED")
          .hasMessageContaining("a managed endpoint, and the request is for self-hosted ones only")
          .hasMessageEndingWith("#not-permitted");
    }
    assertThat(managed.requests()).isEmpty();
    assertThat(managed.openConnections()).isZero();
  }

  @Test
  void theOthersAreAskedAllTheSame() {
    LlmClient client = client(reserve(), ollama("home", home).build());

    ChatResponse response = client.chat(secret());

    assertThat(response.text()).isEqualTo("HOME");
    assertThat(response.attempts().get(0).failure()).contains(FailureKind.NOT_PERMITTED);
    assertThat(managed.requests()).isEmpty();
  }

  @Test
  void theSameRequestWithoutTheMarkGoesToTheReserve() {
    home.close();
    LlmClient client = client(ollama("home", home).build(), reserve());

    assertThat(client.chat("draft a reminder").text()).isEqualTo("MANAGED");
    AllEndpointsFailedException failed =
        catchThrowableOfType(AllEndpointsFailedException.class, () -> client.chat(secret()));
    assertThat(failed.attempts())
        .extracting(attempt -> attempt.failure().orElseThrow())
        .containsExactly(FailureKind.CIRCUIT_OPEN, FailureKind.NOT_PERMITTED);
    assertThat(managed.requests()).hasSize(1);
  }

  @Test
  void aFullBulkheadAtHomeSendsNothingToTheReserve() throws InterruptedException {
    home.respondWith(OllamaReplies.hanging());
    Endpoint one = ollama("home", home).maxConcurrent(1).build();
    LlmClient client = client(one, reserve());
    client.chatAsync(secret());
    home.awaitFirstRequest();

    ChatRequest hurried = secret().toBuilder().deadline(Duration.ofMillis(100)).build();
    assertThatThrownBy(() -> client.chat(hurried))
        .hasMessageContaining("BULKHEAD_FULL")
        .hasMessageContaining("NOT_PERMITTED");
    assertThat(managed.requests()).isEmpty();
  }

  @Test
  void noTimeIsKeptForAnEndpointThatMayNotBeAsked() throws InterruptedException {
    home.respondWith(OllamaReplies.hanging());
    ManualTime time = loopback.manualTime();
    LlmClient client =
        loopback.client(
            ClientInternals.builder(time)
                .endpoint(ollama("home", home).build())
                .endpoint(reserve())
                .endpoint(reserveCalled("second"))
                .deadline(Duration.ofSeconds(6)));
    CompletableFuture<ChatResponse> call = client.chatAsync(secret());
    home.awaitFirstRequest();

    time.advance(Duration.ofMillis(5_900));
    assertThat(home.activeCalls()).as("has the whole deadline").isOne();
    time.advance(Duration.ofMillis(100));
    assertThatThrownBy(call::join).hasMessageContaining("NOT_PERMITTED");
  }

  private Endpoint reserveCalled(String name) {
    return ollama(name, managed).locality(Locality.MANAGED).build();
  }

  @Test
  void theMarkStaysWithEveryCopy() {
    assertThat(secret().toBuilder().maxTokens(5).build().selfHostedOnly()).isTrue();
    assertThat(secret().toString()).contains("self-hosted only");
    assertThat(ChatRequest.builder().user("x").build().selfHostedOnly()).isFalse();
  }

  @ParameterizedTest
  @CsvSource({
    "ollama, https://mini.example.com, qwen3:8b, SELF_HOSTED",
    "ollama, http://localhost:11434, qwen3:8b, SELF_HOSTED",
    "ollama, http://localhost:11434, gpt-oss:120b-cloud, MANAGED",
    "ollama, http://localhost:11434, glm:cloud, MANAGED",
    "ollama, https://ollama.com, qwen3:8b, MANAGED",
    "ollama, http://localhost:11434, gpt-oss:120b-Cloud, MANAGED",
    "ollama, http://localhost:11434, gpt-oss:CLOUD, MANAGED",
    "ollama, https://ollama.com., qwen3:8b, MANAGED",
    "openai, http://localhost:11434/v1, gpt-oss:120b-cloud, MANAGED",
    "gemini, http://127.0.0.1:1, gemini-2.5-flash, MANAGED",
    "anthropic, http://127.0.0.1:1, claude, MANAGED",
    "openai, https://api.openai.com/v1, gpt, MANAGED",
    "openai, https://generativelanguage.googleapis.com/v1beta/openai, g, MANAGED",
    "openai, https://llm.example.com, m, MANAGED",
    "openai, http://8.8.8.8:8080, m, MANAGED",
    "openai, http://172.32.0.1, m, MANAGED",
    "openai, http://100.128.0.1, m, MANAGED",
    "openai, http://10.example.com, m, MANAGED",
    "openai, http://vllm, m, MANAGED",
    "openai, http://localhost:8080, m, SELF_HOSTED",
    "openai, http://127.0.0.1:8080/v1, m, SELF_HOSTED",
    "openai, http://[::1]:8080, m, SELF_HOSTED",
    "openai, http://192.168.1.9:8080, m, SELF_HOSTED",
    "openai, http://10.0.0.2, m, SELF_HOSTED",
    "openai, http://172.16.0.1, m, SELF_HOSTED",
    "openai, http://100.64.0.1, m, SELF_HOSTED",
    "openai, http://[fd00::1]:8080, m, SELF_HOSTED",
    "openai, http://mini.local:8080, m, SELF_HOSTED",
    "openai, http://llm.internal, m, SELF_HOSTED"
  })
  void whoseHardwareItIsWhenNobodyHasSaid(String api, URI url, String model, Locality locality) {
    Endpoint.Builder builder =
        switch (api) {
          case "ollama" -> Endpoint.ollama("one", url.toString());
          case "gemini" -> Endpoint.gemini("one", url.toString());
          case "anthropic" -> Endpoint.anthropic("one", url.toString());
          default -> Endpoint.openAi("one", url.toString());
        };

    assertThat(builder.model(model).build().locality()).isEqualTo(locality);
  }

  @ParameterizedTest
  @CsvSource({
    "VLLM, SELF_HOSTED",
    "LLAMA_SERVER, SELF_HOSTED",
    "TGI, SELF_HOSTED",
    "LOCAL_AI, SELF_HOSTED",
    "LM_STUDIO, SELF_HOSTED",
    "OLLAMA, SELF_HOSTED",
    "LITELLM, MANAGED",
    "OPENAI, MANAGED",
    "GEMINI, MANAGED",
    "GENERIC, MANAGED"
  })
  void aDialectSaysWhoseItIs(Dialect dialect, Locality locality) {
    Endpoint.Builder builder = Endpoint.openAi("one", "https://llm.example.com").model("m");

    assertThat(builder.dialect(dialect).build().locality()).isEqualTo(locality);
    assertThat(builder.locality(Locality.MANAGED).build().locality()).isEqualTo(Locality.MANAGED);
    assertThat(builder.locality(Locality.SELF_HOSTED).build().locality())
        .isEqualTo(Locality.SELF_HOSTED);
  }

  @ParameterizedTest
  @CsvSource({
    "https://api.openai.com/v1, VLLM",
    "https://router.huggingface.co/v1, TGI",
    "https://openrouter.ai/api/v1, LM_STUDIO"
  })
  void noDialectMakesAKnownApiOnesOwn(String url, Dialect dialect) {
    Endpoint.Builder builder = Endpoint.openAi("one", url).model("m").dialect(dialect);

    assertThat(builder.build().locality()).isEqualTo(Locality.MANAGED);
  }

  @Test
  void aFunctionIsSelfHosted() {
    assertThat(Endpoint.local("template", request -> "x").build().locality())
        .isEqualTo(Locality.SELF_HOSTED);
  }
}
