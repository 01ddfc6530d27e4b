// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.health;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.offmeter.AllEndpointsFailedException;
import dev.offmeter.ChatRequest;
import dev.offmeter.internal.failover.AnswerValidator;
import dev.offmeter.internal.failover.FailoverExecutor;
import dev.offmeter.internal.http.AttemptTimeouts;
import dev.offmeter.internal.http.EndpointConfig;
import dev.offmeter.internal.http.Exchange;
import dev.offmeter.internal.http.ExchangeListener;
import dev.offmeter.internal.http.ExchangeResult;
import dev.offmeter.internal.http.PartialAnswer;
import dev.offmeter.internal.http.Probe;
import dev.offmeter.internal.http.Transport;
import dev.offmeter.internal.time.CancellationToken;
import dev.offmeter.internal.wire.ProbeResult;
import dev.offmeter.observe.LlmListener;
import dev.offmeter.testing.EndpointConfigs;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Metering;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A process that can have no further thread for a moment. */
@Timeout(20)
class ProbeRunnerTest {
  private static final Duration MINUTE = Duration.ofMinutes(1);

  private final ManualTime time = new ManualTime();
  private final CountDownLatch asked = new CountDownLatch(1);
  private volatile boolean exhausted = true;

  private final Executor workers =
      task -> {
        if (exhausted) {
          throw new OutOfMemoryError("unable to create native thread");
        }
        task.run();
      };

  private final Transport.ExchangeFactory silent =
      new Transport.ExchangeFactory() {
        @Override
        public Exchange open(ChatRequest request, ExchangeListener listener) {
          return new Silent();
        }

        @Override
        public Probe probe(Probe.Kind kind) {
          return kind == Probe.Kind.LIVENESS ? new Well() : null;
        }
      };

  private static final class Well implements Probe {
    @Override
    public ProbeResult run() {
      return ProbeResult.READY;
    }

    @Override
    public void cancel() {}
  }

  private final class Silent implements Exchange {
    private final CountDownLatch cancelled = new CountDownLatch(1);

    @Override
    public ExchangeResult next() {
      asked.countDown();
      try {
        cancelled.await();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
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

  @Test
  void aCheckThatFoundNoThreadDoesNotStandInTheWayOfTheNext() {
    ProbeRunner probes = new ProbeRunner(silent, time, workers);
    List<ProbeResult> found = new ArrayList<>();
    probes.probe(Probe.Kind.LIVENESS, MINUTE, found::add);
    exhausted = false;

    probes.probe(Probe.Kind.LIVENESS, MINUTE, found::add);

    assertThat(found).containsExactly(ProbeRunner.NOT_PROBED, ProbeResult.READY);
  }

  @Test
  void aCheckThatFindsNoThreadStopsNoClock() throws Exception {
    FailoverExecutor failover =
        new FailoverExecutor(
            List.of(spec()),
            s -> silent,
            time,
            workers,
            () -> 0.5,
            null,
            new LlmListener() {},
            Metering.meter(time),
            Metering.noBudgets(time));
    ChatRequest request = ChatRequest.builder().user("a reminder").build();
    CancellationToken token = new CancellationToken();
    CompletableFuture<?> call =
        CompletableFuture.runAsync(
            () ->
                failover.chat(
                    request, Duration.ofSeconds(10), time.nanos(), token, AnswerValidator.ANY));
    asked.await();

    time.advance(Duration.ofSeconds(10));

    assertThatThrownBy(() -> call.get(5, TimeUnit.SECONDS))
        .hasCauseInstanceOf(AllEndpointsFailedException.class);
    token.cancel("the test is over");
  }

  /** Returns an endpoint that is health-checked after 5 s of silence. */
  private static EndpointConfig spec() {
    AttemptTimeouts timeouts =
        new AttemptTimeouts(
            MINUTE, Duration.ofSeconds(3), MINUTE, Duration.ofSeconds(10), MINUTE, null);
    return EndpointConfigs.server("only", timeouts, Integer.MAX_VALUE);
  }
}
