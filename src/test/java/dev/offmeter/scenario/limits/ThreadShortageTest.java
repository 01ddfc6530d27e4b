// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.limits;

import static dev.offmeter.testing.Loopback.awaitSoon;
import static dev.offmeter.testing.Loopback.ollama;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.offmeter.AllEndpointsFailedException;
import dev.offmeter.ChatEvent;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ClientInternals;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.LlmException;
import dev.offmeter.Locality;
import dev.offmeter.internal.time.TimeSource;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.observe.LlmListener;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.OneShotTimer;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.AbstractExecutorService;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Flow;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A process that can have no further thread for a while. */
@Timeout(20)
class ThreadShortageTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private static final ChatRequest REQUEST = ChatRequest.builder().user("a reminder").build();

  private static final Queue<Runnable> LATE = new ConcurrentLinkedQueue<>();

  /** The outcomes of handing a task to another thread. */
  enum Shortage {
    NONE(task -> new Thread(task, "test-worker").start()),
    ERROR(
        task -> {
          throw new OutOfMemoryError("unable to create native thread");
        }),
    REJECTED(
        task -> {
          throw new RejectedExecutionException("full");
        }),
    /** A virtual thread without a carrier. */
    NEVER_BEGUN(task -> {}),
    /** A busy machine: tasks begin later. */
    LATER(LATE::add);

    private final Consumer<Runnable> execute;

    Shortage(Consumer<Runnable> execute) {
      this.execute = execute;
    }
  }

  private static final class Workers extends AbstractExecutorService {
    private volatile Shortage shortage;

    Workers(Shortage shortage) {
      this.shortage = shortage;
    }

    @Override
    public void execute(Runnable task) {
      shortage.execute.accept(task);
    }

    @Override
    public void shutdown() {}

    @Override
    public List<Runnable> shutdownNow() {
      return List.of();
    }

    @Override
    public boolean isShutdown() {
      return false;
    }

    @Override
    public boolean isTerminated() {
      return false;
    }

    @Override
    public boolean awaitTermination(long timeout, TimeUnit unit) {
      return true;
    }
  }

  /** Time whose thread cannot be had. */
  private static final class NoTimer implements TimeSource {
    private volatile boolean none = true;
    private final ScheduledExecutorService real = Executors.newScheduledThreadPool(1);

    @Override
    public long nanos() {
      return System.nanoTime();
    }

    @Override
    public ScheduledExecutorService timer() {
      return none ? new None() : real;
    }

    @Override
    public void close() {
      real.shutdownNow();
    }

    private static final class None extends OneShotTimer {
      @Override
      public ScheduledFuture<?> schedule(Runnable work, long delay, TimeUnit unit) {
        throw new OutOfMemoryError("unable to create native thread");
      }

      @Override
      public <V> ScheduledFuture<V> schedule(Callable<V> work, long delay, TimeUnit unit) {
        throw new OutOfMemoryError("unable to create native thread");
      }

      @Override
      public void execute(Runnable work) {
        throw new OutOfMemoryError("unable to create native thread");
      }
    }
  }

  private final Workers workers = new Workers(Shortage.NONE);
  private final ManualTime time = loopback.manualTime();

  private LlmClient.Builder builder() {
    return ClientInternals.withWorkers(ClientInternals.builder(time), workers);
  }

  private static Endpoint template() {
    return Endpoint.local("template", request -> "TEMPLATE").maxConcurrent(1).build();
  }

  private static void assertFails(CompletableFuture<?> future) {
    assertThatThrownBy(() -> future.get(5, TimeUnit.SECONDS))
        .isInstanceOf(ExecutionException.class)
        .hasCauseExactlyInstanceOf(LlmException.class)
        .hasMessageContaining("no further thread could be had in this process");
  }

  @ParameterizedTest
  @EnumSource(names = {"ERROR", "REJECTED", "NEVER_BEGUN"})
  void anAsyncCallThatNoThreadBeginsFails(Shortage shortage) {
    LlmClient client = loopback.client(builder().endpoint(template()));
    workers.shortage = shortage;

    CompletableFuture<ChatResponse> call = client.chatAsync(REQUEST);
    time.advance(Duration.ofSeconds(30));

    assertFails(call);
    assertThat(ClientInternals.activeCalls(client)).isZero();
    workers.shortage = Shortage.NONE;
    assertThat(client.chatAsync(REQUEST).join().text()).isEqualTo("TEMPLATE");
  }

  private static ChatRequest within(Duration deadline) {
    return REQUEST.toBuilder().deadline(deadline).build();
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 500, 30_000})
  void anAsyncCallThatNoThreadBeginsInItsDeadlineEndsLikeOneWithoutTime(int millis) {
    List<String> told = new CopyOnWriteArrayList<>();
    LlmClient client =
        loopback.client(
            builder()
                .endpoint(
                    Endpoint.openAi("managed", "http://127.0.0.1:1")
                        .model("m")
                        .locality(Locality.MANAGED)
                        .build())
                .endpoint(template())
                .listener(
                    new LlmListener() {
                      @Override
                      public void onCallFailed(long call, LlmException failure) {
                        told.add(failure.getMessage());
                      }
                    }));
    workers.shortage = Shortage.NEVER_BEGUN;
    CompletableFuture<ChatResponse> call =
        client.chatAsync(within(Duration.ofMillis(millis)).toBuilder().selfHostedOnly().build());

    time.advance(Duration.ofMillis(millis));

    AllEndpointsFailedException failure =
        (AllEndpointsFailedException)
            catchThrowable(() -> call.get(5, TimeUnit.SECONDS)).getCause();
    assertThat(failure.attempts())
        .extracting(attempt -> attempt.failure().orElseThrow())
        .containsExactly(FailureKind.NOT_PERMITTED, FailureKind.DEADLINE_EXCEEDED);
    assertThat(failure.attempts().get(1).message())
        .isEqualTo(
            "the deadline left no time for it: it passed before a thread had begun the call");
    assertThat(told).containsExactly(failure.getMessage());
    assertThat(ClientInternals.activeCalls(client)).isZero();
  }

  @Test
  void nobodyHearsOfACallThatWasCancelledBeforeItBegan() {
    List<Long> told = new CopyOnWriteArrayList<>();
    LlmClient client =
        loopback.client(
            builder()
                .endpoint(template())
                .listener(
                    new LlmListener() {
                      @Override
                      public void onCallStarted(long call, Map<String, String> tags) {
                        told.add(call);
                      }
                    }));
    workers.shortage = Shortage.NEVER_BEGUN;
    CompletableFuture<ChatResponse> call = client.chatAsync(within(Duration.ofSeconds(1)));
    call.cancel(true);

    time.advance(Duration.ofSeconds(1));

    awaitSoon(() -> ClientInternals.activeCalls(client) == 0);
    assertThat(told).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(ints = {10, 60})
  void theEndOfACallThatNoThreadBeginsStopsNoClock(int deadline) throws Exception {
    LlmClient client = loopback.client(builder().endpoint(template()));
    workers.shortage = Shortage.NEVER_BEGUN;
    CountDownLatch mayEnd = new CountDownLatch(1);
    CompletableFuture<Thread> ran = new CompletableFuture<>();
    CompletableFuture<ChatResponse> call = client.chatAsync(within(Duration.ofSeconds(deadline)));
    CompletableFuture<ChatResponse> unused =
        call.whenComplete(
            (response, failure) -> {
              ran.complete(Thread.currentThread());
              awaitUninterruptibly(mayEnd);
            });

    time.advance(Duration.ofSeconds(60));

    assertThat(ran.get(5, TimeUnit.SECONDS).getName()).isEqualTo("offmeter-unbegun");
    mayEnd.countDown();
    ran.join().join(Duration.ofSeconds(5).toMillis());
  }

  private static void awaitUninterruptibly(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** The wait for a thread is not counted twice, nor forgotten. */
  @Test
  void whatAnAsyncCallHasWaitedForAThreadIsTakenFromItsDeadlineOnce() throws Exception {
    Node node = loopback.node(OllamaReplies.hanging());
    LlmClient client = loopback.client(builder().endpoint(ollama("first", node).build()));
    CompletableFuture<ChatResponse> call = later(client, Duration.ofSeconds(10), 4_000);
    node.awaitFirstRequest();

    time.advance(Duration.ofMillis(5_999));
    assertThat(call).isNotDone();
    time.advance(Duration.ofMillis(1));

    assertThatThrownBy(() -> call.get(5, TimeUnit.SECONDS))
        .hasMessageContaining("no endpoint answered in 10.000 s")
        .hasMessageContaining("no complete answer in 6000 ms");
  }

  @Test
  void itsRestIsMeasuredAgainstTheWholeDeadlineAndNothingIsSentWithTooLittleTime() {
    Node node = loopback.node(OllamaReplies.answering("NODE"));
    LlmClient client = loopback.client(builder().endpoint(ollama("first", node).build()));
    CompletableFuture<ChatResponse> call = later(client, Duration.ofSeconds(4), 3_950);

    assertThatThrownBy(() -> call.get(5, TimeUnit.SECONDS))
        .hasMessageContaining("the deadline left it 50 ms, too little to ask");
    assertThat(node.requests()).isEmpty();
  }

  private CompletableFuture<ChatResponse> later(LlmClient client, Duration deadline, int millis) {
    workers.shortage = Shortage.LATER;
    CompletableFuture<ChatResponse> call = client.chatAsync(within(deadline));
    time.advance(Duration.ofMillis(millis));
    workers.shortage = Shortage.NONE;
    workers.execute(LATE.remove());
    return call;
  }

  @ParameterizedTest
  @EnumSource(names = {"ERROR", "REJECTED", "NEVER_BEGUN"})
  void aSubscriberIsToldThatNoThreadReads(Shortage shortage) {
    LlmClient client = loopback.client(builder().endpoint(template()));
    workers.shortage = shortage;
    CompletableFuture<Object> told = new CompletableFuture<>();

    client
        .publish(REQUEST)
        .subscribe(
            new Flow.Subscriber<>() {
              @Override
              public void onSubscribe(Flow.Subscription subscription) {
                subscription.request(1);
              }

              @Override
              public void onNext(ChatEvent event) {
                told.complete(event);
              }

              @Override
              public void onError(Throwable thrown) {
                told.completeExceptionally(thrown);
              }

              @Override
              public void onComplete() {}
            });
    time.advance(Duration.ofSeconds(30));

    assertFails(told);
    assertThat(ClientInternals.activeCalls(client)).isZero();
  }

  @ParameterizedTest
  @EnumSource(names = {"ERROR", "NEVER_BEGUN"})
  void aFunctionRunsOnTheThreadOfTheCall(Shortage shortage) {
    Thread[] ran = new Thread[1];
    LlmClient client =
        loopback.client(
            builder()
                .endpoint(
                    Endpoint.local(
                            "template",
                            request -> {
                              ran[0] = Thread.currentThread();
                              return "TEMPLATE";
                            })
                        .build()));
    workers.shortage = shortage;

    assertThat(client.chat(REQUEST).text()).isEqualTo("TEMPLATE");

    assertThat(ran[0]).isSameAs(Thread.currentThread());
    assertThat(Thread.interrupted()).isFalse();
  }

  @ParameterizedTest
  @EnumSource(names = {"ERROR", "REJECTED"})
  void aServerThatNoThreadCanAskIsNotBlamed(Shortage shortage) {
    Node node = loopback.node(OllamaReplies.answering("NODE"));
    LlmClient client =
        loopback.client(
            builder()
                .endpoint(ollama("first", node).apiKey(() -> "key").maxConcurrent(1).build())
                .endpoint(
                    Endpoint.ollama("second", node.url().replace("127.0.0.1", "localhost"))
                        .model("m")
                        .build())
                .endpoint(template()));
    workers.shortage = shortage;

    for (int i = 0; i < 4; i++) {
      ChatResponse response = client.chat(REQUEST);
      assertThat(response.text()).isEqualTo("TEMPLATE");
    }

    assertThat(client.status().endpoints())
        .allSatisfy(endpoint -> assertThat(endpoint.state()).isEqualTo(EndpointState.UP));
    workers.shortage = Shortage.NONE;
    assertThat(client.chat(REQUEST).text()).isEqualTo("NODE");
  }

  @ParameterizedTest
  @EnumSource(names = {"ERROR", "REJECTED", "NEVER_BEGUN"})
  void healthChecksThatNoThreadMakesAreOver(Shortage shortage) {
    Node node = loopback.node(OllamaReplies.answering("NODE"));
    node.respondToProbesWith(OllamaReplies.probes(OllamaReplies.loadCompleted()));
    LlmClient client = loopback.client(builder().endpoint(ollama("first", node).build()));
    workers.shortage = shortage;

    CompletableFuture<?> warm = client.warmUp();
    CompletableFuture<?> rechecked = client.recheck("first");
    time.advance(Duration.ofSeconds(10));

    assertThat(warm).isCompleted();
    assertThat(rechecked).isCompleted();
    assertThat(node.probes()).isEmpty();
  }

  @Test
  void closingEndsChecksThatNoThreadHasBegun() {
    Node node = loopback.node(OllamaReplies.answering("NODE"));
    LlmClient client = loopback.client(builder().endpoint(ollama("first", node).build()));
    workers.shortage = Shortage.NEVER_BEGUN;
    CompletableFuture<?> warm = client.warmUp();

    client.close();

    assertThat(warm).isCompleted();
  }

  @Test
  void aTrialAnswersWithoutAThreadForItsHedge() {
    Node limited = loopback.node(OllamaReplies.status(429, "", "", "Retry-After: 1"));
    Node other = loopback.node(OllamaReplies.answering("OTHER"));
    LlmClient client =
        loopback.client(
            builder()
                .endpoint(ollama("first", limited).maxConcurrent(1).build())
                .endpoint(ollama("second", other).build())
                .hedgeAfter(Duration.ofSeconds(2)));
    client.chat(REQUEST);
    time.advance(Duration.ofSeconds(1));
    limited.respondWith(OllamaReplies.answering("FIRST"));
    workers.shortage = Shortage.ERROR;

    assertThat(client.chat(REQUEST).text()).isEqualTo("FIRST");

    assertThat(client.status().endpoints().get(0).inFlight()).isZero();
    assertThat(other.requests()).hasSize(1);
  }

  @Test
  void withoutAClockNoServerIsAskedAndAFunctionAnswers() throws Exception {
    NoTimer noTimer = new NoTimer();
    Node node = loopback.node(OllamaReplies.answering("NODE"));
    ExecutorService threads = workers;
    LlmClient client =
        loopback.client(
            ClientInternals.withWorkers(ClientInternals.builder(noTimer), threads)
                .endpoint(ollama("first", node).maxConcurrent(1).retries(1).build())
                .endpoint(template()));

    ChatResponse response = client.chat(REQUEST);

    assertThat(response.text()).isEqualTo("TEMPLATE");
    assertThat(response.attempts().get(0).failure()).contains(FailureKind.INTERNAL);
    assertThat(node.requests()).isEmpty();
    assertFails(client.chatAsync(REQUEST));
    assertThat(client.warmUp().get(5, TimeUnit.SECONDS)).isNotNull();
    assertThat(ClientInternals.activeCalls(client)).isZero();
    noTimer.none = false;
    assertThat(client.chat(REQUEST).text()).isEqualTo("NODE");
  }
}
