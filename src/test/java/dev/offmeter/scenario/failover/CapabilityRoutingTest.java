// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.failover;

import static dev.offmeter.testing.TwoNodes.primaryState;
import static dev.offmeter.testing.TwoNodes.template;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.offmeter.AllEndpointsFailedException;
import dev.offmeter.Attempt;
import dev.offmeter.Capability;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ChatStream;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.TwoNodes;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A request goes to the first endpoint that is not known to lack what it requires. */
class CapabilityRoutingTest {
  @RegisterExtension final Loopback loopback = new Loopback();
  private final TwoNodes nodes = TwoNodes.inRealTime(loopback);

  private static ChatRequest requiring(Capability... capabilities) {
    return ChatRequest.builder().user("canary-prompt").requires(capabilities).build();
  }

  private static ChatRequest ofTokens(int tokens) {
    return ChatRequest.builder().user("x".repeat(tokens * 128)).build();
  }

  private LlmClient withTools() {
    return nodes.client(primary -> primary.capabilities(Capability.TOOLS));
  }

  @Test
  void anEndpointThatLacksACapabilityIsSkippedWithoutASocket() {
    LlmClient client = withTools();
    ChatResponse response = client.chat(requiring(Capability.VISION));
    assertThat(response.text()).isEqualTo("FALLBACK");
    Attempt skipped = response.attempts().get(0);
    assertThat(skipped.failure()).contains(FailureKind.NOT_CAPABLE);
    assertThat(skipped.message()).contains("VISION").doesNotContain("canary");
    assertThat(nodes.primary().requests()).isEmpty();
    assertThat(nodes.primary().openConnections()).isZero();
    assertThat(primaryState(client)).isEqualTo(EndpointState.UP);
  }

  @Test
  void anEndpointThatHasTheCapabilityIsAsked() {
    assertThat(withTools().chat(requiring(Capability.TOOLS)).text()).isEqualTo("PRIMARY");
  }

  @Test
  void aStreamSkipsItToo() {
    try (ChatStream stream = withTools().stream(requiring(Capability.VISION))) {
      assertThat(stream.response().endpoint()).isEqualTo("fallback");
    }
    assertThat(nodes.primary().requests()).isEmpty();
  }

  @Test
  void theClientsDefaultsRequireOfEveryRequest() {
    LlmClient client =
        loopback.client(
            nodes
                .builder(primary -> primary.capabilities(Capability.VISION))
                .defaults(request -> request.requires(Capability.TOOLS)));
    ChatResponse response = client.chat(requiring(Capability.VISION));
    assertThat(response.text()).isEqualTo("FALLBACK");
  }

  @Test
  void aContextThatIsCertainlyTooSmallIsSkippedWithoutASocket() {
    LlmClient client = nodes.client(primary -> primary.contextLength(100));
    assertThat(client.chat(ofTokens(101)).text()).isEqualTo("FALLBACK");
    assertThat(nodes.primary().requests()).isEmpty();
    assertThat(client.chat(ofTokens(100)).text()).isEqualTo("PRIMARY");
  }

  @Test
  void aFunctionIsAskedUnlessItIsDeclaredToLackTheCapability() {
    LlmClient any = loopback.client(LlmClient.builder().endpoint(template()));
    assertThat(any.chat(requiring(Capability.VISION)).text()).isEqualTo("TEMPLATE");
    LlmClient none =
        loopback.client(
            LlmClient.builder()
                .endpoint(Endpoint.local("template", request -> "T").capabilities().build()));
    assertThatThrownBy(() -> none.chat(requiring(Capability.VISION)))
        .isInstanceOf(AllEndpointsFailedException.class)
        .hasMessageContaining("NOT_CAPABLE");
  }

  @Test
  void theFailureOfAnEndpointThatWasAskedDecides() {
    nodes.fallback().close();
    assertThatThrownBy(() -> withTools().chat(requiring(Capability.VISION)))
        .isInstanceOfSatisfying(
            AllEndpointsFailedException.class,
            e -> assertThat(e.failure()).contains(FailureKind.CONNECTION_REFUSED));
  }

  @Test
  void theBackoffOfAnEndpointThatIsNotCapableIsNotWaitedFor() {
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .endpoint(
                    Loopback.ollama("primary", nodes.primary())
                        .capabilities(Capability.TOOLS)
                        .build()));
    nodes.primary().close();
    assertThatThrownBy(() -> client.chat(requiring(Capability.TOOLS)))
        .isInstanceOfSatisfying(
            AllEndpointsFailedException.class, e -> assertThat(e.retryAfter()).isPresent());
    assertThatThrownBy(() -> client.chat(requiring(Capability.VISION)))
        .isInstanceOfSatisfying(
            AllEndpointsFailedException.class, e -> assertThat(e.retryAfter()).isEmpty());
  }

  @Test
  void aCallThatNobodyIsCapableOfSaysSo() {
    LlmClient client = nodes.client();
    assertThatThrownBy(() -> client.chat(requiring(Capability.FRONTIER)))
        .isInstanceOfSatisfying(
            AllEndpointsFailedException.class,
            e -> {
              assertThat(e.failure()).contains(FailureKind.NOT_CAPABLE);
              assertThat(e.retryAfter()).isEmpty();
            })
        .hasMessageContaining("not-capable")
        .hasMessageNotContaining("canary");
    assertThat(nodes.fallback().requests()).isEmpty();
  }

  private LlmClient ofTwoModels() {
    return loopback.client(
        nodes.builder(primary -> primary.model("small-model")).endpoint(template()));
  }

  private static ChatRequest forModel(String model) {
    return ChatRequest.builder().user("canary-prompt").model(model).build();
  }

  @Test
  void aRequestForAModelSkipsTheEndpointsOfAnother() {
    ChatResponse response = ofTwoModels().chat(forModel("fallback-model"));
    assertThat(response.text()).isEqualTo("FALLBACK");
    Attempt skipped = response.attempts().get(0);
    assertThat(skipped.failure()).contains(FailureKind.NOT_CAPABLE);
    assertThat(skipped.message()).contains("'fallback-model'");
    assertThat(nodes.primary().openConnections()).isZero();
  }

  @Test
  void aRequestMayNameAnEndpointInPlaceOfItsModel() {
    LlmClient client = ofTwoModels();
    assertThat(client.chat(forModel("fallback")).text()).isEqualTo("FALLBACK");
    assertThat(client.chat(forModel("template")).text()).isEqualTo("TEMPLATE");
  }

  @Test
  void aRequestForAModelIsNotAnsweredByAnother() {
    nodes.primary().close();
    assertThatThrownBy(() -> ofTwoModels().chat(forModel("small-model")))
        .isInstanceOf(AllEndpointsFailedException.class)
        .hasMessageContaining("primary at")
        .hasMessageContaining("template: NOT_CAPABLE");
    assertThat(nodes.fallback().requests()).isEmpty();
  }

  @Test
  void aModelOfNoEndpointIsRejectedBeforeAnythingIsSent() {
    LlmClient client = ofTwoModels();
    assertThatThrownBy(() -> client.chat(forModel("other")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "model must be that of an endpoint, or its name, among primary (small-model),"
                + " fallback (fallback-model), template, was 'other'");
    assertThatThrownBy(() -> client.publish(forModel("other")))
        .isInstanceOf(IllegalArgumentException.class);
    assertThat(nodes.primary().openConnections()).isZero();
  }

  @Test
  void aModelIsNoDefault() {
    LlmClient.Builder builder = nodes.builder().defaults(request -> request.model("small-model"));
    assertThatThrownBy(builder::build)
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("defaults must not have a model: it is the request's own");
  }
}
