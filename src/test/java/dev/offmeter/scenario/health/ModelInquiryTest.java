// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.health;

import static dev.offmeter.Capability.JSON_SCHEMA;
import static dev.offmeter.Capability.THINKING;
import static dev.offmeter.Capability.TOOLS;
import static dev.offmeter.Capability.VISION;
import static dev.offmeter.testing.Loopback.awaitSoon;
import static dev.offmeter.testing.TwoNodes.primaryStatus;
import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.Attempt;
import dev.offmeter.Capability;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.Dialect;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.Locality;
import dev.offmeter.observe.EndpointStatus;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.ServerReplies;
import dev.offmeter.testing.TwoNodes;
import java.time.Duration;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What a server reports about its model is shown, and skips it for what that model lacks. */
class ModelInquiryTest {
  private static final ChatRequest PLAIN = ChatRequest.builder().user("canary-prompt").build();
  private static final ChatRequest IMAGE = PLAIN.toBuilder().requires(VISION).build();

  @RegisterExtension final Loopback loopback = new Loopback();
  private final TwoNodes nodes = TwoNodes.inManualTime(loopback);

  private static Node.Script json(String body) {
    return OllamaReplies.status(200, "application/json", body);
  }

  private static Node.Script show(String capabilities) {
    return json(
        "{\"license\":\"x\",\"model_info\":{\"general.parameter_count\":7,"
            + "\"qwen3.context_length\":40960,\"tokenizer.ggml.tokens\":null},"
            + "\"tensors\":[{\"name\":\"a\",\"shape\":[1,2]}],\"capabilities\":["
            + capabilities
            + "]}");
  }

  private static Node.Script loadedWith(int context) {
    Node.Script list =
        json("{\"models\":[{\"name\":\"primary-model\",\"context_length\":" + context + "}]}");
    Node.Script other = json("{\"version\":\"0.32.15\",\"done\":true}");
    return (connection, request) ->
        (request.line().contains("/api/ps") ? list : other).answer(connection, request);
  }

  private void awaitReport(LlmClient client) {
    awaitInquiry();
    awaitSoon(() -> primaryStatus(client).contextLength().isPresent());
  }

  /** A server is asked a second after an answer. */
  private void awaitInquiry() {
    nodes.time().advance(Duration.ofSeconds(1));
  }

  private LlmClient reported(String capabilities) {
    nodes.primary().respondToInquiriesWith(show(capabilities));
    LlmClient client = nodes.client();
    client.chat(PLAIN);
    awaitReport(client);
    return client;
  }

  @Test
  void anOllamaIsAskedAfterItsFirstAnswerAndTheStatusShowsTheReport() {
    nodes.primary().respondToProbesWith(loadedWith(4096));
    nodes.primary().respondToInquiriesWith(show("\"completion\",\"tools\",\"thinking\""));
    LlmClient client = nodes.client();
    assertThat(client.chat(PLAIN).text()).isEqualTo("PRIMARY");
    awaitReport(client);

    EndpointStatus status = primaryStatus(client);
    assertThat(status.capabilities()).containsExactly(TOOLS, JSON_SCHEMA, THINKING);
    assertThat(status.lacking()).containsExactly(VISION);
    assertThat(status.contextLength()).hasValue(4096);
    assertThat(status.toString()).endsWith(", context 4096, can tools+json_schema+thinking");
    assertThat(nodes.primary().inquiries().get(0).body()).contains("primary-model");
  }

  @Test
  void aModelThatIsNotListedHasTheContextItWasMadeForOrTheOneAskedFor() {
    assertThat(primaryStatus(reported("\"completion\"")).contextLength()).hasValue(40960);

    LlmClient client = nodes.client(primary -> primary.option("num_ctx", 2048));
    client.chat(PLAIN);
    awaitReport(client);
    assertThat(primaryStatus(client).contextLength()).hasValue(2048);
  }

  @Test
  void aModelThatLacksACapabilityIsSkipped() {
    LlmClient client = reported("\"completion\",\"tools\"");
    ChatResponse response = client.chat(IMAGE);
    assertThat(response.text()).isEqualTo("FALLBACK");
    Attempt skipped = response.attempts().get(0);
    assertThat(skipped.failure()).contains(FailureKind.NOT_CAPABLE);
    assertThat(skipped.message()).contains("VISION").contains("as the server reports");
    assertThat(client.chat(PLAIN.toBuilder().requires(TOOLS).build()).text()).isEqualTo("PRIMARY");
  }

  @Test
  void aRequestBeyondTheReportedContextIsSkipped() {
    LlmClient client = reported("\"completion\"");
    ChatRequest tooLong = ChatRequest.builder().user("x".repeat(40960 * 128 + 1)).build();
    ChatResponse response = client.chat(tooLong);
    assertThat(response.text()).isEqualTo("FALLBACK");
    assertThat(response.attempts().get(0).message())
        .isEqualTo(
            "the request has at least 40961 tokens, and the context is 40960, as the server"
                + " reports");
  }

  @Test
  void aDeclarationWinsAndTheRestIsReported() {
    nodes.primary().respondToInquiriesWith(show("\"completion\",\"tools\""));
    LlmClient client =
        nodes.client(primary -> primary.capability(VISION, true).contextLength(1000));
    client.chat(PLAIN);
    awaitInquiry();
    awaitSoon(() -> primaryStatus(client).capabilities().contains(TOOLS));

    assertThat(primaryStatus(client).capabilities()).containsExactly(VISION, TOOLS, JSON_SCHEMA);
    assertThat(primaryStatus(client).contextLength()).hasValue(1000);
    assertThat(client.chat(IMAGE).text()).isEqualTo("PRIMARY");
  }

  @Test
  void aServerThatHasReportedIsNotAskedAgain() {
    LlmClient client = reported("\"completion\"");
    for (int i = 0; i < 20; i++) {
      client.chat(PLAIN);
    }
    awaitInquiry();
    client.warmUp().join();
    assertThat(nodes.primary().inquiries()).hasSize(1);
  }

  @Test
  void noCallWaitsForTheReport() {
    nodes.primary().respondToInquiriesWith(OllamaReplies.hanging());
    LlmClient client = nodes.client();
    for (int i = 0; i < 20; i++) {
      assertThat(client.chat(PLAIN).text()).isEqualTo("PRIMARY");
    }
    awaitInquiry();
    awaitSoon(() -> !nodes.primary().inquiries().isEmpty());
    assertThat(nodes.primary().inquiries()).hasSize(1);
    assertThat(primaryStatus(client).contextLength()).isEmpty();
  }

  @Test
  void aServerThatReportsNothingSkipsNothing() {
    LlmClient client = nodes.client();
    client.chat(PLAIN);
    awaitInquiry();
    awaitSoon(() -> !nodes.primary().inquiries().isEmpty());
    assertThat(client.chat(IMAGE).text()).isEqualTo("PRIMARY");
    assertThat(primaryStatus(client).capabilities()).isEmpty();
    assertThat(primaryStatus(client).lacking()).isEmpty();
  }

  @Test
  void anOlderServerWithoutAListSaysNothingAboutCapabilities() {
    LlmClient client = nodes.client();
    nodes.primary().respondToInquiriesWith(json("{\"model_info\":{\"llama.context_length\":512}}"));
    client.chat(PLAIN);
    awaitReport(client);
    assertThat(primaryStatus(client).lacking()).isEmpty();
    assertThat(client.chat(IMAGE).text()).isEqualTo("PRIMARY");
  }

  @Test
  void theTableHasAColumnForContextsAndOneForCapabilities() {
    LlmClient client = reported("\"completion\",\"vision\"");
    assertThat(client.status().toString().lines().map(String::stripTrailing))
        .satisfiesExactly(
            head -> assertThat(head).endsWith("  context  can                 why"),
            primary -> assertThat(primary).endsWith("    40960  vision+json_schema"),
            fallback ->
                assertThat(fallback).endsWith("        -  -                   not asked yet"));
  }

  @Test
  void aWarmUpAsksToo() {
    nodes.primary().respondToProbesWith(loadedWith(8192));
    nodes.primary().respondToInquiriesWith(show("\"completion\",\"vision\""));
    LlmClient client = nodes.client();
    EndpointStatus status = client.warmUp().join().endpoints().get(0);
    assertThat(status.contextLength()).hasValue(8192);
    assertThat(status.capabilities()).contains(VISION);
  }

  @Test
  void aManagedEndpointIsNotAsked() {
    LlmClient client = nodes.client(primary -> primary.locality(Locality.MANAGED));
    client.chat(PLAIN);
    client.warmUp().join();
    assertThat(nodes.primary().inquiries()).isEmpty();
  }

  @Test
  void aServerThatWasDownIsForgottenAndAskedAgain() throws Exception {
    LlmClient client = reported("\"completion\"");
    assertThat(client.chat(IMAGE).text()).isEqualTo("FALLBACK");

    nodes.primary().close();
    assertThat(client.chat(PLAIN).text()).isEqualTo("FALLBACK");
    assertThat(primaryStatus(client).contextLength()).isEmpty();
    assertThat(primaryStatus(client).lacking()).isEmpty();

    nodes.primary().respondToInquiriesWith(show("\"completion\",\"vision\""));
    nodes.primary().restart();
    client.recheck("primary").join();
    assertThat(client.chat(IMAGE).text()).isEqualTo("PRIMARY");
    awaitReport(client);
    assertThat(primaryStatus(client).capabilities()).contains(VISION);
    assertThat(nodes.primary().inquiries()).hasSize(2);
  }

  @Test
  void aServerThatChangedUnseenIsReadAgainWhenItsOldReportSkipsARequest() {
    LlmClient client = reported("\"completion\"");
    nodes.primary().respondToInquiriesWith(show("\"completion\",\"vision\""));
    assertThat(client.chat(IMAGE).text()).isEqualTo("FALLBACK");
    assertThat(nodes.primary().inquiries()).hasSize(1);

    nodes.time().advance(Duration.ofMinutes(10));
    client.explain(IMAGE);
    assertThat(nodes.primary().inquiries()).hasSize(1);
    assertThat(client.chat(IMAGE).text()).isEqualTo("FALLBACK");
    awaitSoon(() -> primaryStatus(client).capabilities().contains(VISION));
    assertThat(client.chat(IMAGE).text()).isEqualTo("PRIMARY");
  }

  @Test
  void aLlamaServerReportsTheContextOfASlotAndItsModalities() {
    Node server = loopback.node(ServerReplies.openAi("LLAMA"));
    server.respondToInquiriesWith(
        json(
            "{\"default_generation_settings\":{\"n_ctx\":2048},"
                + "\"modalities\":{\"vision\":false,\"audio\":false}}"));
    LlmClient client =
        nodes.client(
            Endpoint.openAi("llama", server.url()).model("m").dialect(Dialect.LLAMA_SERVER));
    client.chat(PLAIN);
    awaitReport(client);

    EndpointStatus status = primaryStatus(client);
    assertThat(status.contextLength()).isEqualTo(OptionalInt.of(2048));
    assertThat(status.capabilities()).containsExactly(Capability.JSON_SCHEMA);
    assertThat(status.lacking()).containsExactly(VISION);
    assertThat(client.chat(IMAGE).text()).isEqualTo("FALLBACK");
    assertThat(server.inquiries()).hasSize(1);
    assertThat(server.inquiries().get(0).line()).startsWith("GET /props");
  }
}
