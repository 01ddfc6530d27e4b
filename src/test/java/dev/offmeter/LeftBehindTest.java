// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import static dev.offmeter.testing.Loopback.ollama;
import static dev.offmeter.testing.Loopback.quickly;
import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.Replies;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Work that nothing can end costs one thread, however many calls come after. */
@Timeout(20)
class LeftBehindTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private final AtomicInteger asked = new AtomicInteger();
  private final AtomicBoolean hangs = new AtomicBoolean(true);
  private final CountDownLatch release = new CountDownLatch(1);

  /** Waits like a native call, which notices no interrupt. */
  private void work() {
    asked.incrementAndGet();
    while (hangs.get()) {
      try {
        release.await();
      } catch (InterruptedException e) {
        continue;
      }
    }
  }

  @AfterEach
  void letGo() {
    hangs.set(false);
    release.countDown();
  }

  @Test
  void aSupplierThatHangsIsNotAskedAgainBeforeItReturns() throws Exception {
    Node node = loopback.node(Replies.answering("PRIMARY"));
    ManualTime time = loopback.manualTime();
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .time(time)
                .endpoint(
                    ollama("primary", node)
                        .apiKey(
                            () -> {
                              work();
                              return "key";
                            })
                        .build())
                .endpoint(Endpoint.local("template", request -> "TEMPLATE").build()));
    CompletableFuture<ChatResponse> first = client.chatAsync("draft");
    quickly(() -> asked.get() == 1);
    time.advance(Duration.ofSeconds(15));
    assertThat(first.get().attempts().get(0).failure()).contains(FailureKind.ATTEMPT_TIMEOUT);

    int unanswered = asked.get();
    Attempt second = client.chat("draft").attempts().get(0);

    assertThat(second.failure()).contains(FailureKind.UNAUTHORIZED);
    assertThat(second.message())
        .isEqualTo(
            "the credential for header Authorization was not asked for:"
                + " an earlier one was given up and has not returned");
    assertThat(unanswered).as("the call's own, and a health check's").isBetween(1, 2);
    assertThat(asked).hasValue(unanswered);
  }
}
