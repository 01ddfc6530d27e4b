// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.costs;

import static dev.offmeter.testing.Loopback.ollama;
import static dev.offmeter.testing.TwoNodes.template;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.awaitility.Awaitility.await;

import ch.qos.logback.classic.Level;
import dev.offmeter.AllEndpointsFailedException;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ChatStream;
import dev.offmeter.ClientInternals;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.Locality;
import dev.offmeter.guard.Budget;
import dev.offmeter.guard.BudgetStatus;
import dev.offmeter.meter.Price;
import dev.offmeter.observe.LlmListener;
import dev.offmeter.testing.InterceptedBudgetStore;
import dev.offmeter.testing.LoggedEvents;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.ServerReplies;
import java.time.Instant;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What becomes of calls whose budgets cannot be asked, and of alerts that come at once. */
@Timeout(30)
class BudgetFaultsTest {
  private static final ChatRequest REQUEST =
      ChatRequest.builder().user("a reminder").maxTokens(100).build();

  @RegisterExtension final Loopback loopback = new Loopback();
  @RegisterExtension final LoggedEvents log = new LoggedEvents(Level.WARN);

  private final List<String> alerts = new CopyOnWriteArrayList<>();
  private final BrokenStore store = new BrokenStore();
  private final Node home = loopback.node(OllamaReplies.answering("Dear Mr Home"));
  private final Node reserve =
      loopback.node(
          ServerReplies.openAi(
              "Dear Ms Kern", "{\"prompt_tokens\":1000,\"completion_tokens\":100}"));

  /** Throws an error in the methods that are named. */
  private static final class BrokenStore extends InterceptedBudgetStore {
    private final Set<String> broken = ConcurrentHashMap.newKeySet();

    @Override
    protected void before(String method) {
      if (broken.contains(method)) {
        throw new NoClassDefFoundError("a driver");
      }
    }

    @Override
    public int reserve(String name, List<Claim> claims, Instant now, Instant leaseEnd) {
      int result = super.reserve(name, claims, now, leaseEnd);
      return broken.contains("index") ? 7 : result;
    }
  }

  private LlmClient client(Endpoint.Builder endpoint, Budget budget) {
    return loopback.client(
        ClientInternals.builder(loopback.manualTime())
            .endpoint(endpoint.build())
            .endpoint(template())
            .budget(budget)
            .budgetStore(store)
            .listener(
                new LlmListener() {
                  @Override
                  public void onBudgetAlert(BudgetStatus status, double share) {
                    alerts.add(status.spent() + " " + share);
                  }
                }));
  }

  private Endpoint.Builder paid() {
    return Endpoint.openAi("reserve", reserve.url())
        .model("large")
        .locality(Locality.MANAGED)
        .price(Price.perMillionTokens("USD", 1, 10));
  }

  private static Budget tokens() {
    return Budget.tokens("tokens", 100_000);
  }

  @Test
  void aStoreThatFailsLetsNoPaidRequestThrough() {
    store.broken.add("reserve");
    LlmClient client = client(paid(), tokens());

    ChatResponse response = client.chat(REQUEST);

    assertThat(response.endpoint()).isEqualTo("template");
    assertThat(response.attempts().get(0).failure()).contains(FailureKind.BUDGET_EXCEEDED);
    assertThat(response.attempts().get(0).message())
        .isEqualTo("the budget store does not work, and the endpoint is not free");
    assertThat(reserve.requests()).isEmpty();
  }

  @Test
  void aStoreThatReturnsWhatItMayNotLetsNoPaidRequestThrough() {
    store.broken.add("index");

    assertThat(client(paid(), tokens()).chat(REQUEST).attempts().get(0).failure())
        .contains(FailureKind.BUDGET_EXCEEDED);
    assertThat(reserve.requests()).isEmpty();
  }

  @Test
  void aStoreThatFailsKeepsNoCallFromWhatIsFree() {
    store.broken.addAll(List.of("reserve", "settle", "balance"));

    assertThat(client(ollama("home", home), tokens()).chat(REQUEST).endpoint()).isEqualTo("home");
  }

  @Test
  void aBudgetThatOnlyWarnsWarnsOnlyToo() {
    store.broken.addAll(List.of("reserve", "settle", "balance"));
    LlmClient client = client(paid(), tokens().whenExceeded(Budget.WhenExceeded.WARN));

    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("reserve");
  }

  @Test
  void anAnswerIsKeptThoughItCannotBeSettled() {
    store.broken.add("settle");
    LlmClient client = client(paid(), tokens());

    ChatResponse response = client.chat(REQUEST);

    assertThat(response.endpoint()).isEqualTo("reserve");
    assertThat(response.attempts()).hasSize(1);
    // What is not settled stays reserved.
    assertThat(client.meter().budgets().get(0).reserved()).isPositive();
  }

  @Test
  void aFailureThatCannotBeSettledLeadsToTheNextEndpoint() {
    store.broken.add("settle");
    reserve.respondWith(OllamaReplies.status(500, "text/plain", "broken"));

    assertThat(client(paid(), tokens()).chat(REQUEST).endpoint()).isEqualTo("template");
  }

  @Test
  void aStreamThatCannotBeSettledEndsWhenItIsClosed() {
    store.broken.add("settle");
    LlmClient client = client(paid(), tokens());

    try (ChatStream stream = client.stream(REQUEST)) {
      assertThat(stream.iterator().next()).isNotNull();
    }

    assertThat(client.meter().snapshot().total().calls()).isEqualTo(1);
    assertThat(client.status().endpoints().get(0).inFlight()).isZero();
  }

  @Test
  void rejectAndThePlanAndTheStatesAreAskedForInVain() {
    store.broken.addAll(List.of("reserve", "balance"));
    LlmClient client = client(paid(), tokens().whenExceeded(Budget.WhenExceeded.REJECT));

    assertThat(client.meter().budgets()).isEmpty();
    assertThat(client.explain(REQUEST).endpoints().get(0).isAsked()).isFalse();
    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("template");
  }

  @Test
  void aPaidEndpointAloneFailsWithTheReason() {
    store.broken.add("reserve");
    LlmClient client =
        loopback.client(
            LlmClient.builder().endpoint(paid().build()).budget(tokens()).budgetStore(store));

    AllEndpointsFailedException failure =
        catchThrowableOfType(AllEndpointsFailedException.class, () -> client.chat(REQUEST));

    assertThat(failure).hasMessageContaining("the budget store does not work");
  }

  @Test
  void theLogHasOneWarningUntilTheStoreWorksAgain() {
    LlmClient client = client(paid(), tokens());
    store.broken.add("reserve");
    client.chat(REQUEST);
    List<BudgetStatus> unused = client.meter().budgets();
    client.chat(REQUEST);
    assertThat(warnings()).isEqualTo(1);

    store.broken.clear();
    client.chat(REQUEST);
    store.broken.add("settle");
    client.chat(REQUEST);
    assertThat(warnings()).isEqualTo(2);
  }

  private long warnings() {
    return log.messages().stream()
        .filter(line -> line.contains("the budget store does not work"))
        .count();
  }

  @Test
  void paidRequestsAreSentAgainWhenTheStoreWorksAgain() {
    store.broken.add("reserve");
    LlmClient client = client(paid(), tokens());
    client.chat(REQUEST);

    store.broken.clear();

    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("reserve");
    assertThat(client.meter().budgets().get(0).spent()).isEqualTo(1100);
  }

  @Test
  void aRequestThatIsTooLargeLeavesTheAlertsForWhatIsSpent() {
    LlmClient client = client(paid(), Budget.tokens("tokens", 2_000).alertAt(0.5));
    client.chat(REQUEST.toBuilder().maxTokens(5_000).build());

    client.chat(REQUEST);

    await().until(() -> alerts.size() == 2);
    assertThat(alerts).containsExactly("0 1.0", "1100 0.5");
  }
}
