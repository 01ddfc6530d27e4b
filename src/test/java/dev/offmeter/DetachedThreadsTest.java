// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.failover.Time;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.Replies;
import java.net.URL;
import java.net.URLClassLoader;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Code of the application runs on threads that carry nothing of the caller who came first. */
@Timeout(20)
class DetachedThreadsTest {
  private static final InheritableThreadLocal<String> TENANT = new InheritableThreadLocal<>();

  @RegisterExtension final Loopback loopback = new Loopback();

  private static String onThreadOf(String tenant, Supplier<String> call) throws Exception {
    CompletableFuture<String> result = new CompletableFuture<>();
    Thread caller =
        new Thread(
            () -> {
              TENANT.set(tenant);
              result.completeAsync(call, Runnable::run);
            });
    caller.start();
    return result.get(10, TimeUnit.SECONDS);
  }

  @Test
  void aFunctionSeesNoTenantOfAnEarlierCaller() throws Exception {
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .endpoint(Endpoint.local("function", request -> "for " + TENANT.get()).build()));

    for (String tenant : List.of("alice", "bob")) {
      assertThat(onThreadOf(tenant, () -> client.chat("draft").text())).isEqualTo("for null");
      assertThat(onThreadOf(tenant, () -> client.chatAsync(request()).join().text()))
          .isEqualTo("for null");
    }
  }

  @Test
  void aKeyIsNeverSuppliedForAnotherTenant() throws Exception {
    Node node = loopback.node(Replies.answering("ok"));
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .endpoint(
                    Loopback.ollama("node", node).apiKey(() -> "key-of-" + TENANT.get()).build()));

    for (String tenant : List.of("alice", "bob")) {
      onThreadOf(tenant, () -> client.chat("draft").text());
    }

    assertThat(node.requests())
        .allSatisfy(
            request -> assertThat(request.header("Authorization")).isEqualTo("Bearer key-of-null"));
  }

  @Test
  void noClassLoaderOfACallerIsKept() throws Exception {
    List<ClassLoader> seen = new CopyOnWriteArrayList<>();
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .endpoint(
                    Endpoint.local(
                            "function",
                            request -> {
                              seen.add(Thread.currentThread().getContextClassLoader());
                              return "an answer";
                            })
                        .timeout(Duration.ofSeconds(10))
                        .build()));
    try (URLClassLoader application = new URLClassLoader(new URL[0])) {
      ClassLoader before = Thread.currentThread().getContextClassLoader();
      Thread.currentThread().setContextClassLoader(application);
      try {
        client.chat("draft");
        client.chatAsync(request()).join();
      } finally {
        Thread.currentThread().setContextClassLoader(before);
      }
    }

    assertThat(seen).hasSize(2).containsOnly(LlmClient.class.getClassLoader());
  }

  @Test
  void theTimerCarriesNothingEither() throws Exception {
    CompletableFuture<String> seen = new CompletableFuture<>();
    TENANT.set("alice");
    try (Time time = Time.system()) {
      ScheduledExecutorService timer = time.timer();
      timer.execute(
          () ->
              seen.complete(
                  TENANT.get() + " " + Thread.currentThread().getContextClassLoader().hashCode()));

      assertThat(seen.get(10, TimeUnit.SECONDS))
          .isEqualTo("null " + LlmClient.class.getClassLoader().hashCode());
    } finally {
      TENANT.remove();
    }
  }

  private static ChatRequest request() {
    return ChatRequest.builder().user("draft").build();
  }
}
