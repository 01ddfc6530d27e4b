// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.testkit;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ChatStream;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.StreamRecovery;
import dev.offmeter.testkit.FakeLlm;
import dev.offmeter.testkit.FakeRequest;
import dev.offmeter.testkit.ManualClock;
import dev.offmeter.testkit.ScriptedEndpoint;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The code of {@code docs/test-kit.md}, which is compiled and run here. */
@Timeout(60)
class TestKitPageTest {
  private static final Path TESTS = Path.of("src/test/java/dev/offmeter/scenario/testkit");

  @RegisterExtension static FakeLlm node = FakeLlm.ollama();

  @Test
  void waitsForNothing() throws Exception {
    ManualClock clock = new ManualClock();
    ScriptedEndpoint node = ScriptedEndpoint.named("node").hangs();
    ScriptedEndpoint paid = ScriptedEndpoint.answers("paid", "Dear Ms Kern");
    LlmClient.Builder builder = LlmClient.builder().endpoint(node.build()).endpoint(paid.build());
    try (LlmClient llm = clock.drive(builder).build()) {
      CompletableFuture<ChatResponse> draft = llm.chatAsync("Draft a reminder.");
      node.awaitRequest(1);
      clock.advance(Duration.ofSeconds(15));
      assertThat(draft.get().text()).isEqualTo("Dear Ms Kern");
      assertThat(draft.get().attempts().get(0).failure()).contains(FailureKind.ATTEMPT_TIMEOUT);
    }
  }

  @Test
  void readsAScriptInSequence() {
    node.status(503).times(2).then().streams("Dear", " Ms Kern").cutsAfter(1).then().answers("Hi");
    try (LlmClient llm =
        LlmClient.builder().endpoint(node.endpoint("node").retries(3).build()).build()) {
      assertThat(llm.chat("Draft a reminder.").text()).isEqualTo("Hi");
      assertThat(node.askedTimes()).isEqualTo(4);
    }
  }

  @Test
  void seesThatACallWasGivenUp() throws Exception {
    node.hangs();
    try (LlmClient llm = LlmClient.builder().endpoint(node.endpoint("node").build()).build()) {
      CompletableFuture<ChatResponse> draft = llm.chatAsync("Draft a reminder.");
      FakeRequest request = node.awaitRequest(1);
      draft.cancel(true);
      request.awaitClosed();
    }
  }

  @Test
  void restartsAStream() {
    ScriptedEndpoint node = ScriptedEndpoint.named("node").streams("Dear", " Ms Kern").cutsAfter(1);
    ScriptedEndpoint paid = ScriptedEndpoint.answers("paid", "Dear Ms Kern");
    ChatRequest request =
        ChatRequest.builder()
            .user("Draft a reminder.")
            .onBrokenStream(StreamRecovery.RESTART)
            .build();
    List<String> events = new ArrayList<>();
    try (LlmClient llm = LlmClient.builder().endpoint(node.build()).endpoint(paid.build()).build();
        ChatStream stream = llm.stream(request)) {
      stream.forEach(event -> events.add(event.getClass().getSimpleName()));
    }
    assertThat(events).containsExactly("TextDelta", "Restarted", "TextDelta", "Completed");
  }

  @Test
  void thePageShowsTheCodeOfTheseTests() throws IOException {
    String code = flat(source("TestKitPageTest") + source("DraftsTest"));
    Matcher block =
        Pattern.compile("```java\n(.*?)```", Pattern.DOTALL)
            .matcher(Files.readString(Path.of("docs/test-kit.md")));
    int blocks = 0;
    for (; block.find(); blocks++) {
      assertThat(code).contains(flat(block.group(1)));
    }
    assertThat(blocks).isEqualTo(5);
  }

  private static String source(String test) throws IOException {
    return Files.readString(TESTS.resolve(test + ".java"));
  }

  /** Returns code without white space, which the formatter sets as it likes. */
  private static String flat(String code) {
    return code.replaceAll("\\s+", "");
  }
}
