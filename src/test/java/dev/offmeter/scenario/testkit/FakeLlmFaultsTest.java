// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.testkit;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testkit.FakeLlm;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Each fault of the test kit's server, in each API, is seen by a client as the kind it is of. */
class FakeLlmFaultsTest {
  @RegisterExtension private final Loopback loopback = new Loopback();

  private static final Map<String, Supplier<FakeLlm>> APIS =
      Map.of(
          "Ollama", FakeLlm::ollama,
          "OpenAI", FakeLlm::openAi,
          "Gemini", FakeLlm::gemini,
          "Anthropic", FakeLlm::anthropic);

  private record Fault(Consumer<FakeLlm> script, FailureKind kind) {}

  private static Map<String, Fault> faults() {
    Map<String, Fault> faults = new LinkedHashMap<>();
    add(faults, "hangs", FakeLlm::hangs, FailureKind.FIRST_TOKEN_TIMEOUT);
    add(faults, "refuses", FakeLlm::refuses, FailureKind.CONNECTION_REFUSED);
    add(faults, "html", FakeLlm::html, FailureKind.UNEXPECTED_RESPONSE);
    add(faults, "tunnelDown", FakeLlm::tunnelDown, FailureKind.TUNNEL_DOWN);
    add(faults, "cutsAfter(0)", node -> node.cutsAfter(0), FailureKind.CONNECTION_LOST);
    add(faults, "cutsAfter(1)", node -> node.cutsAfter(1), FailureKind.TRUNCATED);
    add(faults, "cutsAfter(all)", node -> node.answers("x").cutsAfter(1), FailureKind.TRUNCATED);
    add(faults, "stallsAfter(0)", node -> node.stallsAfter(0), FailureKind.FIRST_TOKEN_TIMEOUT);
    add(faults, "stallsAfter(2)", node -> node.stallsAfter(2), FailureKind.STALLED);
    add(faults, "failsAfter(0)", node -> node.failsAfter(0), FailureKind.STREAM_ERROR);
    add(faults, "failsAfter(2)", node -> node.failsAfter(2), FailureKind.STREAM_ERROR);
    add(faults, "400", node -> node.status(400), FailureKind.BAD_REQUEST);
    add(faults, "401", node -> node.status(401), FailureKind.UNAUTHORIZED);
    add(faults, "402", node -> node.status(402), FailureKind.QUOTA_EXCEEDED);
    add(faults, "403", node -> node.status(403), FailureKind.UNAUTHORIZED);
    add(faults, "404", node -> node.status(404), FailureKind.MODEL_NOT_FOUND);
    add(faults, "404 text", node -> node.status(404, "nothing"), FailureKind.PATH_NOT_FOUND);
    add(faults, "429", node -> node.status(429), FailureKind.RATE_LIMITED);
    add(faults, "500", node -> node.status(500), FailureKind.SERVER_ERROR);
    add(faults, "502", node -> node.status(502), FailureKind.ORIGIN_UNREACHABLE);
    add(faults, "503", node -> node.status(503), FailureKind.SERVER_BUSY);
    add(faults, "504", node -> node.status(504), FailureKind.GATEWAY_TIMEOUT);
    add(faults, "529", node -> node.status(529), FailureKind.SERVER_BUSY);
    Duration wait = Duration.ofSeconds(30);
    add(faults, "rateLimited", node -> node.rateLimited(wait), FailureKind.RATE_LIMITED);
    return faults;
  }

  private static void add(
      Map<String, Fault> faults, String name, Consumer<FakeLlm> script, FailureKind kind) {
    faults.put(name, new Fault(script, kind));
  }

  @TestFactory
  Stream<DynamicTest> isSeenByAClientAsItsKind() {
    return APIS.entrySet().stream()
        .flatMap(
            api ->
                faults().entrySet().stream()
                    .map(
                        fault ->
                            DynamicTest.dynamicTest(
                                api.getKey() + " " + fault.getKey(),
                                () -> check(api.getValue(), fault.getValue()))));
  }

  private void check(Supplier<FakeLlm> api, Fault fault) {
    try (FakeLlm node = api.get();
        LlmClient client = client(node)) {
      fault.script().accept(node);

      ChatResponse response = client.chat("Say x.");

      assertThat(response.text()).isEqualTo("TEMPLATE");
      assertThat(response.attempts().get(0).failure()).contains(fault.kind());
    }
  }

  private LlmClient client(FakeLlm node) {
    Duration limit = Duration.ofMillis(600);
    return LlmClient.builder()
        .endpoint(
            node.endpoint("node")
                .timeout(Duration.ofSeconds(5))
                .firstTokenTimeout(limit)
                .stallTimeout(limit)
                .build())
        .endpoint(Endpoint.local("template", request -> "TEMPLATE").build())
        .build();
  }

  @TestFactory
  Stream<DynamicTest> answersWhole() {
    return APIS.entrySet().stream()
        .map(api -> DynamicTest.dynamicTest(api.getKey(), () -> checkAnswers(api.getValue())));
  }

  private void checkAnswers(Supplier<FakeLlm> api) {
    try (FakeLlm node = api.get();
        LlmClient client = client(node)) {
      assertThat(client.chat("Say x.").text()).isEqualTo("This is a scripted answer.");

      node.streams("Dear \"", "Ms Kern\n").thinks("Hm.", " Well.");
      ChatResponse response = client.chat("Say x.");

      assertThat(response.text()).isEqualTo("Dear \"Ms Kern\n");
      assertThat(response.thinking()).isEqualTo("Hm. Well.");
      assertThat(response.usage().inputTokens()).isEqualTo(10);
      assertThat(response.usage().outputTokens()).isEqualTo(4);
      ChatResponse.ToolCall call = new ChatResponse.ToolCall("c1", "lookup", "{\"id\":1042}");
      node.callsTools(call, new ChatResponse.ToolCall("c2", "send", "{}"));
      List<ChatResponse.ToolCall> calls = client.chat(withTools()).toolCalls();
      assertThat(calls).extracting(ChatResponse.ToolCall::name).containsExactly("lookup", "send");
      assertThat(calls.get(0).arguments()).isEqualTo("{\"id\":1042}");
      assertThat(node.requests()).hasSize(3);
      assertThat(node.requests().get(0).lastMessage()).isEqualTo("Say x.");
      assertThat(node.requests().get(0).model()).isEqualTo("fake-model");
    }
  }

  private static ChatRequest withTools() {
    return ChatRequest.builder()
        .user("Say x.")
        .tool("lookup", "Finds an invoice.", "{\"type\":\"object\"}")
        .tool("send", "Sends a letter.", "{\"type\":\"object\"}")
        .build();
  }
}
