// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.streaming;

import static dev.offmeter.testing.Loopback.ollama;
import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.ChatEvent;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatStream;
import dev.offmeter.LlmClient;
import dev.offmeter.StreamRecovery;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A piece of a stream holds whole characters. */
class StreamedCharactersTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      ignoreLeadingAndTrailingWhitespace = false,
      value = {
        "Hi \\ud83d|\\ude00!|Hi |😀!",
        "a 👩|\u200d🚀 b|a |👩\u200d🚀 b",
        "a 👍|🏽|a |👍🏽",
        "a \\ud83d|b|a |\ufffdb",
        "a 😀| b|a |😀 b",
        "plain|ly|plain|ly"
      })
  void whatMayGoOnWaitsForTheNext(String one, String two, String first, String second) {
    Node node = loopback.node(OllamaReplies.answering(one, two));
    LlmClient client = loopback.client(LlmClient.builder().endpoint(ollama("node", node).build()));
    for (StreamRecovery recovery : List.of(StreamRecovery.FAIL, StreamRecovery.RESTART)) {
      List<String> shown = new ArrayList<>();
      ChatRequest request = ChatRequest.builder().user("hello").onBrokenStream(recovery).build();
      try (ChatStream stream = client.stream(request)) {
        for (ChatEvent event : stream) {
          if (event instanceof ChatEvent.TextDelta delta) {
            shown.add(delta.text());
          }
        }
        assertThat(stream.response().text()).isEqualTo(String.join("", shown));
      }
      assertThat(shown).containsExactly(first, second);
    }
    assertThat(client.chat("hello").text()).isEqualTo(first + second);
  }
}
