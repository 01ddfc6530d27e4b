// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.wire;

import dev.offmeter.ChatRequest;
import dev.offmeter.ChatStream;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.testing.Connection;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.wire.HeapShare.TooLarge;
import java.io.IOException;
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
final class HonestCrowd {
  private static final String HEAD = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
  private static final int EACH = 25;
  private static final int BYTES = 1 << 20;
  private static final int REFUSALS = 12;

  private static final ChatRequest REQUEST =
      ChatRequest.builder().user("draft a reminder").maxTokens(1_000_000).build();

  private final CountDownLatch all = new CountDownLatch(EACH * Spoken.values().length);
  private final ExecutorService callers = Executors.newCachedThreadPool();
  private final Loopback loopback = new Loopback();
  private boolean wrong;

  private HonestCrowd() {}

  public static void main(String[] args) throws Exception {
    HonestCrowd crowd = new HonestCrowd();
    crowd.manyAtOnce();
    for (Spoken spoken : Spoken.values()) {
      crowd.whileOthersTakeTheHeap(spoken);
    }
    System.exit(crowd.wrong ? 1 : 0);
  }

  private void manyAtOnce() throws Exception {
    List<LlmClient> clients = new ArrayList<>();
    List<Future<String>> answers = new ArrayList<>();
    for (Spoken spoken : Spoken.values()) {
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
  private Node.Script halves(Spoken spoken) {
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

  private static void sendHalf(Connection connection, Spoken spoken) throws IOException {
    String pieces = spoken.piece("one ") + spoken.piece("more ") + spoken.piece("word. ");
    String some = pieces.repeat(50);
    for (int sent = 0; sent < BYTES / 2; sent += some.length()) {
      connection.send(some);
    }
  }

  /** Nobody knows then how long the line would be, and the server is not to blame. */
  private void whileOthersTakeTheHeap(Spoken spoken) {
    String whole = spoken.whole("word ".repeat(BYTES / 5));
    Node node =
        loopback.node(
            (connection, request) -> {
              connection.send(HEAD + whole);
              connection.close();
            });
    LlmClient client = client(spoken, node);
    List<HeapShare> others = new ArrayList<>();
    for (int i = 0; i < 8; i++) {
      others.add(filled());
    }
    for (int i = 0; i < REFUSALS; i++) {
      expect(spoken + " without room", "template RESPONSE_TOO_LARGE", told(client));
    }
    expectUp(client);
    others.forEach(HeapShare::release);
    expect(spoken + " with room", "node", told(client));
  }

  private static HeapShare filled() {
    HeapShare share = new HeapShare();
    try {
      while (true) {
        share.grow(HeapShare.FREE);
      }
    } catch (TooLarge e) {
      return share;
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

  private static LlmClient client(Spoken spoken, Node node) {
    Endpoint.Builder first = spoken.endpoint("node", node.url());
    return LlmClient.builder()
        .endpoint(first.apiKey("k").build())
        .endpoint(Endpoint.local("template", request -> "TEMPLATE").build())
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
