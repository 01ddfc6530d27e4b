// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.real;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.awaitility.Awaitility.await;

import ch.qos.logback.classic.Level;
import dev.offmeter.guard.BudgetStore;
import dev.offmeter.guard.BudgetStore.Balance;
import dev.offmeter.guard.BudgetStore.Claim;
import dev.offmeter.integration.redis.RedisBudgetStore;
import dev.offmeter.testing.LoggedEvents;
import io.lettuce.core.KillArgs;
import io.lettuce.core.RedisClient;
import io.lettuce.core.RedisCredentials;
import io.lettuce.core.RedisCredentialsProvider;
import io.lettuce.core.RedisURI;
import io.lettuce.core.api.sync.RedisCommands;
import io.lettuce.core.codec.StringCodec;
import io.lettuce.core.output.StatusOutput;
import io.lettuce.core.protocol.CommandArgs;
import io.lettuce.core.protocol.CommandType;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicReference;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** A store in Redis where the store in memory has no counterpart: exactness, expiry, outages. */
@Timeout(60)
@Needs(Program.REDIS_SERVER)
class RedisBudgetStoreIT {
  private static final Instant NOW = Instant.parse("2026-11-18T12:00:00Z");
  private static final Instant LEASE = NOW.plusSeconds(60);
  private static final Duration DAY = Duration.ofHours(24);

  /** No method takes longer, even on a machine that is loaded; without a limit it would be 60 s. */
  private static final Duration SOON = Duration.ofSeconds(5);

  @RegisterExtension final LoggedEvents log = new LoggedEvents(Level.WARN);

  @TempDir Path folder;
  private RedisServer server;
  private RedisClient client;
  private RedisBudgetStore store;

  private void start(String... options) {
    open(options);
    RedisServer.connected(store);
  }

  private void open(String... options) {
    server = RedisServer.started(folder, options);
    client = RedisClient.create(server.uri());
    store = new RedisBudgetStore(client);
  }

  @AfterEach
  void stop() {
    if (server != null) {
      store.close();
      server.close();
      client.shutdown(Duration.ZERO, Duration.ofSeconds(1));
    }
  }

  private static Claim claim(String key, long amount, long limit) {
    return new Claim(key, amount, limit, Instant.MAX, Duration.ZERO);
  }

  private int reserve(String reservation, Claim claim) {
    return store.reserve(reservation, List.of(claim), NOW, LEASE);
  }

  private void spend(String reservation, Claim claim) {
    assertThat(reserve(reservation, claim)).isEqualTo(-1);
    store.settle(reservation, List.of(claim), List.of(claim.amount()), NOW);
  }

  private Balance balance(String key) {
    return store.balance(claim(key, 0, 1), NOW);
  }

  // Amounts.

  @Test
  void countsBeyondWhatADoubleHoldsExactly() {
    start();
    long limit = (1L << 53) + 3;
    spend("1", claim("a", 1L << 53, limit));
    spend("2", claim("a", 1, limit));

    assertThat(balance("a")).isEqualTo(new Balance((1L << 53) + 1, 0));
    assertThat(reserve("3", claim("a", 3, limit))).isZero();
    assertThat(reserve("4", claim("a", 2, limit))).isEqualTo(-1);
    assertThat(balance("a")).isEqualTo(new Balance((1L << 53) + 1, 2));
  }

  @Test
  void theLastUnitBelowTheLargestLimitIsThere() {
    start();
    long limit = Long.MAX_VALUE - 1;
    spend("1", claim("a", Long.MAX_VALUE - 3, limit));

    assertThat(reserve("2", claim("a", 3, limit))).isZero();
    assertThat(reserve("3", claim("a", 2, limit))).isEqualTo(-1);
    assertThat(reserve("4", claim("a", 1, limit))).isZero();
    assertThat(reserve("5", claim("a", 1, Long.MAX_VALUE))).isEqualTo(-1);
    assertThat(reserve("6", claim("a", 1, Long.MAX_VALUE))).isZero();
  }

  @Test
  void amountsOfEverySizeCountAsInMemory() {
    start();
    BudgetStore memory = BudgetStore.inMemory();
    Random random = new Random(7);
    for (int i = 0; i < 1_000; i++) {
      String key = "key " + i / 4;
      long amount = edge(random);
      List<Claim> claims = List.of(claim(key, amount, edge(random)));
      List<Long> used = List.of(edge(random));
      String name = "r" + i;

      int held = store.reserve(name, claims, NOW, LEASE);
      assertThat(held).as(name).isEqualTo(memory.reserve(name, claims, NOW, LEASE));
      assertThat(balance(key)).as(name).isEqualTo(memory.balance(claims.get(0), NOW));
      if (random.nextBoolean()) {
        store.settle(name, claims, used, NOW);
        memory.settle(name, claims, used, NOW);
        assertThat(balance(key)).as(name).isEqualTo(memory.balance(claims.get(0), NOW));
      }
    }
  }

  /** A number near one at which a calculation in parts, or in doubles, could go wrong. */
  private static long edge(Random random) {
    long[] edges = {0, 1_000_000_000, 1_000_000_000_000_000_000L, 1L << 53, Long.MAX_VALUE / 2};
    long near = edges[random.nextInt(edges.length)] + random.nextInt(5) - 2;
    return switch (random.nextInt(4)) {
      case 0 -> random.nextLong() >>> 1 + random.nextInt(62);
      case 1 -> Long.MAX_VALUE - random.nextInt(3);
      default -> Math.max(0, near);
    };
  }

  @Test
  void aNegativeAmountIsRejected() {
    start();

    assertThatThrownBy(() -> reserve("1", claim("a", -1, 10)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("amount must be at least 0, was -1");
  }

  // Keys.

  @Test
  void everyKeyExpiresButThoseOfACountForEver() {
    start();
    Claim day = new Claim("day", 1, 10, NOW.plusSeconds(60), Duration.ZERO);
    Claim rolling = new Claim("rolling", 1, 10, NOW.plus(DAY), DAY);
    Claim session = new Claim("session", 1, 1, NOW.plus(DAY), Duration.ZERO);
    List<Claim> claims = List.of(day, rolling, session, claim("ever", 1, 10));
    assertThat(store.reserve("1", claims, NOW, LEASE)).isEqualTo(-1);
    assertThat(store.reserve("2", claims, NOW, LEASE)).isEqualTo(2);
    store.renew("1", claims, NOW, LEASE);
    store.balance(new Claim("none", 0, 1, Instant.MAX, Duration.ZERO), NOW);

    assertThat(lifetimes())
        .containsExactlyInAnyOrder(
            "{offmeter}:mark: for ever",
            "{offmeter}:count:ever: for ever",
            "{offmeter}:leases:ever: for ever",
            "{offmeter}:count:day: 1441 min",
            "{offmeter}:leases:day: 1441 min",
            "{offmeter}:count:rolling: 2880 min",
            "{offmeter}:leases:rolling: 2880 min",
            "{offmeter}:count:session: 2880 min",
            "{offmeter}:leases:session: 2880 min");

    store.settle("1", claims, List.of(1L, 1L, 1L, 1L), NOW);
    assertThat(lifetimes())
        .containsExactlyInAnyOrder(
            "{offmeter}:mark: for ever",
            "{offmeter}:count:ever: for ever",
            "{offmeter}:count:day: 1441 min",
            "{offmeter}:count:rolling: 2880 min",
            "{offmeter}:count:session: 2880 min",
            "{offmeter}:settled:1: 60 min");
  }

  /** Returns each key with the time that it is kept, rounded to minutes. */
  private List<String> lifetimes() {
    return server.ask(
        commands ->
            commands.keys("*").stream().map(key -> key + ": " + lifetime(commands, key)).toList());
  }

  private static String lifetime(RedisCommands<String, String> commands, String key) {
    long millis = commands.pttl(key);
    return millis < 0 ? "for ever" : Math.round(millis / 60_000.0) + " min";
  }

  @Test
  void whatIsSettledLongAfterItsWindowIsKeptForADay() {
    start();
    Claim day = new Claim("day", 1, 10, NOW.plusSeconds(60), Duration.ZERO);
    Instant later = NOW.plus(Duration.ofDays(3));
    store.settle("1", List.of(day), List.of(1L), later);

    assertThat(store.balance(day, later)).isEqualTo(new Balance(1, 0));
    assertThat(lifetimes()).contains("{offmeter}:count:day: 1440 min");
  }

  @Test
  void aRollingWindowKeepsNoMoreFieldsThanItsParts() {
    start();
    Claim rolling = new Claim("rolling", 1, 1_000, NOW.plus(DAY), Duration.ofMinutes(1));
    for (int i = 0; i < 300; i++) {
      Instant then = NOW.plusSeconds(i);
      assertThat(store.reserve("r" + i, List.of(rolling), then, then.plusSeconds(60)))
          .isEqualTo(-1);
      store.settle("r" + i, List.of(rolling), List.of(1L), then);
    }

    // The parts, reserved, and the window's end.
    assertThat(server.<Long>ask(commands -> commands.hlen("{offmeter}:count:rolling")))
        .isEqualTo(63);
  }

  @Test
  void storesWithOtherPrefixesDoNotMeet() {
    start();
    spend("1", claim("a", 10, 10));
    try (RedisBudgetStore other = RedisServer.connected(new RedisBudgetStore(client, "other"))) {
      assertThat(other.reserve("1", List.of(claim("a", 10, 10)), NOW, LEASE)).isEqualTo(-1);
    }
  }

  @Test
  void allKeysAreInOneSlotOfACluster() {
    open("--cluster-enabled", "yes");
    server.ask(commands -> commands.clusterAddSlots(IntStream.range(0, 16_384).toArray()));
    List<Claim> claims = List.of(claim("a", 1, 10), claim("b", 1, 10));
    RedisServer.connected(store);

    assertThat(store.reserve("1", claims, NOW, LEASE)).isEqualTo(-1);
    store.renew("1", claims, NOW, LEASE);
    store.settle("1", claims, List.of(1L, 1L), NOW);
    assertThat(balance("b")).isEqualTo(new Balance(1, 0));
  }

  // Restarts.

  @Test
  void aRedisWithoutPersistenceForgetsAndTheLogSaysSoOnce() {
    start();
    spend("1", claim("a", 10, 10));

    server.close();
    server.start();
    RedisServer.connected(store);

    assertThat(reserve("2", claim("a", 10, 10))).isEqualTo(-1);
    assertThat(balance("a")).isEqualTo(new Balance(0, 10));
    assertThat(reserve("3", claim("a", 10, 10))).isZero();
    assertThat(log.messages())
        .containsExactly(
            "Redis has lost the counts of the budgets ({offmeter}:): they begin at 0; see"
                + " appendonly and maxmemory-policy in its configuration");
  }

  @Test
  void whatWasReservedBeforeRedisForgotIsSettledOnce() {
    start();
    assertThat(reserve("1", claim("a", 6, 10))).isEqualTo(-1);
    server.close();
    server.start();
    RedisServer.connected(store);
    store.settle("1", List.of(claim("a", 6, 10)), List.of(2L), NOW);

    assertThat(balance("a")).isEqualTo(new Balance(2, 0));
  }

  @Test
  void aRedisThatAppendsToAFileKeepsTheCounts() {
    start("--appendonly", "yes", "--appendfsync", "always");
    spend("1", claim("a", 10, 10));

    server.close();
    server.start();
    RedisServer.connected(store);

    assertThat(reserve("2", claim("a", 1, 10))).isZero();
    assertThat(log.messages()).isEmpty();
  }

  @Test
  void aRedisThatIsAwayIsNamedAtOnceAndFoundAgainAtOnce() {
    start("--appendonly", "yes", "--appendfsync", "always");
    spend("1", claim("a", 4, 10));

    server.close();
    Instant began = Instant.now();
    // The first may still find the connection, and lose it.
    assertThatThrownBy(() -> balance("a")).isInstanceOf(IllegalStateException.class);
    for (int i = 0; i < 20; i++) {
      assertThatThrownBy(() -> balance("a"))
          .isInstanceOf(IllegalStateException.class)
          .hasMessageStartingWith("Redis cannot be reached: Connection refused");
    }
    assertThat(Duration.between(began, Instant.now())).isLessThan(SOON);

    server.start();
    RedisServer.connected(store);
    assertThat(balance("a")).isEqualTo(new Balance(4, 0));
  }

  @Test
  void aRequestWhoseConnectionIsClosedIsNotSentAgain() throws Exception {
    start();
    spend("1", claim("a", 4, 10));
    AtomicReference<Throwable> thrown = new AtomicReference<>();
    Thread caller =
        new Thread(() -> thrown.set(catchThrowable(() -> reserve("2", claim("a", 1, 10)))));

    dispatch(CommandType.CLIENT, "PAUSE", "60000", "WRITE");
    caller.start();
    await().until(() -> server.ask(RedisCommands::clientList).contains(" flags=b "));
    long connection = Long.parseLong(connection().substring("id=".length()));
    server.ask(commands -> commands.clientKill(KillArgs.Builder.id(connection)));
    caller.join();
    assertThat(thrown.get())
        .isInstanceOf(IllegalStateException.class)
        .hasMessageStartingWith("the connection to Redis was lost");

    dispatch(CommandType.CLIENT, "UNPAUSE");
    RedisServer.connected(store);
    assertThat(balance("a")).isEqualTo(new Balance(4, 0));
  }

  /** Sends a command for whose options Lettuce has no method. */
  private void dispatch(CommandType command, String... words) {
    server.ask(
        commands ->
            commands.dispatch(
                command,
                new StatusOutput<>(StringCodec.UTF8),
                new CommandArgs<>(StringCodec.UTF8).addValues(words)));
  }

  // A server that hangs.

  @Test
  void aFrozenRedisKeepsNobodyWaiting() {
    start();
    spend("1", claim("a", 4, 10));

    server.freeze();
    for (int i = 0; i < 3; i++) {
      Instant began = Instant.now();
      assertThatThrownBy(() -> reserve("2", claim("a", 1, 10)))
          .isInstanceOf(IllegalStateException.class)
          .hasMessageMatching("no (answer of|connection to) Redis in 1000 ms");
      assertThat(Duration.between(began, Instant.now())).isLessThan(SOON);
    }

    server.thaw();
    RedisServer.connected(store);
    assertThat(balance("a").spent()).isEqualTo(4);
  }

  @Test
  void aConnectionThatIsSilentForASecondIsClosed() {
    start();
    String before = connection();

    server.freeze();
    for (int i = 0; i < 3; i++) {
      assertThatThrownBy(() -> balance("a")).isInstanceOf(IllegalStateException.class);
    }
    server.thaw();
    RedisServer.connected(store);

    // One more was opened for all who came later.
    assertThat(connection()).isNotEqualTo(before);
  }

  /** Returns the number by which Redis knows the only connection of the store. */
  private String connection() {
    List<String> all =
        server.ask(
            commands -> {
              String own = "id=" + commands.clientId() + " ";
              return commands.clientList().lines().filter(line -> !line.startsWith(own)).toList();
            });
    assertThat(all).hasSize(1);
    return all.get(0).split(" ")[0];
  }

  @Test
  void aCallerThatIsInterruptedStopsWaiting() throws Exception {
    start();
    spend("1", claim("a", 4, 10));
    server.freeze();
    AtomicReference<Throwable> thrown = new AtomicReference<>();
    Thread caller =
        new Thread(
            () -> {
              Thread.currentThread().interrupt();
              try {
                balance("a");
              } catch (IllegalStateException e) {
                thrown.set(Thread.interrupted() ? e : null);
              }
            });

    caller.start();
    caller.join(900);

    assertThat(thrown.get()).hasMessage("interrupted while waiting for Redis");
    server.thaw();
    RedisServer.connected(store);
    assertThat(balance("a").spent()).isEqualTo(4);
  }

  // Errors.

  @Test
  void aRedisThatForgotTheScriptsIsToldThemAgain() {
    start();
    spend("1", claim("a", 4, 10));
    server.ask(RedisCommands::scriptFlush);

    assertThat(balance("a")).isEqualTo(new Balance(4, 0));
    assertThat(reserve("2", claim("a", 6, 10))).isEqualTo(-1);
  }

  @Test
  void aRedisWithoutMemoryChangesNothingAndIsNamed() {
    start();
    assertThat(reserve("1", claim("a", 4, 10))).isEqualTo(-1);
    server.ask(commands -> commands.configSet("maxmemory", "1"));

    // The lease has ended: a script that stopped in its middle would give back half of it.
    assertThatThrownBy(() -> store.balance(claim("a", 0, 10), LEASE))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageStartingWith("Redis refuses: OOM ");

    server.ask(commands -> commands.configSet("maxmemory", "0"));
    assertThat(balance("a")).isEqualTo(new Balance(0, 4));
    assertThat(store.balance(claim("a", 0, 10), LEASE)).isEqualTo(new Balance(0, 0));
  }

  @Test
  void aReplicaIsNamedAndLeftForWhateverHasItsAddressNext() {
    start();
    spend("1", claim("a", 4, 10));
    String before = connection();
    server.ask(commands -> commands.replicaof("127.0.0.1", Processes.freePort()));

    assertThatThrownBy(() -> reserve("2", claim("a", 1, 10)))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageStartingWith("Redis refuses: READONLY ");

    server.ask(RedisCommands::replicaofNoOne);
    RedisServer.connected(store);
    assertThat(reserve("3", claim("a", 1, 10))).isEqualTo(-1);
    assertThat(connection()).isNotEqualTo(before);
  }

  @Test
  void aUserNeedsNoOtherRightsThanTheDocumentedOnes() throws Exception {
    start();
    String page = Files.readString(Path.of("docs/budgets.md"));
    Matcher rights = Pattern.compile("`(~\\{offmeter}:\\* [^`]+)`").matcher(page);
    assertThat(rights.find()).isTrue();
    String[] words = ("SETUSER budgets on >secret " + rights.group(1)).split(" ");
    dispatch(CommandType.ACL, words);
    RedisURI uri = server.uri();
    uri.setCredentialsProvider(
        RedisCredentialsProvider.from(() -> RedisCredentials.just("budgets", "secret")));
    List<Claim> claims = List.of(claim("a", 1, 10), new Claim("r", 1, 10, NOW.plus(DAY), DAY));

    try (RedisClient limited = RedisClient.create(uri);
        RedisBudgetStore allowed = RedisServer.connected(new RedisBudgetStore(limited))) {
      assertThat(allowed.reserve("1", claims, NOW, LEASE)).isEqualTo(-1);
      allowed.renew("1", claims, NOW, LEASE);
      allowed.settle("1", claims, List.of(1L, 1L), NOW);
      assertThat(allowed.reserve("2", claims, NOW, LEASE)).isEqualTo(-1);
      Instant later = LEASE.plus(DAY).plus(DAY);
      assertThat(allowed.balance(claims.get(1), later)).isEqualTo(new Balance(0, 0));
      server.ask(RedisCommands::scriptFlush);
      assertThat(allowed.balance(claims.get(0), NOW)).isEqualTo(new Balance(1, 1));
    }
  }

  @Test
  void aClosedStoreSaysSoAndLeavesTheClientOpen() {
    start();
    spend("1", claim("a", 4, 10));
    store.close();

    assertThatThrownBy(() -> balance("a")).hasMessage("the budget store must be open, was closed");
    try (RedisBudgetStore again = RedisServer.connected(new RedisBudgetStore(client))) {
      assertThat(again.balance(claim("a", 0, 10), NOW)).isEqualTo(new Balance(4, 0));
    }
  }
}
