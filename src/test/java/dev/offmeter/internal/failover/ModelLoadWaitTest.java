// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import static dev.offmeter.testing.Loopback.awaitSoon;
import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.time.CancellationToken;
import dev.offmeter.internal.time.TimeSource;
import dev.offmeter.observe.EndpointChange;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.observe.LlmListener;
import dev.offmeter.testing.EndpointConfigs;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.OneShotTimer;
import java.time.Duration;
import java.util.List;
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
class ModelLoadWaitTest {
  private static final Duration LIMIT = Duration.ofSeconds(15);

  private final ManualTime time = new ManualTime();
  private final CancellationToken token = new CancellationToken();
  private final GuardedEndpoint endpoint = warming();

  private GuardedEndpoint warming() {
    GuardedEndpoint home =
        GuardedEndpoints.of(
            time,
            EndpointConfigs.server("home", GuardedEndpoints.TIMEOUTS, Integer.MAX_VALUE),
            new AdmissionQueue(time));
    assertThat(
            home.health().beginWarming(AttemptException.of(FailureKind.MODEL_COLD, "cold"), false))
        .isTrue();
    return home;
  }

  private ModelLoadWait wait(TimeSource clock) {
    return new ModelLoadWait(
        GuardedEndpoints.contextOf(
            endpoint,
            clock,
            Duration.ofMinutes(1),
            new AdmissionQueue(clock),
            token,
            new LlmListener() {}));
  }

  private CompletableFuture<GuardedEndpoint> waits() {
    ModelLoadWait wait = wait(new Counted());
    CompletableFuture<GuardedEndpoint> waiting =
        CompletableFuture.supplyAsync(() -> wait.awaitAny(List.of(endpoint), 0));
    awaitSoon(() -> clocks.get() == 1);
    return waiting;
  }

  private final AtomicInteger clocks = new AtomicInteger();

  /** Counts the clocks that are set. */
  private class Counted implements TimeSource {
    @Override
    public long nanos() {
      return time.nanos();
    }

    @Override
    public ScheduledExecutorService timer() {
      return time.timer();
    }

    @Override
    public ScheduledFuture<?> schedule(long nanos, Runnable task) {
      ScheduledFuture<?> clock = TimeSource.super.schedule(nanos, task);
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
    ModelLoadWait wait = wait(new NoClocks());

    assertThat(wait.awaitAny(List.of(endpoint), 0)).as("before a function").isNull();
    assertThat(wait.awaitAny(List.of(endpoint))).as("as the last").isNull();
  }

  @Test
  void itEndsWithTheLoad() throws Exception {
    CompletableFuture<GuardedEndpoint> waiting = waits();

    endpoint.health().breaker().onModelLoaded();

    assertThat(waiting.get()).isSameAs(endpoint);
  }

  @Test
  void itEndsWithTheLimitOfTheServer() throws Exception {
    CompletableFuture<GuardedEndpoint> waiting = waits();

    time.advance(LIMIT.minusNanos(1));
    assertThat(waiting).isNotDone();
    time.advance(Duration.ofNanos(1));

    assertThat(waiting.get()).isNull();
  }

  @Test
  void aModelThatIsBeingLoadedAnewAtOnceIsWaitedForOn() throws Exception {
    CompletableFuture<GuardedEndpoint> waiting = waits();
    time.advance(Duration.ofSeconds(5));

    endpoint
        .loadWaiters()
        .onStateChanged(
            new EndpointChange(
                "home", "", EndpointState.WARMING, EndpointState.UP, null, "", Duration.ZERO));
    awaitSoon(() -> clocks.get() == 2);
    time.advance(LIMIT.minusSeconds(5).minusNanos(1));
    assertThat(waiting).isNotDone();
    endpoint.health().breaker().onModelLoaded();

    assertThat(waiting.get()).isSameAs(endpoint);
  }

  @Test
  void whoIsInterruptedWaitsForNothing() {
    Thread.currentThread().interrupt();

    assertThat(wait(time).awaitAny(List.of(endpoint), 0)).isNull();

    assertThat(Thread.interrupted()).isTrue();
    assertThat(time.pendingTasks()).isZero();
  }
}
