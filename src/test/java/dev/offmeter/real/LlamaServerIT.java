// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.real;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.awaitility.Awaitility.await;

import dev.offmeter.AllEndpointsFailedException;
import dev.offmeter.Attempt;
import dev.offmeter.Capability;
import dev.offmeter.ChatEvent;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ChatStream;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.FinishReason;
import dev.offmeter.Image;
import dev.offmeter.LlmClient;
import dev.offmeter.observe.EndpointState;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A real llama-server answers, streams and refuses as the library expects. */
@Timeout(60)
@Needs(Program.LLAMA_SERVER)
class LlamaServerIT {
  private static final String KEY = "the-key";

  @TempDir static Path folder;
  private static LlamaServer server;

  @BeforeAll
  static void start() {
    server =
        LlamaServer.ready(folder, TinyModel.fast(20), "-c", "4096", "--api-key", KEY, "--slots");
  }

  @AfterAll
  static void stop() {
    if (server != null) {
      server.close();
    }
  }

  private static LlmClient client() {
    return LlmClient.builder().endpoint(server.endpoint("llama").apiKey(KEY).build()).build();
  }

  private static ChatRequest request() {
    return ChatRequest.builder().user("Name a few animals.").seed(7).build();
  }

  @Test
  void answersAChat() {
    try (LlmClient client = client()) {
      ChatResponse response = client.chat(request());

      assertThat(response.text()).isNotBlank();
      assertThat(response.endpoint()).isEqualTo("llama");
      assertThat(response.finishReason()).isEqualTo(FinishReason.STOP);
    }
  }

  @Test
  void anImageThatItsModelCannotReadGoesToTheNextEndpoint() {
    byte[] png = {(byte) 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    ChatRequest request =
        ChatRequest.builder().user("What is this?", Image.of(png, "image/png")).build();
    Endpoint template = Endpoint.local("template", asked -> "TEMPLATE").build();
    Endpoint llama = server.endpoint("llama").apiKey(KEY).build();
    try (LlmClient client = LlmClient.builder().endpoint(llama).endpoint(template).build()) {
      Attempt refused = client.chat(request).attempts().get(0);
      assertThat(refused.failure()).contains(FailureKind.BAD_REQUEST);
      assertThat(client.status().endpoints().get(0).state()).isEqualTo(EndpointState.UP);

      // Once the server has said what it can do, it is not asked.
      client.chat(request());
      await().until(() -> client.status().endpoints().get(0).lacking().contains(Capability.VISION));
      Attempt skipped = client.chat(request).attempts().get(0);
      assertThat(skipped.failure()).contains(FailureKind.NOT_CAPABLE);
    }
  }

  /** The server closes its connection after each stream; the next request must not meet that. */
  @Test
  void callsInARowAreAllAnsweredAtTheFirstAttempt() {
    try (LlmClient client = client()) {
      for (int i = 0; i < 20; i++) {
        ChatResponse response = client.chat(request().toBuilder().maxTokens(3).build());
        assertThat(response.attempts()).hasSize(1);
      }
    }
  }

  @Test
  void saysHowManyTokensItTook() {
    try (LlmClient client = client()) {
      ChatResponse response = client.chat(request());

      // A character of the prompt is a token; the template adds two roles.
      assertThat(response.usage().inputTokens()).isBetween(20, 60);
      assertThat(response.usage().outputTokens()).isBetween(1, 1024);
    }
  }

  @Test
  void anAnswerThatReachesItsTokenLimitSaysSo() {
    try (LlmClient client = client()) {
      ChatResponse response = client.chat(request().toBuilder().maxTokens(1).build());

      assertThat(response.finishReason()).isEqualTo(FinishReason.LENGTH);
      assertThat(response.usage().outputTokens()).isEqualTo(1);
    }
  }

  @Test
  void streamsPieceByPieceWhatItCounts() {
    try (LlmClient client = client();
        ChatStream stream = client.stream(request())) {
      List<String> pieces = new ArrayList<>();
      ChatResponse whole = null;
      for (ChatEvent event : stream) {
        if (event instanceof ChatEvent.TextDelta delta) {
          pieces.add(delta.text());
        } else if (event instanceof ChatEvent.Completed completed) {
          whole = completed.response();
        }
      }

      assertThat(pieces).hasSizeGreaterThan(1);
      assertThat(whole).isNotNull();
      assertThat(String.join("", pieces)).isEqualTo(whole.text());
      // The end of the answer is a token too, and not a piece.
      assertThat(whole.usage().outputTokens()).isBetween(pieces.size(), pieces.size() + 1);
    }
  }

  /** The type of the structured answer; without its schema the model writes prose. */
  record Invoice(String customer, int number, boolean paid, List<String> lines) {}

  @Test
  void aStructuredAnswerObeysItsSchema() {
    try (LlmClient client = client()) {
      Invoice invoice = client.chat(request(), Invoice.class).value();

      assertThat(invoice.customer()).isNotNull();
      assertThat(invoice.lines()).isNotNull();
    }
  }

  @Test
  void aWrongKeyIsUnauthorized() {
    Attempt attempt = failure(server.endpoint("llama").apiKey("another").build(), request());

    assertThat(attempt.failure()).contains(FailureKind.UNAUTHORIZED);
    assertThat(attempt.status()).hasValue(401);
    assertThat(attempt.message()).contains("Invalid API Key");
  }

  @Test
  void noKeyIsUnauthorizedToo() {
    assertThat(failure(server.endpoint("llama").build(), request()).failure())
        .contains(FailureKind.UNAUTHORIZED);
  }

  @Test
  void aPromptThatIsTooLongIsAContextOverflow() {
    ChatRequest tooLong = ChatRequest.builder().user("invoice ".repeat(1000)).build();

    Attempt attempt = failure(server.endpoint("llama").apiKey(KEY).build(), tooLong);

    assertThat(attempt.failure()).contains(FailureKind.CONTEXT_OVERFLOW);
    assertThat(attempt.status()).hasValue(400);
  }

  private static Attempt failure(Endpoint endpoint, ChatRequest request) {
    try (LlmClient client = LlmClient.builder().endpoint(endpoint).build()) {
      AllEndpointsFailedException e =
          catchThrowableOfType(AllEndpointsFailedException.class, () -> client.chat(request));
      return e.attempts().get(0);
    }
  }
}
