// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.micrometer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.offmeter.AllEndpointsFailedException;
import dev.offmeter.ChatEvent;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatStream;
import dev.offmeter.LlmClient;
import dev.offmeter.observe.LlmListener;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.TwoNodes;
import io.micrometer.observation.Observation;
import io.micrometer.observation.ObservationHandler;
import io.micrometer.observation.ObservationView;
import io.micrometer.observation.tck.TestObservationRegistry;
import io.micrometer.observation.transport.Kind;
import io.micrometer.observation.transport.SenderContext;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Flow;
import java.util.function.UnaryOperator;
import okhttp3.OkHttpClient;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(20)
class OffmeterObservationsTest {
  private static final ChatRequest REQUEST = ChatRequest.builder().user("a reminder").build();

  @RegisterExtension final Loopback loopback = new Loopback();

  private final TestObservationRegistry registry = TestObservationRegistry.create();
  private final Queue<Observation.Context> stopped = new ConcurrentLinkedQueue<>();
  private final Queue<String> events = new ConcurrentLinkedQueue<>();
  private final Queue<String> seenByInterceptors = new ConcurrentLinkedQueue<>();
  private final TwoNodes nodes = TwoNodes.inRealTime(loopback);

  OffmeterObservationsTest() {
    registry
        .observationConfig()
        .observationHandler(
            new ObservationHandler<>() {
              @Override
              public void onStop(Observation.Context context) {
                stopped.add(context);
              }

              @Override
              public void onEvent(Observation.Event event, Observation.Context context) {
                events.add(
                    context.getName() + " " + event.getName() + ": " + event.getContextualName());
              }

              @Override
              public boolean supportsContext(Observation.Context context) {
                return true;
              }
            });
  }

  private LlmClient client() {
    return client(builder -> builder);
  }

  private LlmClient client(UnaryOperator<LlmClient.Builder> settings) {
    OkHttpClient http =
        new OkHttpClient.Builder()
            .addInterceptor(
                chain -> {
                  seenByInterceptors.add(name(registry.getCurrentObservation()));
                  return chain.proceed(chain.request());
                })
            .build();
    return loopback.client(
        settings.apply(
            nodes.builder().httpClient(http).listener(new OffmeterObservations(registry))));
  }

  private static String name(@Nullable ObservationView observation) {
    return observation == null
        ? "nothing"
        : String.valueOf(observation.getContextView().getContextualName());
  }

  private static String parent(Observation.Context context) {
    return name(context.getParentObservation());
  }

  private Observation.Context only(String name) {
    List<Observation.Context> found = named(name);
    assertThat(found).hasSize(1);
    return found.get(0);
  }

  private List<Observation.Context> named(String name) {
    return stopped.stream().filter(context -> context.getName().equals(name)).toList();
  }

  private static String value(Observation.Context context, String key) {
    return context.getAllKeyValues().stream()
        .filter(pair -> pair.getKey().equals(key))
        .map(pair -> pair.getValue())
        .findFirst()
        .orElse("");
  }

  @Test
  void aCallIsAClientSpanWithAChildForItsAttempt() {
    client().chat(REQUEST);

    Observation.Context call = only("offmeter.call");
    assertThat(call.getContextualName()).isEqualTo("chat primary-model");
    assertThat(call)
        .isInstanceOfSatisfying(
            SenderContext.class, sender -> assertThat(sender.getKind()).isEqualTo(Kind.CLIENT));
    assertThat(value(call, "gen_ai.operation.name")).isEqualTo("chat");
    assertThat(value(call, "gen_ai.provider.name")).isEqualTo("ollama");
    assertThat(value(call, "gen_ai.request.model")).isEqualTo("primary-model");
    assertThat(value(call, "gen_ai.response.model")).isEqualTo("served");
    assertThat(value(call, "gen_ai.usage.input_tokens")).isEqualTo("24");
    assertThat(value(call, "error.type")).isEqualTo("none");
    assertThat(call.getError()).isNull();
    Observation.Context attempt = only("offmeter.attempt");
    assertThat(attempt.getContextualName()).isEqualTo("attempt primary");
    assertThat(parent(attempt)).isEqualTo("chat primary-model");
    assertThat(value(attempt, "outcome")).isEqualTo("answered");
    assertThat(value(attempt, "http.response.status_code")).isEqualTo("200");
    assertThat(registry.getCurrentObservation()).isNull();
  }

  @Test
  void whatVariesWithoutBoundIsNoTagOfAMeter() {
    client().chat(REQUEST);

    assertThat(only("offmeter.call").getLowCardinalityKeyValues())
        .extracting(pair -> pair.getKey())
        .containsExactlyInAnyOrder(
            "gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model", "error.type");
    assertThat(only("offmeter.attempt").getLowCardinalityKeyValues())
        .extracting(pair -> pair.getKey())
        .containsExactlyInAnyOrder("endpoint", "outcome");
  }

  @Test
  void aFallThroughIsAnEventAndItsAttemptAnError() {
    nodes.primary().respondWith(OllamaReplies.status(401, "", ""));

    client().chat(REQUEST);

    assertThat(events)
        .containsExactly(
            "offmeter.call fall_through: fall-through from primary to fallback: UNAUTHORIZED");
    assertThat(named("offmeter.attempt"))
        .extracting(context -> value(context, "outcome"))
        .containsExactly("UNAUTHORIZED", "answered");
    assertThat(named("offmeter.attempt").get(0).getError()).hasMessageStartingWith("UNAUTHORIZED");
    assertThat(only("offmeter.call").getError()).isNull();
  }

  @Test
  void aCallThatFailsIsAnError() {
    nodes.primary().respondWith(OllamaReplies.status(401, "", ""));
    nodes.fallback().respondWith(OllamaReplies.status(401, "", ""));

    assertThatThrownBy(() -> client().chat(REQUEST))
        .isInstanceOf(AllEndpointsFailedException.class);

    Observation.Context call = only("offmeter.call");
    assertThat(value(call, "error.type")).isEqualTo("UNAUTHORIZED");
    assertThat(call.getError()).isInstanceOf(AllEndpointsFailedException.class);
  }

  @Test
  void aStreamThatStartsAgainIsAnEvent() {
    nodes
        .primary()
        .respondWith(
            (connection, request) -> {
              connection.send(OllamaReplies.STREAM_HEAD + OllamaReplies.tokens("half"));
              connection.close();
            });

    try (ChatStream stream = client().stream(REQUEST)) {
      assertThat(stream.response().text()).isEqualTo("FALLBACK");
    }

    assertThat(events)
        .containsExactly(
            "offmeter.call restart: restart after primary: TRUNCATED",
            "offmeter.call fall_through: fall-through from primary to fallback: TRUNCATED");
  }

  @Test
  void whileAStreamIsReadTheReadersOwnObservationStaysCurrent() {
    List<String> current = new ArrayList<>();
    request(
        () -> {
          try (ChatStream stream = client().stream(REQUEST)) {
            stream.forEach(event -> current.add(name(registry.getCurrentObservation())));
          }
        });

    assertThat(current).isNotEmpty().containsOnly("a page");
    assertThat(parent(only("offmeter.call"))).isEqualTo("a page");
  }

  /** Does something within an observation of the application's. */
  private void request(Runnable work) {
    Observation.createNotStarted("page", registry).contextualName("a page").observe(work);
  }

  @Test
  void interceptorsFindTheAttempt() {
    nodes.primary().respondWith(OllamaReplies.status(401, "", ""));

    client().chat(REQUEST);

    assertThat(seenByInterceptors).containsExactly("attempt primary", "attempt fallback");
  }

  @Test
  void anAsynchronousCallIsBelowTheObservationOfItsCaller() {
    LlmClient client = client();
    request(() -> client.chatAsync(REQUEST).join());

    assertThat(parent(only("offmeter.call"))).isEqualTo("a page");
    assertThat(seenByInterceptors).containsExactly("attempt primary");
  }

  @Test
  void aPublishedStreamIsBelowTheObservationOfItsCaller() throws Exception {
    LlmClient client = client();
    Ends ends = new Ends();
    request(() -> client.publish(REQUEST).subscribe(ends));
    ends.over.await();

    assertThat(parent(only("offmeter.call"))).isEqualTo("a page");
  }

  private static final class Ends implements Flow.Subscriber<ChatEvent> {
    private final CountDownLatch over = new CountDownLatch(1);

    @Override
    public void onSubscribe(Flow.Subscription subscription) {
      subscription.request(Long.MAX_VALUE);
    }

    @Override
    public void onNext(ChatEvent event) {}

    @Override
    public void onError(Throwable failure) {
      over.countDown();
    }

    @Override
    public void onComplete() {
      over.countDown();
    }
  }

  @Test
  void aHedgeIsBelowTheSameCallAndNoThreadKeepsAScope() {
    nodes.primary().respondWith(OllamaReplies.hanging());
    LlmClient client =
        client(builder -> builder.hedgeAfter(Duration.ofMillis(20)).maxHedgedShare(1));

    request(() -> client.chat(REQUEST));

    assertThat(registry.getCurrentObservation()).isNull();
    Loopback.awaitSoon(() -> named("offmeter.attempt").size() == 2);
    assertThat(named("offmeter.attempt"))
        .allSatisfy(attempt -> assertThat(parent(attempt)).startsWith("chat "))
        .extracting(attempt -> value(attempt, "outcome"))
        .containsExactlyInAnyOrder("CANCELLED", "answered");
    assertThat(seenByInterceptors).containsExactly("attempt primary", "attempt fallback");
    assertThat(parent(only("offmeter.call"))).isEqualTo("a page");
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void aHandlerThatThrowsAtAScopeLeavesNothingBehind(boolean atItsBegin) {
    registry
        .observationConfig()
        .observationHandler(
            new ObservationHandler<>() {
              @Override
              public void onScopeOpened(Observation.Context context) {
                throwIf(atItsBegin);
              }

              @Override
              public void onScopeClosed(Observation.Context context) {
                throwIf(!atItsBegin);
              }

              @Override
              public boolean supportsContext(Observation.Context context) {
                return context.getName().startsWith("offmeter.");
              }
            });

    assertThat(client().chat(REQUEST).endpoint()).isEqualTo("primary");

    assertThat(registry.getCurrentObservation()).isNull();
    only("offmeter.attempt");
    only("offmeter.call");
  }

  private static void throwIf(boolean broken) {
    if (broken) {
      throw new IllegalStateException("a broken handler");
    }
  }

  @Test
  void ofAnAdaptersCallOnlyTheAttemptsAreObserved() {
    ChatRequest adapted = REQUEST.toBuilder().tag(LlmListener.ADAPTER_TAG, "spring-ai").build();
    request(() -> client().chat(adapted));

    assertThat(named("offmeter.call")).isEmpty();
    assertThat(parent(only("offmeter.attempt"))).isEqualTo("a page");
  }

  @Test
  void noPromptIsInThemAndNoAnswerUnlessSwitchedOn() {
    client().chat(REQUEST);
    assertThat(everything()).doesNotContain("a reminder", "PRIMARY");

    nodes.primary().respondWith(OllamaReplies.answering("A \\\"quoted\\\" answer"));
    loopback
        .client(nodes.builder().listener(new OffmeterObservations(registry).withAnswers()))
        .chat(REQUEST);
    assertThat(everything())
        .doesNotContain("a reminder")
        .contains(
            "[{\"role\":\"assistant\",\"parts\":[{\"type\":\"text\",\"content\":"
                + "\"A \\\"quoted\\\" answer\"}],\"finish_reason\":\"stop\"}]");
  }

  private String everything() {
    StringBuilder all = new StringBuilder();
    stopped.forEach(context -> all.append(context).append(context.getError()).append('\n'));
    return all.toString();
  }

  @Test
  void twoClientsWithOneListenerKeepTheirCallsApart() {
    LlmClient first = client();
    LlmClient second = loopback.client(first.toBuilder());

    try (ChatStream stream = first.stream(REQUEST)) {
      stream.iterator().next();
      second.chat(REQUEST);
      stream.response();
    }

    assertThat(named("offmeter.call")).hasSize(2);
    assertThat(named("offmeter.attempt")).hasSize(2);
  }
}
