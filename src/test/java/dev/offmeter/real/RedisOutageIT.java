// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.real;

import static dev.offmeter.testing.TwoNodes.template;
import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import dev.offmeter.ChatRequest;
import dev.offmeter.Endpoint;
import dev.offmeter.LlmClient;
import dev.offmeter.Locality;
import dev.offmeter.guard.Budget;
import dev.offmeter.integration.redis.RedisBudgetStore;
import dev.offmeter.meter.Price;
import dev.offmeter.testing.LoggedEvents;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.ServerReplies;
import io.lettuce.core.RedisClient;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** Calls under a budget in Redis while that is away, or hangs. */
@Timeout(60)
@Needs(Program.REDIS_SERVER)
class RedisOutageIT {
  private static final ChatRequest REQUEST =
      ChatRequest.builder().user("a reminder").maxTokens(100).build();

  @RegisterExtension final Loopback loopback = new Loopback();
  @RegisterExtension final LoggedEvents log = new LoggedEvents(Level.WARN);

  private final Node paid =
      loopback.node(
          ServerReplies.openAi(
              "Dear Ms Kern", "{\"prompt_tokens\":1000,\"completion_tokens\":100}"));

  @TempDir Path folder;
  private RedisServer server;
  private RedisClient redis;
  private RedisBudgetStore store;
  private LlmClient llm;

  @BeforeEach
  void start() {
    server = RedisServer.started(folder, "--appendonly", "yes", "--appendfsync", "always");
    redis = RedisClient.create(server.uri());
    store = RedisServer.connected(new RedisBudgetStore(redis));
    llm =
        loopback.client(
            LlmClient.builder()
                .endpoint(
                    Endpoint.openAi("paid", paid.url())
                        .model("large")
                        .locality(Locality.MANAGED)
                        .price(Price.perMillionTokens("USD", 1, 10))
                        .build())
                .endpoint(template())
                .budget(Budget.tokens("tokens", 100_000))
                .budgetStore(store));
  }

  @AfterEach
  void stop() {
    server.thaw();
    redis.shutdown(Duration.ZERO, Duration.ofSeconds(1));
    server.close();
  }

  private String answerer() {
    return llm.chat(REQUEST).endpoint();
  }

  private long warnings() {
    return log.messages().stream()
        .filter(message -> message.contains("the budget store does not work"))
        .count();
  }

  @Test
  void freeEndpointsAnswerWhileRedisIsAwayAndPaidOnesAfterwards() {
    assertThat(answerer()).isEqualTo("paid");

    server.close();
    for (int i = 0; i < 5; i++) {
      assertThat(answerer()).isEqualTo("template");
    }
    assertThat(paid.requests()).hasSize(1);
    assertThat(warnings()).isEqualTo(1);

    server.start();
    RedisServer.connected(store);
    assertThat(answerer()).isEqualTo("paid");
    assertThat(llm.meter().budgets())
        .singleElement()
        .satisfies(b -> assertThat(b.spent()).isEqualTo(2200));
  }

  @Test
  void aRedisThatHangsKeepsNoCallWaiting() {
    assertThat(answerer()).isEqualTo("paid");

    server.freeze();
    Instant began = Instant.now();
    assertThat(answerer()).isEqualTo("template");
    assertThat(Duration.between(began, Instant.now())).isLessThan(Duration.ofSeconds(5));
    assertThat(warnings()).isEqualTo(1);

    server.thaw();
    RedisServer.connected(store);
    assertThat(answerer()).isEqualTo("paid");
  }
}
