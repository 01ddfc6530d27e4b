// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.security;

import static dev.offmeter.testing.TwoNodes.template;

import dev.offmeter.ChatRequest;
import dev.offmeter.ChatStream;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.internal.wire.HeapBudget;
import dev.offmeter.internal.wire.HeapBudget.TooLargeException;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.testing.Connection;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.ProtocolReplies;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * A process in which many streams are read at once, each of them long and none of them kept but for
 * its text; then a few while others have taken the heap. Prints a line that begins with WRONG for
 * each that ends otherwise than it should.
 */
final class ManyStreamsProgram {
  private static final String HEAD = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
  private static final int EACH = 25;
  private static final int BYTES = 1 << 20;
  private static final int REFUSALS = 12;

  private static final ChatRequest REQUEST =
      ChatRequest.builder().user("draft a reminder").maxTokens(1_000_000).build();

  private final CountDownLatch all = new CountDownLatch(EACH * ProtocolReplies.values().length);
  private final ExecutorService callers = Executors.newCachedThreadPool();
  private final Loopback loopback = new Loopback();
  private boolean wrong;

  private ManyStreamsProgram() {}

  public static void main(String[] args) throws Exception {
    ManyStreamsProgram crowd = new ManyStreamsProgram();
    crowd.manyAtOnce();
    for (ProtocolReplies spoken : ProtocolReplies.values()) {
      crowd.whileOthersTakeTheHeap(spoken);
    }
    System.exit(crowd.wrong ? 1 : 0);
  }

  private void manyAtOnce() throws Exception {
    List<LlmClient> clients = new ArrayList<>();
    List<Future<String>> answers = new ArrayList<>();
    for (ProtocolReplies spoken : ProtocolReplies.values()) {
      LlmClient client = client(spoken, loopback.node(halves(spoken)));
      clients.add(client);
      for (int i = 0; i < EACH; i++) {
        answers.add(callers.submit(() -> answered(client)));
      }
    }
    for (Future<String> answer : answers) {
      expect("a stream", "node", answer.get());
    }
    clients.forEach(this::expectUp);
  }

  /** The second half comes once all have sent the first. */
  private Node.Script halves(ProtocolReplies spoken) {
    return (connection, request) -> {
      connection.send(HEAD);
      sendHalf(connection, spoken);
      all.countDown();
      try {
        all.await();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
      sendHalf(connection, spoken);
      connection.send(spoken.end(false));
      connection.close();
    };
  }

  private static void sendHalf(Connection connection, ProtocolReplies spoken) throws IOException {
    String pieces =
        spoken.textDelta("one ") + spoken.textDelta("more ") + spoken.textDelta("word. ");
    String some = pieces.repeat(50);
    for (int sent = 0; sent < BYTES / 2; sent += some.length()) {
      connection.send(some);
    }
  }

  /** Reads a long line while others fill the heap: the server is not to blame for that. */
  private void whileOthersTakeTheHeap(ProtocolReplies spoken) {
    String whole = spoken.completeReply("word ".repeat(BYTES / 5));
    Node node =
        loopback.node(
            (connection, request) -> {
              connection.send(HEAD + whole);
              connection.close();
            });
    LlmClient client = client(spoken, node);
    List<HeapBudget> others = new ArrayList<>();
    for (int i = 0; i < 8; i++) {
      others.add(filled());
    }
    for (int i = 0; i < REFUSALS; i++) {
      expect(spoken + " without room", "template RESPONSE_TOO_LARGE", told(client));
    }
    expectUp(client);
    others.forEach(HeapBudget::release);
    expect(spoken + " with room", "node", told(client));
  }

  private static HeapBudget filled() {
    HeapBudget heapBudget = new HeapBudget();
    try {
      while (true) {
        heapBudget.grow(HeapBudget.FREE);
      }
    } catch (TooLargeException e) {
      return heapBudget;
    }
  }

  private static String told(LlmClient client) {
    var response = client.chat(REQUEST);
    FailureKind kind = response.attempts().get(0).failure().orElse(null);
    return response.endpoint() + (kind == null ? "" : " " + kind);
  }

  private static String answered(LlmClient client) {
    try (ChatStream stream = client.stream(REQUEST)) {
      var response = stream.response();
      return response.endpoint().equals("node")
          ? "node"
          : response.endpoint() + " " + response.attempts();
    }
  }

  private static LlmClient client(ProtocolReplies spoken, Node node) {
    // A hundred streams on a loaded machine: none of them is to be taken for a stalled one.
    Endpoint.Builder first =
        spoken.endpoint("node", node.url()).stallTimeout(Duration.ofSeconds(60));
    return LlmClient.builder()
        .maxTokensAtMost(1_000_000)
        .endpoint(first.apiKey("k").build())
        .endpoint(template())
        .build();
  }

  private void expectUp(LlmClient client) {
    var status = client.status().endpoints().get(0);
    if (status.state() != EndpointState.UP) {
      tell("the endpoint: " + status);
    }
  }

  private void expect(String who, String expected, String told) {
    if (!told.equals(expected)) {
      tell(who + ": " + told);
    }
  }

  private void tell(String what) {
    wrong = true;
    System.out.println("WRONG " + what);
  }
}
