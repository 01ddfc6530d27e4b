// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.costs;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.ClientInternals;
import dev.offmeter.LlmClient;
import dev.offmeter.guard.BudgetStore;
import dev.offmeter.testing.BudgetedProcess;
import dev.offmeter.testing.BudgetedProgram;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.ServerReplies;
import dev.offmeter.testing.SharedStores;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * Several processes keep one budget, whatever store they share. A subclass says which, and where
 * its data are.
 */
@Timeout(180)
public abstract class SharedBudgetContract {
  private static final int ROUNDS = 20;
  private static final int PROCESSES = 3;
  private static final int CALLS = PROCESSES * BudgetedProgram.THREADS;

  @RegisterExtension final Loopback loopback = new Loopback();

  private final List<BudgetedProcess> processes = new ArrayList<>();
  private final Node primary =
      loopback.node(OllamaReplies.status(500, "text/plain", "broken")).discardRequests();
  private final Node reserve = loopback.node(ServerReplies.openAi("Dear Ms Kern"));

  /** Returns how a process opens its store. */
  protected abstract Class<? extends SharedStores> stores();

  /** Returns the address of data that no other test uses. */
  protected abstract String address();

  private BudgetedProcess process() {
    return new BudgetedProcess(stores(), address(), primary, reserve);
  }

  @Test
  void ofThreeProcessesWithManyThreadsOneCallAsksTheReserveInEachRound() {
    withProcesses(
        () -> {
          int inTime = 0;
          for (int round = 1; round <= ROUNDS; round++) {
            Round outcome = round("round-" + round);

            // On a machine that stands still the store may be too late: nobody asks the reserve.
            assertThat(outcome.asked()).as(outcome.answers()).isBetween(outcome.late() ? 0 : 1, 1);
            inTime += outcome.late() ? 0 : 1;
          }
          assertThat(inTime).isGreaterThan(ROUNDS / 2);
        });
  }

  /** Runs a test with processes that end with it. */
  protected final void withProcesses(Runnable test) {
    try {
      Stream.generate(this::process).limit(PROCESSES).forEach(processes::add);
      test.run();
    } finally {
      processes.forEach(BudgetedProcess::close);
    }
  }

  /**
   * The outcome of a round.
   *
   * @param asked how often the reserve was asked
   * @param late whether the store did not answer each call in time
   */
  protected record Round(int asked, boolean late, String answers) {}

  /** Lets all processes make their calls at once, under one budget, and each be answered. */
  protected final Round round(String name) {
    int before = reserve.requests().size();
    processes.forEach(process -> process.tell("round " + name));
    processes.forEach(process -> assertThat(process.answer()).isEqualTo("ready"));
    processes.forEach(process -> process.tell("go"));
    String answers =
        processes.stream().map(BudgetedProcess::answer).collect(Collectors.joining(" "));
    assertThat(sum(answers)).as("all are answered: %s", answers).isEqualTo(CALLS);
    int asked = reserve.requests().size() - before;
    return new Round(asked, answers.contains(BudgetedProgram.WITHOUT_STORE), answers);
  }

  private static int sum(String answers) {
    return Pattern.compile("=(\\d+)")
        .matcher(answers)
        .results()
        .mapToInt(number -> Integer.parseInt(number.group(1)))
        .sum();
  }

  @Test
  void whatAKilledProcessHadReservedIsGivenBackWithItsLease() throws Exception {
    reserve.respondWith(OllamaReplies.hanging());
    try (BudgetedProcess killed = process()) {
      killed.tell("call once");
      assertThat(killed.answer()).isEqualTo("calling");
      reserve.awaitFirstRequest();
    }
    reserve.respondWith(ServerReplies.openAi("Dear Ms Kern"));
    BudgetStore store = stores().getConstructor().newInstance().open(address());

    assertThat(answering(store, Instant.now())).isEqualTo("template");
    Instant later = Instant.now().plus(Duration.ofDays(1));
    assertThat(answering(store, later)).isEqualTo("reserve");
    assertThat(answering(store, later)).isEqualTo("template");
    assertThat(reserve.requests()).hasSize(2);
  }

  /** Returns which endpoint answers a call that is made at a moment. */
  private String answering(BudgetStore store, Instant moment) {
    LlmClient client =
        loopback.client(
            BudgetedProgram.list(
                ClientInternals.builder(loopback.manualTime().startAt(moment)),
                store,
                "once",
                primary.url(),
                reserve.url()));
    return client.chat("a reminder").endpoint();
  }
}
