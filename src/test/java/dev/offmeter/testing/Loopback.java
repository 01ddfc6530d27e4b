// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.offmeter.Endpoint;
import dev.offmeter.LlmClient;
import dev.offmeter.testkit.FakeLlm;
import dev.offmeter.testkit.FakeRequest;
import io.github.resilience4j.bulkhead.Bulkhead;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import org.awaitility.core.ConditionTimeoutException;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/**
 * Owns the nodes and clients of one test. After the test it closes the clients and checks that they
 * leave nothing behind: no connection that a node still sees, no thread, no timer.
 */
public final class Loopback implements AfterEachCallback {
  private final List<Node> nodes = new ArrayList<>();
  private final List<FakeLlm> fakes = new ArrayList<>();
  private final List<LlmClient> clients = new ArrayList<>();
  private final List<ManualTime> times = new ArrayList<>();

  /** Starts a node that runs until the end of the test. */
  public Node node(Node.Script script) {
    Node node = new Node(script);
    nodes.add(node);
    return node;
  }

  /** Lets a server of the test kit run until the end of the test. */
  public FakeLlm fake(FakeLlm fake) {
    fakes.add(fake);
    return fake;
  }

  /** Returns an address where nothing listens. */
  public static String unusedUrl() {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return "http://127.0.0.1:" + socket.getLocalPort();
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  /** Returns an endpoint for a node, with a model. */
  public static Endpoint.Builder ollama(String name, Node node) {
    return Endpoint.ollama(name, node.url()).model(name + "-model");
  }

  /** Waits for a condition that is about to hold. */
  public static void awaitSoon(Callable<Boolean> condition) {
    await().pollDelay(Duration.ZERO).pollInterval(Duration.ofMillis(1)).until(condition);
  }

  /** Builds a client, which is closed at the end of the test. */
  public LlmClient client(LlmClient.Builder builder) {
    LlmClient client = builder.build();
    clients.add(client);
    return client;
  }

  /** Returns a time whose timers are checked at the end of the test. */
  public ManualTime manualTime() {
    ManualTime time = new ManualTime();
    times.add(time);
    return time;
  }

  @Override
  public void afterEach(ExtensionContext context) {
    clients.forEach(LlmClient::close);
    boolean timersLeft = !soon(() -> times.stream().allMatch(ManualTime::isEmpty));
    boolean placesLeft = !soon(() -> clients.stream().allMatch(Loopback::hasAllPlaces));
    boolean connectionsLeft = !soon(() -> nodes.stream().allMatch(n -> n.openConnections() == 0));
    connectionsLeft |= !soon(() -> fakes.stream().allMatch(Loopback::hasNoConnection));
    nodes.forEach(Node::close);
    fakes.forEach(FakeLlm::close);
    boolean threadsLeft = !soon(() -> threads().isEmpty());
    if (context.getExecutionException().isEmpty()) {
      assertThat(timersLeft).as("timers left").isFalse();
      assertThat(placesLeft).as("places of a bulkhead left").isFalse();
      assertThat(connectionsLeft).as("connections left").isFalse();
      assertThat(threadsLeft).as("threads left: %s", threads()).isFalse();
    }
  }

  private static boolean hasNoConnection(FakeLlm fake) {
    return Stream.concat(fake.requests().stream(), fake.probes().stream())
        .allMatch(FakeRequest::isClosed);
  }

  private static boolean hasAllPlaces(LlmClient client) {
    return client.resilience4j().bulkheads().getAllBulkheads().stream()
        .map(Bulkhead::getMetrics)
        .allMatch(m -> m.getAvailableConcurrentCalls() == m.getMaxAllowedConcurrentCalls());
  }

  private static boolean soon(Callable<Boolean> condition) {
    try {
      await().atMost(Duration.ofSeconds(2)).pollInterval(Duration.ofMillis(2)).until(condition);
      return true;
    } catch (ConditionTimeoutException e) {
      return false;
    }
  }

  private static List<String> threads() {
    return Thread.getAllStackTraces().keySet().stream()
        .map(Thread::getName)
        .filter(name -> name.startsWith("offmeter-"))
        .toList();
  }
}
