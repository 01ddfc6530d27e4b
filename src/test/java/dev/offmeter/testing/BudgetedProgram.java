// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.testing;

import dev.offmeter.Attempt;
import dev.offmeter.ChatResponse;
import dev.offmeter.Endpoint;
import dev.offmeter.LlmClient;
import dev.offmeter.Locality;
import dev.offmeter.guard.Budget;
import dev.offmeter.guard.BudgetStore;
import dev.offmeter.meter.Price;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * A process with a list of three endpoints: a primary that fails, a reserve that costs, and a
 * template. The reserve has a budget of one call, which all processes share. Orders, one a line:
 *
 * <ul>
 *   <li>{@code round NAME}: makes a client with a budget of this name; answers {@code ready}.
 *   <li>{@code go}: makes 64 calls at once; answers how many were answered by whom.
 *   <li>{@code call NAME}: makes one call in the background; answers {@code calling}.
 * </ul>
 */
public final class BudgetedProgram {
  /** Begins each line that is an answer to an order; others are of the log. */
  static final String ANSWER = "> ";

  /** The calls of one round. */
  public static final int THREADS = 64;

  /** Is in the answer of a round in which the store did not answer each call in time. */
  public static final String WITHOUT_STORE = " without the store";

  private final BudgetStore store;
  private final String primary;
  private final String reserve;
  private final ExecutorService threads = Executors.newFixedThreadPool(THREADS);

  private BudgetedProgram(BudgetStore store, String primary, String reserve) {
    this.store = store;
    this.primary = primary;
    this.reserve = reserve;
  }

  /** Runs until the end of its standard input. */
  public static void main(String[] args) throws Exception {
    SharedStores stores = (SharedStores) Class.forName(args[0]).getConstructor().newInstance();
    BudgetedProgram program = new BudgetedProgram(stores.open(args[1]), args[2], args[3]);
    BufferedReader orders =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String order = orders.readLine(); order != null; order = orders.readLine()) {
      String[] words = order.split(" ");
      if (words[0].equals("round")) {
        program.round(words[1], orders);
      } else {
        program.call(words[1]);
      }
    }
    System.exit(0);
  }

  /** Returns the list of endpoints with its budget, for the process of the test too. */
  public static LlmClient.Builder list(
      LlmClient.Builder builder, BudgetStore store, String budget, String primary, String reserve) {
    return builder
        .endpoint(Endpoint.ollama("primary", primary).model("small").build())
        .endpoint(
            Endpoint.openAi("reserve", reserve)
                .model("large")
                .locality(Locality.MANAGED)
                .price(Price.perMillionTokens("USD", 1, 10))
                .build())
        .endpoint(Endpoint.local("template", request -> "from the template").build())
        .budgetStore(store)
        .budget(Budget.calls(budget, 1).endpoint("reserve"));
  }

  private LlmClient client(String budget) {
    return list(LlmClient.builder(), store, budget, primary, reserve).build();
  }

  private static void answer(String text) {
    System.out.println(ANSWER + text);
  }

  private void round(String budget, BufferedReader orders) throws Exception {
    try (LlmClient client = client(budget)) {
      CountDownLatch ready = new CountDownLatch(THREADS);
      CountDownLatch go = new CountDownLatch(1);
      List<Future<ChatResponse>> all = new ArrayList<>();
      for (int i = 0; i < THREADS; i++) {
        all.add(
            threads.submit(
                () -> {
                  ready.countDown();
                  go.await();
                  return client.chat("a reminder");
                }));
      }
      ready.await();
      answer("ready");
      orders.readLine();
      go.countDown();
      Map<String, Integer> answered = new TreeMap<>();
      for (Future<ChatResponse> each : all) {
        answered.merge(describe(each.get()), 1, Integer::sum);
      }
      answer(answered.toString());
    }
  }

  /** The endpoint that answered; and whether the store was asked in vain. */
  private static String describe(ChatResponse response) {
    boolean unasked =
        response.attempts().stream().map(Attempt::message).anyMatch(m -> m.contains("store"));
    return response.endpoint() + (unasked ? WITHOUT_STORE : "");
  }

  private void call(String budget) {
    LlmClient client = client(budget);
    threads.execute(() -> client.chat("a reminder"));
    answer("calling");
  }
}
