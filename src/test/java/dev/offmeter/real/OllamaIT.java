// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.real;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.Attempt;
import dev.offmeter.ChatEvent;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ChatStream;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledIfEnvironmentVariable;

/** An Ollama that runs already, with a model that it has. */
@Timeout(180)
@EnabledIfEnvironmentVariable(
    named = "OFFMETER_OLLAMA_URL",
    matches = ".+",
    disabledReason = "no Ollama: start one, pull a model and set OFFMETER_OLLAMA_URL")
class OllamaIT {
  private static final String URL = System.getenv("OFFMETER_OLLAMA_URL");
  private static final String MODEL =
      System.getenv().getOrDefault("OFFMETER_OLLAMA_MODEL", "qwen3:0.6b");

  private static final ChatRequest REQUEST =
      ChatRequest.builder().user("Name three animals.").maxTokens(200).seed(7).build();

  private static LlmClient client(String model) {
    return LlmClient.builder()
        .endpoint(
            Endpoint.ollama("ollama", URL).model(model).timeout(Duration.ofMinutes(2)).build())
        .endpoint(Endpoint.local("template", request -> "from the template").build())
        .build();
  }

  @Test
  void answersAChat() {
    try (LlmClient client = client(MODEL)) {
      ChatResponse response = client.chat(REQUEST);

      assertThat(response.endpoint()).isEqualTo("ollama");
      assertThat(response.text()).isNotBlank();
      assertThat(response.usage().outputTokens()).isBetween(1, 200);
    }
  }

  @Test
  void streamsPieceByPiece() {
    try (LlmClient client = client(MODEL);
        ChatStream stream = client.stream(REQUEST)) {
      List<ChatEvent> events = new ArrayList<>();
      stream.forEach(events::add);

      assertThat(events).hasSizeGreaterThan(2);
      assertThat(events.get(0)).isInstanceOf(ChatEvent.TextDelta.class);
      assertThat(((ChatEvent.Completed) events.get(events.size() - 1)).response().endpoint())
          .isEqualTo("ollama");
    }
  }

  /** The type of the structured answer. */
  record Animal(String name, boolean canFly) {}

  @Test
  void aStructuredAnswerObeysItsSchema() {
    ChatRequest request =
        REQUEST.toBuilder().user("Describe an owl as JSON, with its name and canFly.").build();
    try (LlmClient client = client(MODEL)) {
      var animal = client.chat(request, Animal.class);

      assertThat(animal.response().endpoint()).isEqualTo("ollama");
      assertThat(animal.value().name()).isNotNull();
    }
  }

  @Test
  void aModelThatItDoesNotHaveIsMissing() {
    try (LlmClient client = client("no-such-model")) {
      Attempt attempt = client.chat(REQUEST).attempts().get(0);

      assertThat(attempt.failure()).contains(FailureKind.MODEL_NOT_FOUND);
      assertThat(attempt.status()).hasValue(404);
    }
  }
}
