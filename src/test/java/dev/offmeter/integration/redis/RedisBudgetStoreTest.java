// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.redis;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.awaitility.Awaitility.await;

import dev.offmeter.DependenciesTest;
import dev.offmeter.LlmClient;
import dev.offmeter.guard.BudgetStore.Claim;
import io.lettuce.core.RedisClient;
import io.lettuce.core.RedisURI;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URL;
import java.net.URLClassLoader;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What needs no Redis: the constructor, and addresses where none is. */
@Timeout(60)
class RedisBudgetStoreTest {
  private static final Instant NOW = Instant.parse("2026-11-18T12:00:00Z");
  private static final Claim CLAIM = new Claim("a", 1, 10, Instant.MAX, Duration.ZERO);

  private final RedisClient client = RedisClient.create();

  @AfterEach
  void stop() {
    client.shutdown(Duration.ZERO, Duration.ofSeconds(1));
  }

  @ParameterizedTest
  @ValueSource(strings = {"", " ", "{a", "a}"})
  void aPrefixThatWouldSpreadTheKeysIsRejected(String prefix) {
    assertThatThrownBy(() -> new RedisBudgetStore(client, prefix))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("prefix must not be blank and have no braces, was '" + prefix + "'");
  }

  @Test
  void nullIsRejected() {
    assertThatThrownBy(() -> new RedisBudgetStore(null))
        .isInstanceOf(NullPointerException.class)
        .hasMessage("client");
    assertThatThrownBy(() -> new RedisBudgetStore(client, null))
        .isInstanceOf(NullPointerException.class)
        .hasMessage("prefix");
  }

  @Test
  void closingAStoreThatWasNeverUsedOpensNothing() {
    RedisBudgetStore store = new RedisBudgetStore(client);
    store.close();
    store.close();

    assertThatThrownBy(() -> store.balance(CLAIM, NOW))
        .hasMessage("the budget store must be open, was closed");
  }

  @Test
  void aClientWithoutAnAddressIsNamed() {
    try (RedisBudgetStore store = new RedisBudgetStore(client)) {
      assertThatThrownBy(() -> store.balance(CLAIM, NOW))
          .isInstanceOf(IllegalStateException.class)
          .hasMessageStartingWith("Redis cannot be reached: ");
    }
  }

  @Test
  void aServerThatAcceptsAndSaysNothingKeepsNobodyWaiting() throws Exception {
    try (ServerSocket silent = new ServerSocket(0, 5, InetAddress.getLoopbackAddress())) {
      RedisURI uri = RedisURI.create("127.0.0.1", silent.getLocalPort());
      // For so long the attempt to connect goes on behind the caller's back.
      uri.setTimeout(Duration.ofSeconds(3));
      try (RedisClient lost = RedisClient.create(uri);
          RedisBudgetStore store = new RedisBudgetStore(lost)) {
        assertThat(catchThrowable(() -> store.balance(CLAIM, NOW)))
            .hasMessage("no connection to Redis in 1000 ms");
        await().until(() -> threads().noneMatch(name -> name.equals("offmeter-redis-connect")));
      }
    }
  }

  private static Stream<String> threads() {
    return Thread.getAllStackTraces().keySet().stream().map(Thread::getName);
  }

  @Test
  void withoutLettuceAClientHasBudgetsAllTheSame() throws Exception {
    URL[] needed =
        DependenciesTest.NEEDED.stream()
            .map(type -> type.getProtectionDomain().getCodeSource().getLocation())
            .toArray(URL[]::new);
    ClassLoader platform = ClassLoader.getPlatformClassLoader();
    try (URLClassLoader loader = new URLClassLoader(needed, platform)) {
      assertThat(catchThrowable(() -> loader.loadClass(RedisClient.class.getName())))
          .isInstanceOf(ClassNotFoundException.class);
      Class<?> type = loader.loadClass(LlmClient.class.getName());
      Map<String, String> variables =
          Map.of(
              "OLLAMA_PRIMARY_URL", "http://127.0.0.1:1", "OFFMETER_BUDGETS_0_LIMIT", "500 calls");

      try (AutoCloseable built =
          (AutoCloseable) type.getMethod("fromEnv", Map.class).invoke(null, variables)) {
        Object meter = type.getMethod("meter").invoke(built);
        assertThat((List<?>) meter.getClass().getMethod("budgets").invoke(meter)).hasSize(1);
      }
    }
  }
}
