// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import static dev.offmeter.testing.Loopback.ollama;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.offmeter.observe.EndpointState;
import dev.offmeter.observe.EndpointStatus;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.Replies;
import java.time.Duration;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What an operator is shown of the endpoints. */
@Timeout(20)
class StatusTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private ManualTime time;
  private Node primary;
  private Node fallback;
  private LlmClient client;

  @BeforeEach
  void start() {
    time = loopback.manualTime();
    primary = loopback.node(Replies.answering("PRIMARY"));
    fallback = loopback.node(Replies.answering("FALLBACK"));
    client =
        loopback.client(
            LlmClient.builder()
                .endpoint(ollama("primary", primary).build())
                .endpoint(ollama("fallback", fallback).build())
                .time(time));
  }

  private EndpointStatus primary() {
    return client.status().endpoints().get(0);
  }

  @Test
  void whereLookingTeachesNothingTheNextLookIsTheNextCall() {
    primary.behaves(Replies.status(530, "text/plain", "error code: 1033"));
    client.chat("a reminder");
    time.advance(Duration.ofSeconds(2));
    await().until(() -> primary.asides().size() == 1);
    await().until(() -> primary().nextLook().orElseThrow().toSeconds() > 5);

    assertThat(primary().state()).isEqualTo(EndpointState.DOWN);
    assertThat(primary().nextLook().orElseThrow())
        .isBetween(Duration.ofSeconds(10), Duration.ofSeconds(16));
  }
}
