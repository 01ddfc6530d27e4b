// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.costs;

import static dev.offmeter.testing.Loopback.ollama;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.offmeter.ChatRequest;
import dev.offmeter.ClientInternals;
import dev.offmeter.Endpoint;
import dev.offmeter.LlmClient;
import dev.offmeter.Locality;
import dev.offmeter.meter.Cost;
import dev.offmeter.meter.Meter;
import dev.offmeter.meter.MeterSnapshot;
import dev.offmeter.meter.MeterTotals;
import dev.offmeter.meter.Price;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.ServerReplies;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneId;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The meter counts every attempt once, under each of its groups. */
@Timeout(20)
class MeterTest {
  private static final Price PRICE = Price.perMillionTokens("USD", 1, 10);

  @RegisterExtension final Loopback loopback = new Loopback();

  private final Node home = loopback.node(OllamaReplies.answering("Dear", " Ms Kern"));
  private final Node reserve =
      loopback.node(
          ServerReplies.openAi(
              "Dear Ms Kern", "{\"prompt_tokens\":1000,\"completion_tokens\":100}"));

  private LlmClient.Builder both(LlmClient.Builder builder) {
    return builder
        .endpoint(ollama("home", home).build())
        .endpoint(
            Endpoint.openAi("reserve", reserve.url())
                .model("large")
                .locality(Locality.MANAGED)
                .price(PRICE)
                .build());
  }

  private LlmClient client() {
    return loopback.client(both(LlmClient.builder()).baseline("reserve"));
  }

  private static ChatRequest tagged(String feature) {
    return ChatRequest.builder().user("a reminder").tag("feature", feature).build();
  }

  private static void failOver(Node node) {
    node.respondWith(OllamaReplies.status(500, "text/plain", "broken"));
  }

  @Test
  void countsCallsTokensAndCostByEndpoint() {
    LlmClient client = client();
    client.chat("a reminder");
    failOver(home);
    client.chat("a reminder");

    MeterSnapshot snapshot = client.meter().snapshot();

    assertThat(snapshot.total().calls()).isEqualTo(2);
    assertThat(snapshot.total().failed()).isZero();
    assertThat(snapshot.total().cost()).hasToString("0.002 USD");
    MeterTotals own = snapshot.byEndpoint().get("home");
    assertThat(own.calls()).isEqualTo(2);
    assertThat(own.failed()).isEqualTo(1);
    assertThat(own.cost()).hasToString("0.00");
    MeterTotals paid = snapshot.byEndpoint().get("reserve");
    assertThat(paid.calls()).isEqualTo(1);
    assertThat(paid.inputTokens()).isEqualTo(1000);
    assertThat(paid.outputTokens()).isEqualTo(100);
    assertThat(paid.cost()).hasToString("0.002 USD");
    assertThat(snapshot.byModel()).containsOnlyKeys("home/home-model", "reserve/large");
  }

  @Test
  void countsByTheValueOfATag() {
    LlmClient client = client();
    client.chat(tagged("follow-up"));
    failOver(home);
    client.chat(tagged("follow-up"));
    client.chat(tagged("summary"));

    MeterSnapshot snapshot = client.meter().snapshot();

    assertThat(snapshot.tag("feature", "follow-up").calls()).isEqualTo(2);
    assertThat(snapshot.tag("feature", "follow-up").cost()).hasToString("0.002 USD");
    assertThat(snapshot.tag("feature", "summary").cost()).hasToString("0.002 USD");
    assertThat(snapshot.tag("feature", "none")).isEqualTo(MeterTotals.NOTHING);
    assertThat(snapshot.total().cost()).hasToString("0.004 USD");
  }

  @Test
  void savedIsTheBaselineLessTheCost() {
    LlmClient client = client();
    Cost one = client.chat("a reminder").saved();
    client.chat("a reminder");

    assertThat(client.meter().snapshot().total().saved().amount())
        .isEqualByComparingTo(one.plus(one).amount());
  }

  @Test
  void anUnknownCostMakesTheSumUnknownAndIsCounted() {
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .endpoint(
                    Endpoint.openAi("reserve", reserve.url())
                        .model("large")
                        .locality(Locality.MANAGED)
                        .build()));
    client.chat("a reminder");

    MeterTotals total = client.meter().snapshot().total();

    assertThat(total.cost()).isEqualTo(Cost.UNKNOWN);
    assertThat(total.attemptsOfUnknownCost()).isEqualTo(1);
    assertThat(total.inputTokens()).isEqualTo(1000);
    assertThat(total.saved()).isEqualTo(Cost.UNKNOWN);
  }

  @Test
  void aFailedCallIsCountedOnceAsFailed() {
    failOver(home);
    failOver(reserve);
    LlmClient client = client();

    Throwable unused = catchThrowable(() -> client.chat(tagged("follow-up")));

    MeterSnapshot snapshot = client.meter().snapshot();
    assertThat(snapshot.total().calls()).isEqualTo(1);
    assertThat(snapshot.total().failed()).isEqualTo(1);
    assertThat(snapshot.tag("feature", "follow-up").failed()).isEqualTo(1);
    assertThat(snapshot.byEndpoint().get("reserve").failed()).isEqualTo(1);
    assertThat(snapshot.total().cost()).hasToString("0.00");
  }

  @Test
  void whatIsPossiblyBilledIsPartOfTheCostAndShownApart() throws InterruptedException {
    reserve.respondWith(OllamaReplies.hanging());
    ManualTime time = loopback.manualTime();
    LlmClient client =
        loopback.client(
            ClientInternals.builder(time)
                .endpoint(
                    Endpoint.openAi("reserve", reserve.url())
                        .model("large")
                        .locality(Locality.MANAGED)
                        .price(PRICE)
                        .timeout(Duration.ofSeconds(5))
                        .build())
                .endpoint(ollama("home", home).build()));
    CompletableFuture<?> call = client.chatAsync("a reminder");
    reserve.awaitFirstRequest();
    time.advance(Duration.ofSeconds(5));
    call.join();

    MeterTotals total = client.meter().snapshot().total();

    assertThat(total.possiblyBilled().amount()).isPositive();
    assertThat(total.cost().amount()).isEqualTo(total.possiblyBilled().amount());
    assertThat(total.cost().isEstimated()).isTrue();
    assertThat(total.computeTime()).isGreaterThanOrEqualTo(Duration.ofSeconds(5));
  }

  @Test
  void aCallIsCountedOnTheDayOnWhichItEnds() {
    ManualTime time = loopback.manualTime();
    LlmClient client = loopback.client(both(ClientInternals.builder(time)));
    client.chat("a reminder");
    time.advance(Duration.ofHours(25));
    client.chat("a reminder");
    client.chat("a reminder");

    MeterSnapshot snapshot = client.meter().snapshot();

    assertThat(snapshot.byDay().values()).extracting(MeterTotals::calls).containsExactly(1L, 2L);
    LocalDate last = snapshot.byDay().keySet().stream().reduce((a, b) -> b).orElseThrow();
    assertThat(snapshot.byDayAndEndpoint().get(last).get("home").calls()).isEqualTo(2);
  }

  @Test
  void theValuesOfATagAreBounded() {
    LlmClient client = client();
    Meter meter = client.meter();
    IntStream.range(0, 1_200).forEach(i -> client.chat(tagged("customer-" + i)));

    MeterSnapshot snapshot = meter.snapshot();

    assertThat(snapshot.byTag().get("feature")).hasSize(1_001);
    assertThat(snapshot.tag("feature", Meter.OTHER).calls()).isEqualTo(200);
  }

  @Test
  void tellsTheCostOfAnOutcome() {
    LlmClient client = client();
    failOver(home);
    List.of("follow-up", "follow-up", "follow-up", "summary")
        .forEach(feature -> client.chat(tagged(feature)));
    Meter meter = client.meter();
    meter.outcome("email-accepted", "feature", "follow-up");
    meter.outcome("email-accepted", "feature", "follow-up");

    MeterSnapshot snapshot = meter.snapshot();

    assertThat(snapshot.outcomes()).containsEntry("email-accepted", 2L);
    assertThat(snapshot.costPerOutcome("email-accepted")).hasToString("0.004 USD");
    assertThat(snapshot.costPerOutcome("email-accepted", "feature", "follow-up"))
        .hasToString("0.003 USD");
    assertThat(snapshot.costPerOutcome("email-sent")).isEqualTo(Cost.UNKNOWN);
  }

  @Test
  void anOutcomeHasANameAndItsTagsHaveValues() {
    Meter meter = client().meter();

    assertThatThrownBy(() -> meter.outcome(" "))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("outcome must not be blank, was ' '");
    assertThatThrownBy(() -> meter.outcome("sent", "feature"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("tags must be names and values in turn, were 1 texts");
  }

  /** A monotonic clock stands still while a machine sleeps. */
  @Test
  void theDaysAreThoseOfTheCalendarAfterTheMachineHasSlept() {
    ManualTime time = loopback.manualTime();
    LlmClient client = loopback.client(both(ClientInternals.builder(time)));
    Instant before = time.instant();
    client.chat("a reminder");

    Instant after = before.plus(Duration.ofDays(2));
    time.startAt(after);
    client.chat("a reminder");
    client.chat("a reminder");

    Map<LocalDate, MeterTotals> days = client.meter().snapshot().byDay();
    assertThat(days).containsOnlyKeys(day(before), day(after));
    assertThat(days.get(day(after)).calls()).isEqualTo(2);
  }

  private static LocalDate day(Instant moment) {
    return LocalDate.ofInstant(moment, ZoneId.systemDefault());
  }
}
