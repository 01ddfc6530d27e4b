// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.streaming;

import static dev.offmeter.testing.Loopback.ollama;
import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.ChatEvent;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatStream;
import dev.offmeter.LlmClient;
import dev.offmeter.LlmException;
import dev.offmeter.StreamRecovery;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import java.nio.charset.StandardCharsets;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * However the bytes of a reply are split, and wherever it is cut: the reader sees the answer
 * exactly, or learns that it is not the answer.
 */
@Timeout(60)
class StreamPropertyTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private static final String[] PIECES = {
    "<think>",
    "Zoë 🤔 <b>",
    "</think>",
    "\\n",
    "Dear Zoë,",
    " 🚲",
    "\\u00e9\\ud83d\\ude00",
    " x < y",
    "."
  };
  private static final String ANSWER = "Dear Zoë, 🚲é😀 x < y.";
  private static final byte[] REPLY =
      (OllamaReplies.STREAM_HEAD
              + OllamaReplies.tokens(PIECES)
              + OllamaReplies.end("stop", 9)
              + OllamaReplies.LAST_CHUNK)
          .getBytes(StandardCharsets.UTF_8);
  private static final int HEAD = OllamaReplies.STREAM_HEAD.length();

  /** The reply is whole for its reader once the line with the end marker is. */
  private static final int WHOLE =
      REPLY.length - OllamaReplies.LAST_CHUNK.length() - "\n\r\n".length();

  private Node node;
  private LlmClient client;

  @BeforeEach
  void start() {
    node = loopback.node(OllamaReplies.hanging());
    Node fallback = loopback.node(OllamaReplies.answering("FALLBACK"));
    client =
        loopback.client(
            LlmClient.builder()
                .endpoint(ollama("node", node).build())
                .endpoint(ollama("fallback", fallback).build()));
  }

  private static Node.Script bytes(int length, Random splits) {
    return (connection, request) -> {
      int from = 0;
      while (from < length) {
        int to = Math.min(length, from + 1 + splits.nextInt(splits.nextInt(3) == 0 ? 4 : 200));
        connection.send(REPLY, from, to - from);
        from = to;
      }
      if (length < REPLY.length) {
        connection.close();
      }
    };
  }

  private static ChatRequest request(StreamRecovery recovery) {
    return ChatRequest.builder().user("draft a reminder").onBrokenStream(recovery).build();
  }

  @Test
  void anySplitGivesTheAnswerExactly() {
    for (int seed = 0; seed < 300; seed++) {
      node.respondWith(bytes(REPLY.length, new Random(seed)));
      StringBuilder shown = new StringBuilder();
      try (ChatStream stream = client.stream(request(StreamRecovery.FAIL))) {
        stream.textStream().forEach(shown::append);
        assertThat(stream.response().text()).as("seed %d", seed).isEqualTo(ANSWER);
      }
      assertThat(shown).as("seed %d", seed).hasToString(ANSWER);
    }
  }

  @Test
  void anyCutIsToldToAReaderWhoMayNotRestart() {
    for (int cut = HEAD; cut < REPLY.length; cut += 3) {
      node.respondWith(bytes(cut, new Random(cut)));
      StringBuilder shown = new StringBuilder();
      LlmException broken = null;
      try (ChatStream stream = client.stream(request(StreamRecovery.FAIL))) {
        stream.textStream().forEach(shown::append);
      } catch (LlmException e) {
        broken = e;
      }
      if (cut >= WHOLE) {
        assertThat(shown).as("cut at %d", cut).hasToString(ANSWER);
      } else if (broken == null) {
        assertThat(shown).as("cut at %d", cut).hasToString("FALLBACK");
      } else {
        assertThat(broken.partialText()).as("cut at %d", cut).isEqualTo(shown.toString());
        assertThat(ANSWER).startsWith(shown);
      }
      comesBack();
    }
  }

  @Test
  void anyCutIsMendedForAReaderWhoFollowsTheRestarts() {
    for (int cut = HEAD; cut < REPLY.length; cut += 3) {
      node.respondWith(bytes(cut, new Random(cut)));
      StringBuilder shown = new StringBuilder();
      try (ChatStream stream = client.stream(request(StreamRecovery.RESTART))) {
        for (ChatEvent event : stream) {
          if (event instanceof ChatEvent.TextDelta delta) {
            shown.append(delta.text());
          } else if (event instanceof ChatEvent.Restarted restarted) {
            shown.setLength(shown.length() - restarted.discardText());
          }
        }
        assertThat(shown).hasToString(stream.response().text());
      }
      assertThat(shown).as("cut at %d", cut).hasToString(cut >= WHOLE ? ANSWER : "FALLBACK");
      comesBack();
    }
  }

  /** An answer, so that the cuts never take the node down. */
  private void comesBack() {
    node.respondWith(bytes(REPLY.length, new Random(0)));
    assertThat(client.chat("draft a reminder").text()).isEqualTo(ANSWER);
  }
}
