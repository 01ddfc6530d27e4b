// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import java.util.Map;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A request cannot ask for more tokens than its client allows, and never for any number. */
@Timeout(20)
class MaxTokensCeilingTest {
  /** Of a request alone. */
  private record Lines(String text) {}

  @RegisterExtension final Loopback loopback = new Loopback();

  private final Node node = loopback.node(OllamaReplies.answering("{\\\"text\\\":\\\"a\\\"}"));

  private LlmClient.Builder builder() {
    return LlmClient.builder().endpoint(Loopback.ollama("mac", node).build());
  }

  private static ChatRequest of(int maxTokens) {
    return ChatRequest.builder().user("draft").maxTokens(maxTokens).build();
  }

  private void isRejected(ThrowingCallable call) {
    assertThatThrownBy(call)
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("maxTokens must be at most the client's maxTokensAtMost, 8192, was 8193");
  }

  @Test
  void aRequestAboveTheCeilingIsRejectedHoweverItIsAsked() {
    LlmClient client = loopback.client(builder());

    isRejected(() -> client.chat(of(8193)));
    isRejected(() -> client.chat(of(8193), Lines.class));
    isRejected(() -> client.chatAsync(of(8193)));
    isRejected(() -> client.stream(of(8193)));
    isRejected(() -> client.publish(of(8193)));

    assertThat(node.requests()).isEmpty();
    assertThat(node.openConnections()).isZero();
    assertThat(client.runningCalls()).isZero();
  }

  @Test
  void aRequestAtTheCeilingIsSent() {
    LlmClient client = loopback.client(builder());

    assertThat(client.chat(of(8192)).endpoint()).isEqualTo("mac");
    assertThat(client.chat(of(8192), Lines.class).value().text()).isEqualTo("a");
    assertThat(client.chatAsync(of(8192)).join().endpoint()).isEqualTo("mac");
  }

  @Test
  void theCeilingCanBeRaisedAndIsKeptByACopyOfTheClient() {
    LlmClient raised = loopback.client(builder().maxTokensAtMost(20_000));
    LlmClient copied = loopback.client(raised.toBuilder());

    copied.chat(of(20_000));
    assertThat(node.requests().get(0).body()).contains("\"num_predict\":20000");
    assertThatThrownBy(() -> copied.chat(of(20_001)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("20000, was 20001");
  }

  @Test
  void aDefaultAboveTheCeilingIsRejectedWhenTheClientIsBuilt() {
    LlmClient.Builder ofClient = builder().defaults(request -> request.maxTokens(8193));
    LlmClient.Builder ofEndpoint =
        LlmClient.builder()
            .defaults(request -> request.maxTokens(100))
            .endpoint(Loopback.ollama("mac", node).maxTokens(9000).build());

    assertThatThrownBy(ofClient::build)
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("defaults must have a maxTokens of at most maxTokensAtMost, 8192, was 8193");
    assertThatThrownBy(ofEndpoint::build)
        .isInstanceOf(IllegalStateException.class)
        .hasMessage(
            "endpoint 'mac' must have a maxTokens of at most maxTokensAtMost, 8192, was 9000");
    assertThat(loopback.client(ofEndpoint.maxTokensAtMost(9000)).chat("draft").endpoint())
        .isEqualTo("mac");
  }

  @Test
  void aCeilingBelowTheDefaultOf1024NeedsALowerDefault() {
    assertThatThrownBy(() -> builder().maxTokensAtMost(1023).build())
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("maxTokensAtMost must be at least")
        .hasMessageContaining("'mac'")
        .hasMessageEndingWith("was 1023");

    loopback.client(builder().maxTokensAtMost(1024)).chat("draft");
    loopback
        .client(builder().maxTokensAtMost(100).defaults(request -> request.maxTokens(100)))
        .chat("draft");
    LlmClient function =
        loopback.client(
            LlmClient.builder().endpoint(Endpoint.local("f", r -> "x").build()).maxTokensAtMost(1));
    assertThat(function.chat("draft").text()).isEqualTo("x");
  }

  @Test
  void thereIsNoUnlimitedCeiling() {
    for (int wrong : new int[] {-1, 0, 1_000_001, Integer.MAX_VALUE}) {
      assertThatThrownBy(() -> LlmClient.builder().maxTokensAtMost(wrong))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage("maxTokensAtMost must be from 1 to 1000000, was " + wrong);
    }
  }

  @Test
  void aVariableSetsTheCeiling() {
    Map<String, String> variables =
        Map.of("OLLAMA_PRIMARY_URL", node.url(), "OFFMETER_MAXTOKENSATMOST", "2000");
    LlmClient client = loopback.client(LlmClient.builder().fromEnv(variables));

    client.chat(of(2000));
    assertThatThrownBy(() -> client.chat(of(2001))).isInstanceOf(IllegalArgumentException.class);
    for (String wrong : new String[] {"0", "-1", "unlimited"}) {
      assertThatThrownBy(() -> LlmClient.fromEnv(Map.of("OFFMETER_MAXTOKENSATMOST", wrong)))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("OFFMETER_MAXTOKENSATMOST must be")
          .hasMessageContaining(wrong);
    }
  }
}
