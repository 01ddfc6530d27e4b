// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.spring;

import static dev.offmeter.testing.OllamaReplies.answering;
import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.Endpoint;
import dev.offmeter.LlmClient;
import dev.offmeter.LlmException;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.autoconfigure.context.LifecycleAutoConfiguration;
import org.springframework.boot.test.context.assertj.ApplicationContextAssert.Scope;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.boot.web.context.WebServerGracefulShutdownLifecycle;
import org.springframework.context.SmartLifecycle;

/** The end of an application: calls under way finish, within the time that Spring gives. */
class OffmeterLifecycleTest {
  @RegisterExtension final Loopback loopback = new Loopback();
  private final CountDownLatch released = new CountDownLatch(1);
  private final Node node =
      loopback.node(
          (connection, request) -> {
            awaitRelease();
            answering("a late draft").answer(connection, request);
          });

  private void awaitRelease() {
    try {
      released.await(30, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private ApplicationContextRunner spring() {
    return new ApplicationContextRunner()
        .withConfiguration(
            AutoConfigurations.of(
                OffmeterAutoConfiguration.class, LifecycleAutoConfiguration.class))
        .withPropertyValues("offmeter.endpoints[0].url=" + node.url());
  }

  @Test
  void aCallUnderWayEndsWithItsAnswerBeforeTheClientIsClosed() {
    spring()
        .run(
            context -> {
              CompletableFuture<ChatResponse> call = call(context.getBean(LlmClient.class));
              SmartLifecycle lifecycle = context.getBean(OffmeterLifecycle.class);
              CompletableFuture<Void> end = CompletableFuture.runAsync(context::close);
              Loopback.awaitSoon(() -> !lifecycle.isRunning());

              assertThat(end).isNotDone();
              released.countDown();

              assertThat(call.get(30, TimeUnit.SECONDS).text()).isEqualTo("a late draft");
              assertThat(end).succeedsWithin(30, TimeUnit.SECONDS);
            });
  }

  @Test
  void aCallThatTakesLongerIsEndedByTheClose() {
    spring()
        .withPropertyValues("spring.lifecycle.timeout-per-shutdown-phase=10ms")
        .run(
            context -> {
              CompletableFuture<ChatResponse> call = call(context.getBean(LlmClient.class));
              context.close();

              assertThat(call)
                  .failsWithin(30, TimeUnit.SECONDS)
                  .withThrowableThat()
                  .havingCause()
                  .isInstanceOf(LlmException.class)
                  .withMessageContaining("closed");
            });
    released.countDown();
  }

  private CompletableFuture<ChatResponse> call(LlmClient client) throws InterruptedException {
    CompletableFuture<ChatResponse> call =
        client.chatAsync(ChatRequest.builder().user("x").build());
    node.awaitFirstRequest();
    return call;
  }

  @Test
  void aChildOfTheApplicationDoesNotWaitForTheCallsOfItsParent() {
    spring()
        .run(
            parent -> {
              CompletableFuture<ChatResponse> call = call(parent.getBean(LlmClient.class));
              spring()
                  .withParent(parent)
                  .run(
                      child ->
                          assertThat(child)
                              .doesNotHaveBean(OffmeterLifecycle.class, Scope.NO_ANCESTORS));

              assertThat(call).isNotDone();
              released.countDown();
              assertThat(call.get(30, TimeUnit.SECONDS).text()).isEqualTo("a late draft");
            });
  }

  @Test
  void anIdleClientDelaysNothing() {
    LlmClient client = loopback.client(LlmClient.builder().endpoint(endpoint()));
    OffmeterLifecycle lifecycle = new OffmeterLifecycle(List.of(client));
    boolean[] done = new boolean[1];
    lifecycle.start();

    lifecycle.stop(() -> done[0] = true);

    assertThat(done[0]).isTrue();
  }

  private Endpoint endpoint() {
    return Loopback.ollama("node", node).build();
  }

  @Test
  void itsPhaseIsAfterThatOfTheWebServer() {
    int webServer = WebServerGracefulShutdownLifecycle.SMART_LIFECYCLE_PHASE;

    // The web server itself stops 1024 after that.
    assertThat(OffmeterLifecycle.PHASE).isLessThan(webServer - 1024);
  }
}
