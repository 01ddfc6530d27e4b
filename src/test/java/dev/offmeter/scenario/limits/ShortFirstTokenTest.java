// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.limits;

import static dev.offmeter.testing.Loopback.awaitSoon;
import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.ChatEvent;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.FailureKind;
import dev.offmeter.FinishReason;
import dev.offmeter.Usage;
import dev.offmeter.internal.failover.AnswerValidator;
import dev.offmeter.internal.failover.FailoverExecutor;
import dev.offmeter.internal.failover.StreamingCall;
import dev.offmeter.internal.http.AttemptTimeouts;
import dev.offmeter.internal.http.EndpointConfig;
import dev.offmeter.internal.http.Exchange;
import dev.offmeter.internal.http.ExchangeListener;
import dev.offmeter.internal.http.ExchangeResult;
import dev.offmeter.internal.http.PartialAnswer;
import dev.offmeter.internal.http.Transport;
import dev.offmeter.internal.time.CancellationToken;
import dev.offmeter.observe.LlmListener;
import dev.offmeter.testing.EndpointConfigs;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Metering;
import dev.offmeter.testing.TemplateExchangeFactory;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A server with a few slots, answers of 20 s, and callers who wait 2 s for the first piece. */
@Timeout(30)
class ShortFirstTokenTest {
  private static final int CALLERS = 64;
  private static final Duration FIRST_TOKEN = Duration.ofSeconds(2);
  private static final Duration PROMPT = Duration.ofMillis(100);
  private static final Duration ANSWER = Duration.ofSeconds(20);
  private static final ChatRequest REQUEST = ChatRequest.builder().user("a reminder").build();
  private static final AttemptTimeouts LIMITS =
      new AttemptTimeouts(
          Duration.ofMinutes(1),
          FIRST_TOKEN,
          FIRST_TOKEN,
          Duration.ofSeconds(30),
          Duration.ofMinutes(10),
          null);

  private final ManualTime time = new ManualTime();
  private final ExecutorService callers = Executors.newCachedThreadPool();
  private final AtomicInteger asked = new AtomicInteger();
  private final AtomicInteger working = new AtomicInteger();
  private final AtomicInteger begun = new AtomicInteger();
  private volatile CountDownLatch begins = new CountDownLatch(1);
  private volatile CountDownLatch ends = new CountDownLatch(1);
  private final CountDownLatch goesOn = new CountDownLatch(1);
  private final AtomicInteger wentOn = new AtomicInteger();
  private volatile boolean firstStalls;
  private volatile int slots;
  private final FailoverExecutor failover =
      new FailoverExecutor(
          List.of(
              EndpointConfigs.server("home", LIMITS, Integer.MAX_VALUE),
              EndpointConfigs.function(
                  "template", LIMITS, Integer.MAX_VALUE, request -> "TEMPLATE")),
          this::opener,
          time,
          callers,
          () -> 0.5,
          null,
          new LlmListener() {},
          Metering.meter(time),
          Metering.noBudgets(time));

  private Transport.ExchangeFactory opener(EndpointConfig config) {
    return config.isLocal()
        ? new TemplateExchangeFactory()
        : (request, listener) -> new Slot(listener);
  }

  @AfterEach
  void letGo() {
    begins.countDown();
    goesOn.countDown();
    ends.countDown();
    callers.shutdownNow();
  }

  /** Has a slot, and then a piece at once and the rest when the answers end; or nothing at all. */
  private final class Slot implements Exchange {
    private final ExchangeListener listener;
    private final CountDownLatch cancelled = new CountDownLatch(1);
    private boolean has;
    private boolean isFirst;
    private boolean hasGoneOn;

    Slot(ExchangeListener listener) {
      this.listener = listener;
    }

    @Override
    public ExchangeResult next() {
      if (isFirst && firstStalls) {
        await(cancelled);
        working.decrementAndGet();
        return null;
      }
      if (has && firstStalls && !hasGoneOn) {
        hasGoneOn = true;
        await(goesOn);
        listener.onDelta();
        wentOn.incrementAndGet();
        return null;
      }
      if (has) {
        await(ends);
        working.decrementAndGet();
        return new ExchangeResult("HOME", "", "", Usage.NONE, FinishReason.STOP, List.of(), 200);
      }
      has = working.incrementAndGet() <= slots;
      asked.incrementAndGet();
      if (has) {
        await(begins);
        listener.onDelta();
        isFirst = begun.incrementAndGet() == 1;
      } else {
        working.decrementAndGet();
        await(cancelled);
      }
      return null;
    }

    @Override
    public PartialAnswer partialAnswer() {
      return PartialAnswer.NOTHING;
    }

    @Override
    public void cancel() {
      cancelled.countDown();
    }

    @Override
    public void close() {}
  }

  private static void await(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private ChatResponse ask(boolean streams) {
    if (!streams) {
      return failover.chat(
          REQUEST, null, time.nanos(), new CancellationToken(), AnswerValidator.ANY);
    }
    StreamingCall call = failover.stream(REQUEST, null, new CancellationToken(), over -> {});
    ChatEvent event = call.next();
    while (event != null) {
      event = call.next();
    }
    return call.response();
  }

  /** A crowd that comes at once: each is at the server or answered elsewhere. */
  private List<CompletableFuture<ChatResponse>> come(boolean streams) {
    asked.set(0);
    begun.set(0);
    begins = new CountDownLatch(1);
    ends = new CountDownLatch(1);
    List<CompletableFuture<ChatResponse>> calls = new ArrayList<>();
    for (int i = 0; i < CALLERS; i++) {
      calls.add(CompletableFuture.supplyAsync(() -> ask(streams), callers));
    }
    awaitSoon(() -> asked.get() + done(calls) == CALLERS);
    time.advance(PROMPT);
    begins.countDown();
    awaitSoon(() -> begun.get() == Math.min(slots, asked.get()));
    time.advance(FIRST_TOKEN.minus(PROMPT));
    awaitSoon(() -> done(calls) == CALLERS - begun.get());
    return calls;
  }

  private static long done(List<CompletableFuture<ChatResponse>> calls) {
    return calls.stream().filter(CompletableFuture::isDone).count();
  }

  /** Returns how many of the crowd had waited in vain. */
  private long crowd(boolean streams) {
    List<CompletableFuture<ChatResponse>> calls = come(streams);
    time.advance(ANSWER);
    ends.countDown();
    List<ChatResponse> answers = calls.stream().map(CompletableFuture::join).toList();
    assertThat(answers).filteredOn(a -> a.endpoint().equals("home")).hasSize(begun.get());
    return answers.stream().filter(ShortFirstTokenTest::wasOverloaded).count();
  }

  private static boolean wasOverloaded(ChatResponse response) {
    return response.attempts().get(0).failure().filter(FailureKind.OVERLOADED::equals).isPresent();
  }

  private String status() {
    return failover.status().endpoints().get(0).message();
  }

  private static String letIn(int calls) {
    return "overloaded: " + calls + " calls at a time are admitted";
  }

  @ParameterizedTest
  @CsvSource({"4, false", "8, false", "4, true", "8, true"})
  void fromTheFirstCrowdOnAsManyAreLetInAsThereAreSlots(int slots, boolean streams) {
    this.slots = slots;

    List<CompletableFuture<ChatResponse>> first = come(streams);
    assertThat(status()).isEqualTo(letIn(slots));
    ends.countDown();
    first.forEach(CompletableFuture::join);

    for (int i = 0; i < 2; i++) {
      assertThat(crowd(streams)).as("who waits in vain").isZero();
      assertThat(begun).as("who is answered").hasValue(slots);
      assertThat(status()).isEqualTo(letIn(slots));
    }
  }

  @ParameterizedTest
  @CsvSource({"4, false", "4, true"})
  void oneMoreIsTriedNowAndThenAndMoreRarelyWhereItIsTooMany(int slots, boolean streams) {
    this.slots = slots;
    assertThat(crowd(streams)).isEqualTo(CALLERS - slots);
    List<Long> tries = new ArrayList<>();
    for (int minute = 0; minute < 60; minute++) {
      time.advance(Duration.ofSeconds(30));
      long more = crowd(streams);
      if (more > 0) {
        tries.add((long) minute);
      }
      assertThat(more).isLessThanOrEqualTo(1);
    }

    assertThat(tries).hasSizeBetween(2, 8);
  }

  @Test
  void anAnswerThatBeganAndStalledIsNoneOfThoseThatWereServed() {
    slots = 3;
    firstStalls = true;
    List<CompletableFuture<ChatResponse>> calls = new ArrayList<>();
    for (int i = 0; i < slots; i++) {
      calls.add(CompletableFuture.supplyAsync(() -> ask(false), callers));
    }
    awaitSoon(() -> asked.get() == slots);
    begins.countDown();
    awaitSoon(() -> begun.get() == slots);
    time.advance(Duration.ofSeconds(20));
    goesOn.countDown();
    awaitSoon(() -> wentOn.get() == slots - 1);
    time.advance(Duration.ofSeconds(10));

    awaitSoon(() -> done(calls) == 1);
    assertThat(status()).isEqualTo(letIn(2));
    ends.countDown();
    calls.forEach(CompletableFuture::join);
  }

  @ParameterizedTest
  @CsvSource({"false", "true"})
  void aServerThatHasMoreSlotsThanBeforeIsSentMore(boolean streams) {
    slots = 2;
    crowd(streams);
    slots = 6;
    for (int i = 0; i < 12; i++) {
      time.advance(Duration.ofSeconds(30));
      crowd(streams);
    }

    assertThat(begun).hasValueGreaterThanOrEqualTo(5);
  }
}
