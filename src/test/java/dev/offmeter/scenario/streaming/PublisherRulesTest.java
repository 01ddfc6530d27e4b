// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.streaming;

import static dev.offmeter.testing.Loopback.ollama;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import dev.offmeter.ChatEvent;
import dev.offmeter.ChatRequest;
import dev.offmeter.LlmClient;
import dev.offmeter.testing.Connection;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Flow;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.reactivestreams.tck.TestEnvironment;
import org.reactivestreams.tck.flow.FlowPublisherVerification;
import org.testng.SkipException;

/** The rules of Reactive Streams for publishers, as their authors test them. */
@Timeout(120)
class PublisherRulesTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  /**
   * The time in ms that a signal that must come may take, and that one that must not is waited for.
   */
  private static final TestEnvironment PATIENCE = new TestEnvironment(10_000, 50, 50);

  /** The time that a subscriber that has cancelled may be held before it must be garbage. */
  private static final long GARBAGE_MILLIS = 2_000;

  private static final String ONE_CALL_EACH =
      "every subscriber has a call, and an answer, of its own: nothing is multicast";

  /**
   * The reason to skip a rule: a stream that completes has at least the event {@code Completed}.
   */
  private static final String NEVER_EMPTY =
      "optional_spec105_emptyStreamMustTerminateBySignallingOnComplete";

  private static final String NO_TEST = "the rule has no test, says the kit itself";

  /** Rules that are not shown to hold, each with its reason. */
  private static final Map<String, String> NOT_SHOWN =
      Map.ofEntries(
          Map.entry(
              "optional_spec111_multicast_mustProduceTheSameElementsInTheSameSequenceToAllOfIts"
                  + "SubscribersWhenRequestingManyUpfront",
              ONE_CALL_EACH),
          Map.entry(
              "optional_spec111_multicast_mustProduceTheSameElementsInTheSameSequenceToAllOfIts"
                  + "SubscribersWhenRequestingManyUpfrontAndCompleteAsExpected",
              ONE_CALL_EACH),
          Map.entry(
              "optional_spec111_multicast_mustProduceTheSameElementsInTheSameSequenceToAllOfIts"
                  + "SubscribersWhenRequestingOneByOne",
              ONE_CALL_EACH));

  private static final class Rules extends FlowPublisherVerification<ChatEvent> {
    private final List<LlmClient> clients = new ArrayList<>();
    private final Node node;

    Rules(Node node) {
      super(PATIENCE, GARBAGE_MILLIS);
      this.node = node;
    }

    private LlmClient client() {
      LlmClient client = LlmClient.builder().endpoint(ollama("node", node).build()).build();
      clients.add(client);
      return client;
    }

    /**
     * Returns a publisher of so many events: the last is {@code Completed}, the others are text.
     */
    @Override
    public Flow.Publisher<ChatEvent> createFlowPublisher(long events) {
      ChatRequest.Builder request = ChatRequest.builder().user("events=" + events + ";");
      if (events == 1) {
        request.tool("call", "an answer without text", "{}");
      }
      return client().publish(request.build());
    }

    @Override
    public Flow.Publisher<ChatEvent> createFailedFlowPublisher() {
      LlmClient client = client();
      client.close();
      return client.publish(ChatRequest.builder().user("events=3;").build());
    }

    void end() {
      clients.forEach(LlmClient::close);
    }
  }

  private static void answer(Connection connection, Connection.Request request) throws IOException {
    String body = request.body();
    int from = body.indexOf("events=") + 7;
    long events = Long.parseLong(body.substring(from, body.indexOf(';', from)));
    connection.send(OllamaReplies.STREAM_HEAD);
    if (events == 1) {
      connection.send(
          OllamaReplies.chunk(
              "{\"message\":{\"content\":\"\",\"tool_calls\":[{\"function\":{\"name\":\"call\","
                  + "\"arguments\":{}}}]},\"done\":false}\n"));
    }
    for (long i = 1; i < events; i++) {
      connection.send(OllamaReplies.tokens("x"));
    }
    connection.send(OllamaReplies.end("stop", 1) + OllamaReplies.LAST_CHUNK);
  }

  @TestFactory
  Stream<DynamicTest> everyRuleHoldsOrSaysWhyNot() {
    Node node = loopback.node(PublisherRulesTest::answer);
    return Arrays.stream(FlowPublisherVerification.class.getMethods())
        .filter(method -> method.isAnnotationPresent(org.testng.annotations.Test.class))
        .filter(method -> !method.getName().equals(NEVER_EMPTY))
        .sorted(Comparator.comparing(Method::getName))
        .map(rule -> DynamicTest.dynamicTest(rule.getName(), () -> check(rule, new Rules(node))));
  }

  private static void check(Method rule, Rules rules) throws Throwable {
    boolean hasTest = !rule.getName().startsWith("untested_");
    String reason = hasTest ? NOT_SHOWN.get(rule.getName()) : NO_TEST;
    try {
      rules.setUp();
      rule.invoke(rules);
      assertThat(reason).as("the rule holds, and its reason is out of date").isNull();
    } catch (InvocationTargetException e) {
      if (!(e.getCause() instanceof SkipException)) {
        throw e.getCause();
      }
      if (reason == null) {
        fail("a rule that is not shown to hold needs a reason", e.getCause());
      }
    } finally {
      rules.end();
    }
  }
}
