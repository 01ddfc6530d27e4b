// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.ChatResponse;
import dev.offmeter.Endpoint;
import dev.offmeter.LlmClient;
import dev.offmeter.testing.Loopback;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Places are few, and none is lost. */
@Timeout(20)
class WaitingLineTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  @Test
  void aPlaceGivenBackWhileAnotherCallJoinsTheLineIsNotLost() throws Exception {
    int callers = 4;
    int calls = 2_000;
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .endpoint(Endpoint.local("only", request -> "an answer").maxConcurrent(1).build()));
    Callable<Integer> manyCalls =
        () -> {
          int answered = 0;
          for (int i = 0; i < calls; i++) {
            ChatResponse response = client.chat("a reminder");
            answered += response.text().equals("an answer") ? 1 : 0;
          }
          return answered;
        };
    ExecutorService threads = Executors.newFixedThreadPool(callers);
    List<Future<Integer>> results = new ArrayList<>();
    for (int i = 0; i < callers; i++) {
      results.add(threads.submit(manyCalls));
    }
    threads.shutdown();

    for (Future<Integer> result : results) {
      assertThat(result.get()).isEqualTo(calls);
    }
  }
}
