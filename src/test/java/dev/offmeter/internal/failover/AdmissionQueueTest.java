// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.Endpoint;
import dev.offmeter.LlmClient;
import dev.offmeter.testing.Loopback;
import java.time.Duration;
import java.util.concurrent.Callable;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Places are few, and none is lost. */
@Timeout(20)
class AdmissionQueueTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  @Test
  void aSlotReleasedWhileAnotherCallJoinsTheQueueIsNotLost() throws Exception {
    int rounds = 5_000;
    CyclicBarrier together = new CyclicBarrier(2);
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .endpoint(Endpoint.local("only", request -> "an answer").maxConcurrent(1).build())
                .deadline(Duration.ofSeconds(3)));
    Callable<Integer> calls =
        () -> {
          int answered = 0;
          for (int i = 0; i < rounds; i++) {
            together.await();
            answered += client.chat("a reminder").text().equals("an answer") ? 1 : 0;
          }
          return answered;
        };
    ExecutorService threads = Executors.newFixedThreadPool(2);
    Future<Integer> one = threads.submit(calls);
    Future<Integer> other = threads.submit(calls);
    threads.shutdown();

    assertThat(one.get()).isEqualTo(rounds);
    assertThat(other.get()).isEqualTo(rounds);
  }
}
