// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import static dev.offmeter.testing.Loopback.quickly;
import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.FailureKind;
import dev.offmeter.endpoint.Limits;
import dev.offmeter.observe.EndpointChange;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.observe.LlmListener;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.OneShotTimer;
import dev.offmeter.wire.Failure;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A model that is being loaded, and a function that would answer instead. */
@Timeout(20)
class LoadWaitTest {
  private static final Duration LIMIT = Duration.ofSeconds(15);

  private final ManualTime time = new ManualTime();
  private final Cancellation cancellation = new Cancellation();
  private final Gate gate = warming();

  private Gate warming() {
    Gate home =
        new Gate(
            Specs.server(
                "home", new Limits(LIMIT, LIMIT, LIMIT, LIMIT, LIMIT, null), Integer.MAX_VALUE),
            (request, progress) -> {
              throw new AssertionError("nothing is asked here");
            },
            new Gate.Shared(
                time,
                Runnable::run,
                (why, inARow, asked) -> LIMIT,
                new ProbePace(() -> 0.5),
                Failover.emptyRegistries(),
                new WaitingLine(time),
                change -> {}));
    assertThat(home.health().warms(Failure.of(FailureKind.MODEL_COLD, "cold"), false)).isTrue();
    return home;
  }

  private LoadWait wait(Time clock) {
    return new LoadWait(
        new OneCall.Surroundings(clock, new Retries(clock), new WaitingLine(clock)),
        Deadline.set(clock, Duration.ofMinutes(1)),
        cancellation,
        new Story(1, Map.of(), clock, new LlmListener() {}));
  }

  private CompletableFuture<Gate> waits() {
    LoadWait wait = wait(new Counted());
    CompletableFuture<Gate> waiting =
        CompletableFuture.supplyAsync(() -> wait.endOfAny(List.of(gate), 0));
    quickly(() -> clocks.get() == 1);
    return waiting;
  }

  private final AtomicInteger clocks = new AtomicInteger();

  /** Counts the clocks that are set. */
  private class Counted implements Time {
    @Override
    public long nanos() {
      return time.nanos();
    }

    @Override
    public ScheduledExecutorService timer() {
      return time.timer();
    }

    @Override
    public ScheduledFuture<?> after(long nanos, Runnable task) {
      ScheduledFuture<?> clock = Time.super.after(nanos, task);
      clocks.incrementAndGet();
      return clock;
    }

    @Override
    public void close() {}
  }

  /** Has no thread for a clock. */
  private final class NoClocks extends Counted {
    @Override
    public ScheduledExecutorService timer() {
      return new OneShotTimer() {
        @Override
        public <V> ScheduledFuture<V> schedule(Callable<V> work, long delay, TimeUnit unit) {
          throw new OutOfMemoryError("unable to create native thread");
        }
      };
    }
  }

  @Test
  void withoutAClockNothingIsWaitedFor() {
    LoadWait wait = wait(new NoClocks());

    assertThat(wait.endOfAny(List.of(gate), 0)).as("before a function").isNull();
    assertThat(wait.endOfAny(List.of(gate))).as("as the last").isNull();
  }

  @Test
  void itEndsWithTheLoad() throws Exception {
    CompletableFuture<Gate> waiting = waits();

    gate.health().breaker().warmed();

    assertThat(waiting.get()).isSameAs(gate);
  }

  @Test
  void itEndsWithTheLimitOfTheServer() throws Exception {
    CompletableFuture<Gate> waiting = waits();

    time.advance(LIMIT.minusNanos(1));
    assertThat(waiting).isNotDone();
    time.advance(Duration.ofNanos(1));

    assertThat(waiting.get()).isNull();
  }

  @Test
  void aModelThatIsBeingLoadedAnewAtOnceIsWaitedForOn() throws Exception {
    CompletableFuture<Gate> waiting = waits();
    time.advance(Duration.ofSeconds(5));

    gate.loadWaiters()
        .changed(
            new EndpointChange(
                "home", "", EndpointState.WARMING, EndpointState.UP, null, "", Duration.ZERO));
    quickly(() -> clocks.get() == 2);
    time.advance(LIMIT.minusSeconds(5).minusNanos(1));
    assertThat(waiting).isNotDone();
    gate.health().breaker().warmed();

    assertThat(waiting.get()).isSameAs(gate);
  }

  @Test
  void whoIsInterruptedWaitsForNothing() {
    Thread.currentThread().interrupt();

    assertThat(wait(time).endOfAny(List.of(gate), 0)).isNull();

    assertThat(Thread.interrupted()).isTrue();
    assertThat(time.pending()).isZero();
  }
}
