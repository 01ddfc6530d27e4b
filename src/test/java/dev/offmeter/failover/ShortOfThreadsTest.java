// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.offmeter.AllEndpointsFailedException;
import dev.offmeter.ChatRequest;
import dev.offmeter.endpoint.Answer;
import dev.offmeter.endpoint.Checkup;
import dev.offmeter.endpoint.EndpointSpec;
import dev.offmeter.endpoint.Exchange;
import dev.offmeter.endpoint.Heard;
import dev.offmeter.endpoint.Limits;
import dev.offmeter.endpoint.Progress;
import dev.offmeter.endpoint.Transport;
import dev.offmeter.observe.LlmListener;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.wire.Vitals;
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
class ShortOfThreadsTest {
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

  private final Transport.Opener silent =
      new Transport.Opener() {
        @Override
        public Exchange open(ChatRequest request, Progress progress) {
          return new Silent();
        }

        @Override
        public Checkup checkup(Checkup.Kind kind) {
          return kind == Checkup.Kind.ALIVE ? new Well() : null;
        }
      };

  private static final class Well implements Checkup {
    @Override
    public Vitals run() {
      return Vitals.READY;
    }

    @Override
    public void cancel() {}
  }

  private final class Silent implements Exchange {
    private final CountDownLatch cancelled = new CountDownLatch(1);

    @Override
    public Answer next() {
      asked.countDown();
      try {
        cancelled.await();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
      return null;
    }

    @Override
    public Heard heard() {
      return Heard.NOTHING;
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
    Probes probes = new Probes(silent, time, workers);
    List<Vitals> found = new ArrayList<>();
    probes.ask(Checkup.Kind.ALIVE, MINUTE, found::add);
    exhausted = false;

    probes.ask(Checkup.Kind.ALIVE, MINUTE, found::add);

    assertThat(found).containsExactly(Probes.NOTHING, Vitals.READY);
  }

  @Test
  void aCheckThatFindsNoThreadStopsNoClock() throws Exception {
    Failover failover =
        new Failover(
            List.of(spec()), s -> silent, time, workers, () -> 0.5, null, new LlmListener() {});
    ChatRequest request = ChatRequest.builder().user("a reminder").build();
    Cancellation cancellation = new Cancellation();
    CompletableFuture<?> call =
        CompletableFuture.runAsync(
            () -> failover.chat(request, Duration.ofSeconds(10), cancellation, Acceptance.ANY));
    asked.await();

    time.advance(Duration.ofSeconds(10));

    assertThatThrownBy(() -> call.get(5, TimeUnit.SECONDS))
        .hasCauseInstanceOf(AllEndpointsFailedException.class);
    cancellation.cancel("the test is over");
  }

  /** It is doubted after 5 s of silence. */
  private static EndpointSpec spec() {
    Limits limits =
        new Limits(MINUTE, Duration.ofSeconds(3), MINUTE, Duration.ofSeconds(10), MINUTE, null);
    return Specs.server("only", limits, Integer.MAX_VALUE);
  }
}
