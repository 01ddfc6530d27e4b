// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.config;

import static dev.offmeter.testing.Loopback.ollama;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.offmeter.AllEndpointsFailedException;
import dev.offmeter.Attempt;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ClientInternals;
import dev.offmeter.Endpoint;
import dev.offmeter.LlmClient;
import dev.offmeter.LlmException;
import dev.offmeter.observe.LlmListener;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.TwoNodes;
import io.github.resilience4j.bulkhead.Bulkhead;
import java.net.InetSocketAddress;
import java.net.Proxy;
import java.net.URI;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.UnaryOperator;
import okhttp3.Call;
import okhttp3.EventListener;
import okhttp3.Interceptor;
import okhttp3.OkHttpClient;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** An OkHttpClient of the caller's own: its clocks are not used, and its faults cost one call. */
@Timeout(20)
class CustomHttpClientTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private static final Duration SHORT = Duration.ofMillis(50);

  private final TwoNodes nodes = TwoNodes.inRealTime(loopback);
  private final Node primary = nodes.primary();

  private LlmClient client(OkHttpClient own) {
    return loopback.client(nodes.builder().httpClient(own));
  }

  private static void longerThanTheClock() {
    try {
      assertThat(new CountDownLatch(1).await(6 * SHORT.toMillis(), TimeUnit.MILLISECONDS))
          .isFalse();
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void anEventListenerThatBlocksOnACancelHoldsUpNoClock() throws Exception {
    CountDownLatch blocked = new CountDownLatch(1);
    CountDownLatch release = new CountDownLatch(1);
    OkHttpClient blocking =
        new OkHttpClient.Builder()
            .eventListener(
                new EventListener() {
                  @Override
                  public void canceled(Call call) {
                    blocked.countDown();
                    try {
                      release.await();
                    } catch (InterruptedException e) {
                      throw new AssertionError(e);
                    }
                  }
                })
            .build();
    primary.respondWith(OllamaReplies.hanging());
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .httpClient(blocking)
                // Long enough for the first request of a JVM to be sent.
                .endpoint(ollama("primary", primary).timeout(Duration.ofMillis(500)).build())
                .endpoint(
                    Endpoint.local("slow", request -> waitsForEver())
                        .timeout(Duration.ofMillis(100))
                        .build()));
    CompletableFuture<ChatResponse> first =
        client.chatAsync(ChatRequest.builder().user("a reminder").build());
    blocked.await();

    Throwable clockOfTheFunction = catchThrowable(first::get);
    release.countDown();

    assertThat(clockOfTheFunction).hasCauseInstanceOf(AllEndpointsFailedException.class);
  }

  private static String waitsForEver() {
    try {
      new CountDownLatch(1).await();
    } catch (InterruptedException e) {
      // Interrupted because the attempt's clock has run out.
    }
    return "too late";
  }

  @Test
  void noProxyHearsWhatIsMeantForThisMachine() {
    Node proxy = loopback.node(OllamaReplies.answering("from a proxy"));
    InetSocketAddress address =
        new InetSocketAddress("127.0.0.1", URI.create(proxy.url()).getPort());
    OkHttpClient proxied =
        new OkHttpClient.Builder().proxy(new Proxy(Proxy.Type.HTTP, address)).build();

    assertThat(client(proxied).chat("a reminder").text()).isEqualTo("PRIMARY");
    assertThat(proxy.requests()).isEmpty();
  }

  static List<Named<UnaryOperator<OkHttpClient.Builder>>> clocksThatASlowAnswerOutlasts() {
    return List.of(
        Named.of("read timeout", builder -> builder.readTimeout(SHORT)),
        Named.of("call timeout", builder -> builder.callTimeout(SHORT)));
  }

  @ParameterizedTest
  @MethodSource("clocksThatASlowAnswerOutlasts")
  void theirClocksDoNotEndASlowAnswer(UnaryOperator<OkHttpClient.Builder> clock) {
    primary.respondWith(
        (connection, request) -> {
          longerThanTheClock();
          OllamaReplies.answering("PRIMARY").answer(connection, request);
        });

    assertThat(client(clock.apply(new OkHttpClient.Builder()).build()).chat("a reminder").text())
        .isEqualTo("PRIMARY");
  }

  /** The node reads the second request late, and its size fills every buffer on the way. */
  @Test
  void theirWriteTimeoutDoesNotEndASlowRequest() {
    primary.respondWith(
        (connection, request) -> {
          OllamaReplies.answering("PRIMARY").answer(connection, request);
          longerThanTheClock();
        });
    LlmClient client = client(new OkHttpClient.Builder().writeTimeout(SHORT).build());
    client.chat("a reminder");

    assertThat(client.chat("a long story ".repeat(1_500_000)).text()).isEqualTo("PRIMARY");
    assertThat(primary.requests()).hasSize(2);
  }

  static List<Named<Placed>> everyPlaceOfAnInterceptor() {
    return List.of(
        Named.of("before a connection", OkHttpClient.Builder::addInterceptor),
        Named.of("on a connection", OkHttpClient.Builder::addNetworkInterceptor));
  }

  /** Puts an interceptor where it belongs. */
  interface Placed {
    OkHttpClient.Builder put(OkHttpClient.Builder builder, Interceptor interceptor);
  }

  @ParameterizedTest
  @MethodSource("everyPlaceOfAnInterceptor")
  void anErrorIsAFailedAttemptAndLeavesNothingBehind(Placed placed) {
    AtomicReference<Error> broken = new AtomicReference<>(new StackOverflowError("too deep"));
    OkHttpClient own =
        placed
            .put(
                new OkHttpClient.Builder(),
                chain -> {
                  if (broken.get() != null) {
                    throw broken.get();
                  }
                  return chain.proceed(chain.request());
                })
            .build();
    Ends ends = new Ends();
    ManualTime time = loopback.manualTime();
    LlmClient client =
        loopback.client(
            ClientInternals.builder(time)
                .httpClient(own)
                .endpoint(ollama("primary", primary).maxConcurrent(1).build())
                .listener(ends));

    assertThat(catchThrowable(() -> client.chat("a reminder")))
        .isExactlyInstanceOf(AllEndpointsFailedException.class);

    assertThat(ends.heard).hasSize(3).startsWith("attempt primary");
    assertThat(ends.heard.get(1))
        .startsWith("ended primary INTERNAL java.lang.StackOverflowError at dev.offmeter");
    assertThat(ends.heard.get(2)).startsWith("failed with 1: no endpoint answered");
    assertThat(time.pendingTasks()).as("timers left").isZero();
    Bulkhead places = client.resilience4j().bulkheads().bulkhead("primary");
    assertThat(places.getMetrics().getAvailableConcurrentCalls()).isOne();
    broken.set(null);
    assertThat(client.chat("a reminder").text()).isEqualTo("PRIMARY");
  }

  private static final class Ends implements LlmListener {
    private final List<String> heard = new CopyOnWriteArrayList<>();

    @Override
    public void onAttemptStarted(long call, String endpoint, String model) {
      heard.add("attempt " + endpoint);
    }

    @Override
    public void onAttemptEnded(long call, Attempt attempt) {
      heard.add(
          "ended "
              + attempt.endpoint()
              + attempt.failure().map(kind -> " " + kind).orElse("")
              + " "
              + attempt.message());
    }

    @Override
    public void onCallFailed(long call, LlmException exception) {
      heard.add("failed with " + exception.attempts().size() + ": " + exception.getMessage());
    }
  }
}
