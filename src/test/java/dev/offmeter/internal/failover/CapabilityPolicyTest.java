// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.Capability;
import dev.offmeter.ChatRequest;
import dev.offmeter.ClientInternals;
import dev.offmeter.Dialect;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.http.EndpointConfig;
import dev.offmeter.internal.wire.ModelTraits;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** An endpoint that is known not to serve a request is not asked; every other is. */
class CapabilityPolicyTest {
  /** 1000 tokens or more. */
  private static final String LONG = "canary".repeat(128_000 / 6 + 1);

  private static Endpoint.Builder ollama() {
    return Endpoint.ollama("home", "http://127.0.0.1:1").model("m");
  }

  private static Endpoint.Builder openAi(Dialect dialect) {
    return Endpoint.openAi("home", "http://127.0.0.1:1").model("m").dialect(dialect);
  }

  private static ChatRequest.Builder request(String text) {
    return ChatRequest.builder().user(text).maxTokens(100);
  }

  private static ChatRequest requiring(Capability... capabilities) {
    return request("canary").requires(capabilities).build();
  }

  private static @Nullable AttemptException refusal(
      ChatRequest request, Endpoint.Builder endpoint, ModelTraits reported) {
    EndpointConfig config = ClientInternals.config(endpoint.build(), false);
    return CapabilityPolicy.refusal(request, config, config.traits().orElse(reported));
  }

  private static @Nullable AttemptException refusal(
      ChatRequest request, Endpoint.Builder endpoint) {
    return refusal(request, endpoint, ModelTraits.UNKNOWN);
  }

  @ParameterizedTest
  @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "FRONTIER")
  void anUnknownCapabilityLetsARequestThrough(Capability capability) {
    assertThat(refusal(requiring(capability), ollama())).isNull();
  }

  @ParameterizedTest
  @EnumSource
  void aDeclaredCapabilityLetsARequestThrough(Capability capability) {
    assertThat(refusal(requiring(capability), ollama().capabilities(capability))).isNull();
    assertThat(refusal(requiring(capability), ollama().capability(capability, true))).isNull();
  }

  @ParameterizedTest
  @EnumSource
  void aCapabilityThatIsDeclaredToLackSkipsTheEndpoint(Capability capability) {
    AttemptException refusal =
        refusal(requiring(capability), ollama().capability(capability, false));
    assertThat(refusal).hasMessageContaining("requires " + capability);
    assertThat(refusal).hasMessageContaining("declared to lack");
    assertThat(refusal).hasMessageNotContaining("canary");
    assertThat(refusal.kind()).isEqualTo(FailureKind.NOT_CAPABLE);
  }

  @Test
  void frontierHasToBeDeclared() {
    assertThat(refusal(requiring(Capability.FRONTIER), ollama()))
        .hasMessageContaining("is not declared to have");
  }

  @Test
  void capabilitiesAreAWholeList() {
    Endpoint.Builder endpoint = ollama().capabilities(Capability.TOOLS, Capability.VISION);
    assertThat(refusal(requiring(Capability.VISION, Capability.TOOLS), endpoint)).isNull();
    assertThat(refusal(requiring(Capability.VISION, Capability.THINKING), endpoint)).isNotNull();
    assertThat(refusal(requiring(Capability.TOOLS), ollama().capabilities())).isNotNull();
  }

  @Test
  void frontierAloneSaysNothingAboutTheOthers() {
    Endpoint.Builder endpoint = ollama().capabilities(Capability.FRONTIER);
    assertThat(refusal(requiring(Capability.FRONTIER, Capability.TOOLS), endpoint)).isNull();
  }

  @Test
  void aDeclarationWinsOverWhatTheServerReports() {
    ModelTraits reported =
        new ModelTraits(Set.of(Capability.TOOLS), Set.of(Capability.VISION), 100);
    assertThat(refusal(requiring(Capability.VISION), ollama(), reported))
        .hasMessageContaining("as the server reports");
    assertThat(
            refusal(
                requiring(Capability.VISION),
                ollama().capability(Capability.VISION, true),
                reported))
        .isNull();
    assertThat(
            refusal(
                requiring(Capability.TOOLS),
                ollama().capability(Capability.TOOLS, false),
                reported))
        .isNotNull();
    assertThat(refusal(request(LONG).build(), ollama(), reported))
        .hasMessageContaining("as the server reports");
    assertThat(refusal(request(LONG).build(), ollama().contextLength(1001), reported)).isNull();
  }

  @Test
  void aContextThatIsCertainlyTooSmallSkipsTheEndpoint() {
    AttemptException refusal = refusal(request(LONG).build(), ollama().contextLength(999));
    assertThat(refusal).hasMessageContaining("at least 1001 tokens, and the context is 999");
    assertThat(refusal).hasMessageNotContaining("canary");
    assertThat(refusal.kind()).isEqualTo(FailureKind.NOT_CAPABLE);
  }

  @Test
  void aContextThatMayBeLargeEnoughLetsARequestThrough() {
    assertThat(refusal(request(LONG).build(), ollama().contextLength(1001))).isNull();
    assertThat(refusal(request(LONG).build(), ollama())).isNull();
  }

  @ParameterizedTest
  @EnumSource(names = {"VLLM", "TGI"})
  void maxTokensCountsWhereTheServerReservesIt(Dialect dialect) {
    assertThat(refusal(request(LONG).build(), openAi(dialect).contextLength(1100)))
        .hasMessageContaining("at least 1001 tokens and a maxTokens of 100");
    assertThat(refusal(request(LONG).build(), openAi(dialect).contextLength(1101))).isNull();
    assertThat(refusal(request("x").maxTokens(5000).build(), openAi(dialect).contextLength(4096)))
        .isNotNull();
  }

  @Test
  void theEndpointsOwnMaxTokensCounts() {
    ChatRequest request = ChatRequest.builder().user("x").build();
    assertThat(refusal(request, openAi(Dialect.VLLM).contextLength(4096).maxTokens(5000)))
        .hasMessageContaining("a maxTokens of 5000");
  }

  @ParameterizedTest
  @EnumSource(
      mode = EnumSource.Mode.EXCLUDE,
      names = {"VLLM", "TGI"})
  void maxTokensDoesNotCountElsewhere(Dialect dialect) {
    ChatRequest request = request("x").maxTokens(5000).build();
    assertThat(refusal(request, openAi(dialect).contextLength(4096))).isNull();
  }
}
