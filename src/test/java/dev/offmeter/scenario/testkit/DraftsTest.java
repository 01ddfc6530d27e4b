// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.offmeter.Endpoint;
import dev.offmeter.LlmClient;
import dev.offmeter.testkit.FakeLlm;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class DraftsTest {
  @RegisterExtension static FakeLlm node = FakeLlm.ollama();

  @Test
  void theTemplateAnswersWhenTheNodeDiesInMidAnswer() {
    node.streams("Dear", " Ms Kern").cutsAfter(1);
    Endpoint template = Endpoint.local("template", request -> "Dear customer").build();
    try (LlmClient llm =
        LlmClient.builder().endpoint(node.endpoint("node").build()).endpoint(template).build()) {
      assertEquals("Dear customer", llm.chat("Draft a reminder.").text());
      assertEquals("Draft a reminder.", node.requests().get(0).lastMessage());
    }
  }
}
