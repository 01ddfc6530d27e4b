// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.limits;

import static dev.offmeter.testing.Loopback.awaitSoon;
import static dev.offmeter.testing.TwoNodes.template;
import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.Attempt;
import dev.offmeter.ChatResponse;
import dev.offmeter.ClientInternals;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testkit.FakeLlm;
import java.net.InetAddress;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import okhttp3.OkHttpClient;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Work that nothing can end costs few threads, however many calls come with it or after. */
@Timeout(20)
class UnreturnedTasksTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private static final int CALLERS = 20;

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
    FakeLlm node = loopback.fake(FakeLlm.ollama().answers("PRIMARY"));
    ManualTime time = loopback.manualTime();
    LlmClient client =
        loopback.client(
            ClientInternals.builder(time)
                .endpoint(
                    node.endpoint("primary")
                        .apiKey(
                            () -> {
                              work();
                              return "key";
                            })
                        .build())
                .endpoint(template()));
    CompletableFuture<ChatResponse> first = client.chatAsync("draft");
    awaitSoon(() -> asked.get() == 1);
    time.advance(Duration.ofSeconds(15));
    assertThat(first.get().attempts().get(0).failure()).contains(FailureKind.ATTEMPT_TIMEOUT);

    int unanswered = asked.get();
    Attempt second = client.chat("draft").attempts().get(0);

    assertThat(second.failure()).contains(FailureKind.UNAUTHORIZED);
    assertThat(second.message())
        .isEqualTo(
            "the credential for header Authorization was not asked for:"
                + " an earlier one was given up and has not returned");
    assertThat(unanswered).isOne();
    assertThat(asked).hasValue(unanswered);
  }

  @Test
  void callersAtOnceDoNotEachLeaveASupplierBehind() throws Exception {
    FakeLlm node = loopback.fake(FakeLlm.ollama().answers("PRIMARY"));
    ManualTime time = loopback.manualTime();
    LlmClient client =
        loopback.client(
            ClientInternals.builder(time)
                .endpoint(node.endpoint("primary").apiKey(this::key).build())
                .endpoint(template()));

    allFallBack(client, time);
  }

  @Test
  void callersAtOnceDoNotEachLeaveALookupBehind() throws Exception {
    ManualTime time = loopback.manualTime();
    LlmClient client =
        loopback.client(
            ClientInternals.builder(time)
                .httpClient(new OkHttpClient.Builder().dns(this::lookup).build())
                .endpoint(Endpoint.ollama("primary", "http://nowhere.example").model("m").build())
                .endpoint(template()));

    allFallBack(client, time);
  }

  @Test
  void callersAtOnceEachAskASupplierThatAnswers() throws Exception {
    hangs.set(false);
    FakeLlm node = loopback.fake(FakeLlm.ollama().answers("PRIMARY"));
    LlmClient client =
        loopback.client(
            LlmClient.builder().endpoint(node.endpoint("primary").apiKey(this::key).build()));

    for (CompletableFuture<ChatResponse> call : callers(client)) {
      assertThat(call.get().text()).isEqualTo("PRIMARY");
    }

    assertThat(asked).hasValueGreaterThanOrEqualTo(CALLERS);
  }

  /** Each value is for the attempt that asked: it may be a signature. */
  @Test
  void noTwoAttemptsAreSentWithOneValue() throws Exception {
    FakeLlm node = loopback.fake(FakeLlm.ollama().answers("PRIMARY"));
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .endpoint(
                    node.endpoint("primary")
                        .header("X-Nonce", () -> "nonce-" + asked.incrementAndGet())
                        .build()));

    for (CompletableFuture<ChatResponse> call : callers(client)) {
      assertThat(call.get().text()).isEqualTo("PRIMARY");
    }

    assertThat(node.requests()).extracting(r -> r.header("X-Nonce")).doesNotHaveDuplicates();
  }

  @Test
  void callersAtOnceShareOneLookup() throws Exception {
    FakeLlm node = loopback.fake(FakeLlm.ollama().answers("PRIMARY"));
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .httpClient(
                    new OkHttpClient.Builder()
                        .dns(
                            host -> {
                              work();
                              return List.of(InetAddress.getLoopbackAddress());
                            })
                        .build())
                .endpoint(
                    Endpoint.ollama("primary", node.url().replace("127.0.0.1", "localhost"))
                        .model("m")
                        .build()));
    List<CompletableFuture<ChatResponse>> calls = callers(client);
    awaitSoon(() -> ClientInternals.activeCalls(client) == CALLERS && asked.get() == 1);

    letGo();

    for (CompletableFuture<ChatResponse> call : calls) {
      assertThat(call.get().text()).isEqualTo("PRIMARY");
    }
  }

  private String key() {
    work();
    return "key";
  }

  private List<InetAddress> lookup(String host) {
    work();
    return List.of();
  }

  private static List<CompletableFuture<ChatResponse>> callers(LlmClient client) {
    return Stream.generate(() -> client.chatAsync("draft")).limit(CALLERS).toList();
  }

  private void allFallBack(LlmClient client, ManualTime time) throws Exception {
    List<CompletableFuture<ChatResponse>> calls = callers(client);
    awaitSoon(() -> ClientInternals.activeCalls(client) == CALLERS && asked.get() == 1);
    awaitSoon(
        () -> {
          time.advance(Duration.ofSeconds(5));
          return calls.stream().allMatch(CompletableFuture::isDone);
        });
    for (CompletableFuture<ChatResponse> call : calls) {
      assertThat(call.get().text()).isEqualTo("TEMPLATE");
    }
    assertThat(asked).as("left behind by %d callers", CALLERS).hasValue(1);
  }
}
