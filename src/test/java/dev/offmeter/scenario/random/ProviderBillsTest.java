// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.random;

import static dev.offmeter.testing.TwoNodes.template;
import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.Attempt;
import dev.offmeter.ChatEvent;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ChatStream;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.LlmException;
import dev.offmeter.Locality;
import dev.offmeter.Usage;
import dev.offmeter.guard.Budget;
import dev.offmeter.guard.BudgetStore;
import dev.offmeter.meter.Cost;
import dev.offmeter.meter.MeterTotals;
import dev.offmeter.meter.Price;
import dev.offmeter.observe.LlmListener;
import dev.offmeter.testing.Connection;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.Seeds;
import dev.offmeter.testing.ServerReplies;
import java.io.IOException;
import java.math.BigDecimal;
import java.time.Duration;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Random calls over providers that write bills of their own: the meter agrees with them to the last
 * digit where they report usage, and lies above them where it had to estimate; the budget is never
 * passed.
 */
@Timeout(120)
class ProviderBillsTest {
  private static final int LIVES = 12;
  private static final int CALLERS = 8;
  private static final int CALLS = 12;

  @RegisterExtension final Loopback loopback = new Loopback();

  private final Map<String, BigDecimal> bills = new ConcurrentHashMap<>();
  private final AtomicInteger requests = new AtomicInteger();
  private final List<Attempt> attempts = new CopyOnWriteArrayList<>();

  static LongStream seeds() {
    return Seeds.orElse(1, 2);
  }

  /** A provider that bills what it has read and written, whatever becomes of the reply. */
  private final class Provider implements Node.Script {
    private final Price price;
    private final long seed;

    Provider(Price price, long seed) {
      this.price = price;
      this.seed = seed;
    }

    @Override
    public void answer(Connection connection, Connection.Request request) throws IOException {
      int number = requests.incrementAndGet();
      Random random = Seeds.of(seed, number);
      int fate = random.nextInt(100);
      if (fate < 12) {
        int status = List.of(400, 429, 500, 503).get(random.nextInt(4));
        OllamaReplies.status(status, "text/plain", "no").answer(connection, request);
        return;
      }
      write(connection, request, "bill-" + number, random, fate);
    }

    private void write(
        Connection connection, Connection.Request request, String id, Random random, int fate)
        throws IOException {
      int input = request.body().length() / 4;
      int pieces = 1 + random.nextInt(20);
      bill(id, input, 0);
      connection.send(ServerReplies.EVENTS_HEAD);
      for (int i = 1; i <= pieces; i++) {
        bill(id, input, i);
        send(connection, piece(id));
      }
      if (fate < 22) {
        connection.close();
      } else if (fate < 24) {
        connection.hang();
      } else {
        send(connection, ServerReplies.openAiEnd("stop"));
        if (fate < 90) {
          send(connection, usage(input, pieces));
        }
        send(connection, "[DONE]");
        connection.send(OllamaReplies.LAST_CHUNK);
      }
    }

    private void bill(String id, int input, int output) {
      bills.put(id, price.cost(new Usage(input, output), Duration.ZERO).amount());
    }

    private static String piece(String id) {
      return "{\"model\":\""
          + id
          + "\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"word \"}}]}";
    }

    private static String usage(int input, int output) {
      return "{\"choices\":[],\"usage\":{\"prompt_tokens\":"
          + input
          + ",\"completion_tokens\":"
          + output
          + "}}";
    }

    private static void send(Connection connection, String event) throws IOException {
      connection.send(OllamaReplies.chunk("data: " + event + "\n\n"));
    }
  }

  private LlmClient client(List<Endpoint> endpoints, Budget budget, BudgetStore store) {
    LlmClient.Builder builder = LlmClient.builder();
    endpoints.forEach(builder::endpoint);
    return builder
        .endpoint(template())
        .budget(budget)
        .budgetStore(store)
        .hedgeAfter(Duration.ofMillis(2))
        .maxHedgedShare(1)
        .listener(
            new LlmListener() {
              @Override
              public void onAttemptEnded(long call, Attempt attempt) {
                attempts.add(attempt);
              }

              @Override
              public void onAttemptSkipped(long call, Attempt attempt) {
                attempts.add(attempt);
              }
            })
        .build();
  }

  private Endpoint provider(String name, Price price, long seed) {
    return Endpoint.openAi(name, loopback.node(new Provider(price, seed)).url())
        .model("m")
        .locality(Locality.MANAGED)
        .price(price)
        .timeout(Duration.ofMillis(400))
        .build();
  }

  private static void call(LlmClient client, Random random) {
    ChatRequest request =
        ChatRequest.builder()
            .user("a reminder of invoice ".repeat(1 + random.nextInt(20)))
            .maxTokens(40)
            .build();
    try {
      if (random.nextInt(4) == 0) {
        try (ChatStream stream = client.stream(request)) {
          Iterator<ChatEvent> events = stream.iterator();
          int wanted = random.nextInt(30);
          for (int i = 0; i < wanted && events.hasNext(); i++) {
            assertThat(events.next()).isNotNull();
          }
        }
      } else {
        ChatResponse unused = client.chat(request);
      }
    } catch (LlmException e) {
      // The bills are what counts.
    }
  }

  @ParameterizedTest
  @MethodSource("seeds")
  void theMeterAgreesWithTheBillsAndTheBudgetHolds(long seed) throws Exception {
    BigDecimal limit = new BigDecimal("0.05");
    Budget budget = Budget.money("all", limit.toPlainString(), "USD");
    BudgetStore store = BudgetStore.inMemory();
    List<Endpoint> endpoints =
        List.of(
            provider("one", Price.perMillionTokens("USD", 0.3, 2.5), seed),
            provider("two", Price.perMillionTokens("USD", "1.1", "9.7"), -seed));
    Cost metered = Cost.NONE;
    for (int life = 0; life < LIVES; life++) {
      try (LlmClient client = client(endpoints, budget, store)) {
        callFromManyThreads(client, seed, life);
        MeterTotals total = client.meter().snapshot().total();
        assertThat(total.attemptsOfUnknownCost()).isZero();
        metered = metered.plus(total.knownCost());
      }
    }

    BigDecimal billed = bills.values().stream().reduce(BigDecimal.ZERO, BigDecimal::add);
    assertThat(billed).as(Seeds.replayHint(seed)).isLessThanOrEqualTo(limit);
    assertThat(billed).isLessThanOrEqualTo(metered.amount());
    assertThat(metered.amount())
        .isEqualByComparingTo(
            attempts.stream()
                .map(Attempt::cost)
                .map(Cost::amount)
                .reduce(BigDecimal.ZERO, BigDecimal::add));
    for (Attempt attempt : attempts) {
      if (attempt.failure().isEmpty() && attempt.usage().reported()) {
        assertThat(attempt.cost().amount())
            .as("%s", attempt)
            .isEqualByComparingTo(bills.get(attempt.model()));
      }
    }
    assertThat(attempts).anyMatch(Attempt::possiblyBilled);
    assertThat(attempts)
        .anyMatch(each -> each.failure().filter(FailureKind.BUDGET_EXCEEDED::equals).isPresent());
  }

  private static void callFromManyThreads(LlmClient client, long seed, int life) throws Exception {
    ExecutorService callers = Executors.newFixedThreadPool(CALLERS);
    try {
      List<Future<?>> all =
          IntStream.range(0, CALLERS)
              .<Future<?>>mapToObj(
                  caller ->
                      callers.submit(
                          () -> {
                            Random random = Seeds.of(seed, life, caller);
                            IntStream.range(0, CALLS).forEach(i -> call(client, random));
                          }))
              .toList();
      for (Future<?> each : all) {
        assertThat(each.get()).isNull();
      }
    } finally {
      callers.shutdownNow();
    }
  }
}
