// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples.stream;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.testkit.FakeLlm;
import java.io.IOException;
import java.util.stream.Stream;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.test.annotation.DirtiesContext;
import org.springframework.test.context.DynamicPropertyRegistry;
import org.springframework.test.context.DynamicPropertySource;

/** What a page sees, whatever the server. Each test has a client that knows of no failure yet. */
@DirtiesContext(classMode = DirtiesContext.ClassMode.AFTER_EACH_TEST_METHOD)
abstract class StreamScenarios {
  @RegisterExtension static final FakeLlm macMini = FakeLlm.ollama();
  @RegisterExtension static final FakeLlm arm = FakeLlm.ollama();

  @Value("${local.server.port}")
  private int port;

  @DynamicPropertySource
  static void nodes(DynamicPropertyRegistry properties) {
    properties.add("offmeter.endpoints[0].name", () -> "mac-mini");
    properties.add("offmeter.endpoints[0].url", macMini::url);
    properties.add("offmeter.endpoints[1].name", () -> "arm");
    properties.add("offmeter.endpoints[1].url", arm::url);
    properties.add("offmeter.endpoints[1].model", () -> "qwen3:4b");
    properties.add("heartbeat", () -> "100ms");
  }

  static Stream<String> paths() {
    return Stream.of();
  }

  private Page ask(String path) throws IOException {
    return new Page("http://localhost:" + port + path + "?question=Hello");
  }

  @ParameterizedTest
  @MethodSource("paths")
  void thePageShowsTheAnswerWhileItIsWritten(String path) throws IOException {
    macMini.streams("Dear", " Ms Kern,\nthank you").stallsAfter(2);

    try (Page page = ask(path)) {
      assertThat(page.contentType()).startsWith("text/event-stream");
      assertThat(page.next()).isEqualTo("text {\"text\":\"Dear\"}");
      assertThat(page.next()).isEqualTo("text {\"text\":\" Ms Kern,\\nthank you\"}");
    }
  }

  @ParameterizedTest
  @MethodSource("paths")
  void aRestartTakesBackWhatWasShown(String path) throws IOException {
    macMini.streams("Dear", " Mr").cutsAfter(2);
    arm.streams("Dear Ms Kern");

    try (Page page = ask(path)) {
      assertThat(page.rest())
          .containsExactly(
              "text {\"text\":\"Dear\"}",
              "text {\"text\":\" Mr\"}",
              "restarted {\"discard\":7}",
              "text {\"text\":\"Dear Ms Kern\"}",
              "completed {\"endpoint\":\"arm\"}");
    }
  }

  @ParameterizedTest
  @MethodSource("paths")
  void thePageIsToldWhenNobodyAnswers(String path) throws IOException {
    macMini.status(500);
    arm.status(500);

    try (Page page = ask(path)) {
      assertThat(page.rest()).containsExactly("failed {\"shown\":false}");
    }
  }

  @ParameterizedTest
  @MethodSource("paths")
  void aNodeStopsWhenThePageIsClosed(String path) throws Exception {
    macMini.streams("Dear", " Ms", " Kern").stallsAfter(1);

    try (Page page = ask(path)) {
      assertThat(page.next()).isEqualTo("text {\"text\":\"Dear\"}");
    }

    macMini.awaitRequest(1).awaitClosed();
  }
}
