// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.costs;

import static dev.offmeter.testing.Loopback.ollama;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.offmeter.AllEndpointsFailedException;
import dev.offmeter.Attempt;
import dev.offmeter.ChatEvent;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ChatStream;
import dev.offmeter.ClientInternals;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.Locality;
import dev.offmeter.Usage;
import dev.offmeter.guard.AnswerCheck;
import dev.offmeter.meter.Cost;
import dev.offmeter.meter.Price;
import dev.offmeter.meter.PriceList;
import dev.offmeter.meter.Upkeep;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.ServerReplies;
import java.io.IOException;
import java.math.BigDecimal;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** Calls know what they cost; what is unknown is not 0. */
@Timeout(20)
class CostOfCallsTest {
  private static final Price PRICE = Price.perMillionTokens("USD", 1, 10);

  @RegisterExtension final Loopback loopback = new Loopback();

  @TempDir private Path folder;

  private static Endpoint.Builder managed(Node node) {
    return Endpoint.openAi("reserve", node.url()).model("large").locality(Locality.MANAGED);
  }

  /** A whole answer of an OpenAI-compatible server with these counts. */
  private static Node.Script answer(String usage) {
    return ServerReplies.openAi("Dear Ms Kern", usage);
  }

  private static Node.Script answer() {
    return answer("{\"prompt_tokens\":1000,\"completion_tokens\":100}");
  }

  private LlmClient client(Endpoint... endpoints) {
    LlmClient.Builder builder = LlmClient.builder();
    for (Endpoint endpoint : endpoints) {
      builder.endpoint(endpoint);
    }
    return loopback.client(builder);
  }

  @Test
  void anAnswerCostsItsTokensAtTheEndpointsPrice() {
    Node node = loopback.node(answer());

    ChatResponse response = client(managed(node).price(PRICE).build()).chat("a reminder");

    assertThat(response.cost()).hasToString("0.002 USD");
    assertThat(response.cost().priceSource()).isEqualTo("endpoint");
    assertThat(response.cost().isEstimated()).isFalse();
    assertThat(response.attempts().get(0).usage()).isEqualTo(response.usage());
  }

  @Test
  void aManagedEndpointWithoutAPriceHasAnUnknownCost() {
    Node node = loopback.node(answer());

    ChatResponse response = client(managed(node).build()).chat("a reminder");

    assertThat(response.cost()).isEqualTo(Cost.UNKNOWN);
    assertThat(response.saved()).isEqualTo(Cost.UNKNOWN);
  }

  @Test
  void aCallToOwnHardwareBillsNothing() {
    Node node = loopback.node(OllamaReplies.answering("Dear"));

    ChatResponse response = client(ollama("home", node).build()).chat("a reminder");

    assertThat(response.cost()).hasToString("0.00");
    assertThat(response.cost().priceSource()).isEqualTo("self-hosted");
  }

  @Test
  void aSelfHostedModelGetsNoPriceFromAList() throws IOException {
    Path list =
        Files.writeString(
            folder.resolve("prices.json"),
            "{\"large\": {\"input_cost_per_token\": 1e-6, \"output_cost_per_token\": 1e-5}}");
    Node home = loopback.node(answer());
    Endpoint.Builder own =
        Endpoint.openAi("home", home.url()).model("large").locality(Locality.SELF_HOSTED);
    LlmClient client =
        loopback.client(LlmClient.builder().endpoint(own.build()).prices(PriceList.liteLlm(list)));

    assertThat(client.chat("a reminder").cost()).hasToString("0.00");
  }

  @Test
  void aManagedModelGetsItsPriceFromTheList() throws IOException {
    Path list =
        Files.writeString(
            folder.resolve("prices.json"),
            "{\"large\": {\"input_cost_per_token\": 1e-6, \"output_cost_per_token\": 1e-5}}");
    Node node = loopback.node(answer());
    LlmClient client =
        loopback.client(
            LlmClient.builder().endpoint(managed(node).build()).prices(PriceList.liteLlm(list)));

    Cost cost = client.chat("a reminder").cost();

    assertThat(cost).hasToString("0.002 USD");
    assertThat(cost.priceSource()).isEqualTo("prices.json");
  }

  @Test
  void partsOfTheInputAndOutputHaveTheirOwnPrices() {
    Node node =
        loopback.node(
            answer(
                "{\"prompt_tokens\":1000,\"completion_tokens\":100,"
                    + "\"prompt_tokens_details\":{\"cached_tokens\":400},"
                    + "\"completion_tokens_details\":{\"reasoning_tokens\":50}}"));
    Price price = PRICE.cachedInput(0.1).thinking(20);

    ChatResponse response = client(managed(node).price(price).build()).chat("a reminder");

    assertThat(response.usage().cachedInputTokens()).isEqualTo(400);
    assertThat(response.usage().thinkingTokens()).isEqualTo(50);
    assertThat(response.cost()).hasToString("0.00214 USD");
  }

  @Test
  void usageThatIsNotReportedIsEstimatedAndFlagged() {
    Node node = loopback.node(ServerReplies.openAi("Dear Ms Kern"));

    ChatResponse response = client(managed(node).price(PRICE).build()).chat("a reminder");

    assertThat(response.usage()).isEqualTo(Usage.NONE);
    assertThat(response.cost().isEstimated()).isTrue();
    assertThat(response.cost().amount()).isPositive();
    assertThat(response.attempts().get(0).possiblyBilled()).isFalse();
  }

  @Test
  void aReportedUsageOfZeroIsZero() {
    Node node = loopback.node(answer("{\"prompt_tokens\":0,\"completion_tokens\":0}"));

    Cost cost = client(managed(node).price(PRICE).build()).chat("a reminder").cost();

    assertThat(cost).hasToString("0.00 USD");
  }

  @Test
  void absurdCountsAreEstimated() {
    Node node = loopback.node(answer("{\"prompt_tokens\":-5,\"completion_tokens\":1e300}"));

    Cost cost = client(managed(node).price(PRICE).build()).chat("a reminder").cost();

    assertThat(cost.isEstimated()).isTrue();
    assertThat(cost.amount()).isBetween(new BigDecimal("0.00001"), new BigDecimal("0.001"));
  }

  @Test
  void anEndpointThatRefusesBillsNothing() {
    Node down = loopback.node(OllamaReplies.status(503, "text/plain", "busy"));
    Node home = loopback.node(OllamaReplies.answering("Dear"));

    ChatResponse response =
        client(managed(down).price(PRICE).build(), ollama("home", home).build()).chat("a reminder");

    assertThat(response.attempts().get(0).cost()).isEqualTo(Cost.NONE);
    assertThat(response.attempts().get(0).possiblyBilled()).isFalse();
    assertThat(response.cost()).hasToString("0.00");
  }

  @Test
  void anEndpointThatIsNotReachedBillsNothing() {
    Endpoint nowhere =
        Endpoint.openAi("reserve", Loopback.unusedUrl())
            .model("large")
            .locality(Locality.MANAGED)
            .build();
    Node home = loopback.node(OllamaReplies.answering("Dear"));

    ChatResponse response = client(nowhere, ollama("home", home).build()).chat("a reminder");

    assertThat(response.cost()).hasToString("0.00");
  }

  @Test
  void anAttemptThatIsGivenUpIsPossiblyBilled() throws InterruptedException {
    Node hanging = loopback.node(OllamaReplies.hanging());
    Node home = loopback.node(OllamaReplies.answering("Dear"));
    ManualTime time = loopback.manualTime();
    LlmClient client =
        loopback.client(
            ClientInternals.builder(time)
                .endpoint(managed(hanging).price(PRICE).timeout(Duration.ofSeconds(5)).build())
                .endpoint(ollama("home", home).build()));

    CompletableFuture<ChatResponse> answer = client.chatAsync("a reminder");
    hanging.awaitFirstRequest();
    time.advance(Duration.ofSeconds(5));
    Attempt givenUp = answer.join().attempts().get(0);

    assertThat(givenUp.failure()).isPresent();
    assertThat(givenUp.possiblyBilled()).isTrue();
    assertThat(givenUp.cost().isEstimated()).isTrue();
    assertThat(givenUp.cost().amount()).isPositive();
    assertThat(givenUp.computeTime()).isEqualTo(Duration.ofSeconds(5));
    assertThat(answer.join().cost()).isEqualTo(givenUp.cost());
  }

  @Test
  void anAnswerThatIsRejectedIsBilledAsReported() {
    Node reserve = loopback.node(answer());
    Node home = loopback.node(OllamaReplies.answering("Dear Ms Kern, invoice 1042"));
    ChatRequest request =
        ChatRequest.builder().user("a reminder").accept(AnswerCheck.mentions("1042")).build();

    ChatResponse response =
        client(managed(reserve).price(PRICE).build(), ollama("home", home).build()).chat(request);

    Attempt rejected = response.attempts().get(0);
    assertThat(rejected.failure()).contains(FailureKind.ANSWER_REJECTED);
    assertThat(rejected.cost()).hasToString("0.002 USD");
    assertThat(rejected.possiblyBilled()).isFalse();
    assertThat(response.cost()).hasToString("0.002 USD");
  }

  @Test
  void timeThatOnlyWeHaveMeasuredIsAnEstimatedCost() {
    Node node = loopback.node(answer("{\"prompt_tokens\":10,\"completion_tokens\":5}"));

    ChatResponse response =
        client(managed(node).price(Price.perSecond("USD", "0.01")).build()).chat("a reminder");

    assertThat(response.usage().reported()).isTrue();
    assertThat(response.cost().isEstimated()).isTrue();
  }

  @Test
  void inputThatWasReportedBeforeAStreamBrokeIsBilledAsReported() {
    Node cut =
        loopback.node(
            (connection, request) -> {
              connection.send(
                  ServerReplies.EVENTS_HEAD
                      + OllamaReplies.chunk(
                          "event: message_start\ndata: {\"type\":\"message_start\",\"message\":"
                              + "{\"usage\":{\"input_tokens\":4000,\"output_tokens\":1}}}\n\n"
                              + "event: content_block_delta\ndata: {\"type\":"
                              + "\"content_block_delta\",\"index\":0,\"delta\":"
                              + "{\"type\":\"text_delta\",\"text\":\"Dear Ms Kern, \"}}\n\n"));
              connection.close();
            });
    LlmClient client =
        client(
            Endpoint.anthropic("reserve", cut.url())
                .model("large")
                .locality(Locality.MANAGED)
                .price(PRICE)
                .build());

    AllEndpointsFailedException failure =
        catchThrowableOfType(AllEndpointsFailedException.class, () -> client.chat("a reminder"));

    Attempt attempt = failure.attempts().get(0);
    assertThat(attempt.usage().inputTokens()).isEqualTo(4000);
    assertThat(attempt.usage().outputTokens()).isEqualTo(7);
    assertThat(attempt.cost().isEstimated()).isTrue();
    assertThat(attempt.possiblyBilled()).isTrue();
  }

  @Test
  void aBrokenStreamIsPossiblyBilledForWhatHadCome() {
    Node cut =
        loopback.node(
            (connection, request) -> {
              connection.send(
                  ServerReplies.EVENTS_HEAD
                      + OllamaReplies.chunk(
                          "data: " + ServerReplies.openAiPiece("Dear Ms Kern, ") + "\n\n"));
              connection.close();
            });
    LlmClient client = client(managed(cut).price(PRICE).build());

    AllEndpointsFailedException failure =
        catchThrowableOfType(AllEndpointsFailedException.class, () -> client.chat("a reminder"));

    Attempt attempt = failure.attempts().get(0);
    assertThat(attempt.possiblyBilled()).isTrue();
    assertThat(attempt.usage().outputTokens()).isEqualTo(7);
    assertThat(attempt.usage().reported()).isFalse();
  }

  @Test
  void savedIsWhatTheBaselineWouldHaveCharged() {
    Node home = loopback.node(OllamaReplies.answering("Dear", " Ms", " Kern"));
    Node reserve = loopback.node(answer());
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .endpoint(ollama("home", home).build())
                .endpoint(managed(reserve).price(PRICE).build())
                .baseline("reserve"));

    Usage usage = client.chat("a reminder").usage();
    Cost saved = client.chat("a reminder").saved();

    assertThat(saved.amount())
        .isEqualByComparingTo(PRICE.cost(usage, Duration.ZERO).amount())
        .isPositive();
  }

  @Test
  void savedIsNegativeIfTheCallCostMore() {
    Node reserve = loopback.node(answer());
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .endpoint(managed(reserve).price(PRICE).build())
                .baseline(Price.perMillionTokens("USD", 0.5, 5)));

    assertThat(client.chat("a reminder").saved()).hasToString("-0.001 USD");
  }

  @Test
  void aStreamKnowsItsCost() {
    Node reserve = loopback.node(answer());
    LlmClient client = client(managed(reserve).price(PRICE).build());

    ChatResponse response = null;
    try (ChatStream stream = client.stream("a reminder")) {
      for (ChatEvent event : stream) {
        if (event instanceof ChatEvent.Completed completed) {
          response = completed.response();
        }
      }
    }

    assertThat(response).isNotNull();
    assertThat(response.cost()).hasToString("0.002 USD");
  }

  @Test
  void computeTimeIsTheServersOwn() {
    Node home =
        loopback.node(
            (connection, request) ->
                connection.send(
                    OllamaReplies.STREAM_HEAD
                        + OllamaReplies.chunk(
                            "{\"message\":{\"content\":\"Dear\"},\"done\":true,"
                                + "\"done_reason\":\"stop\",\"prompt_eval_count\":10,"
                                + "\"eval_count\":2,\"load_duration\":7000000000,"
                                + "\"prompt_eval_duration\":500000000,"
                                + "\"eval_duration\":1250000000}\n")
                        + OllamaReplies.LAST_CHUNK));

    ChatResponse response = client(ollama("home", home).build()).chat("a reminder");

    assertThat(response.computeTime()).isEqualTo(Duration.ofMillis(1750));
    assertThat(response.usage().loadTime()).isEqualTo(Duration.ofSeconds(7));
  }

  @Test
  void pricesInTwoCurrenciesAreRejected() {
    LlmClient.Builder builder =
        LlmClient.builder()
            .endpoint(
                Endpoint.gemini("a").model("m").price(Price.perMillionTokens("USD", 1, 1)).build())
            .endpoint(
                Endpoint.gemini("b").model("m").price(Price.perMillionTokens("EUR", 1, 1)).build());

    assertThatThrownBy(builder::build)
        .isInstanceOf(IllegalStateException.class)
        .hasMessage(
            "prices must be in one currency, were USD for endpoint 'a' and EUR for endpoint 'b'");
  }

  @Test
  void anUpkeepIsInTheCurrencyOfThePrices() {
    Upkeep upkeep = Upkeep.builder().currency("EUR").price(700).months(36).build();
    Endpoint home =
        Endpoint.ollama("home", "http://localhost:11434").model("m").upkeep(upkeep).build();
    LlmClient.Builder builder = LlmClient.builder().endpoint(home).baseline(PRICE);

    assertThatThrownBy(builder::build)
        .isInstanceOf(IllegalStateException.class)
        .hasMessage(
            "prices must be in one currency, were USD for the baseline and EUR for the upkeep of"
                + " 'home'");
    builder.baseline(Price.perMillionTokens("EUR", 1, 1)).build().close();
  }

  @Test
  void anUpkeepNeedsNoPrice() {
    Upkeep upkeep = Upkeep.builder().currency("EUR").price(700).months(36).build();
    Endpoint home =
        Endpoint.ollama("home", "http://localhost:11434").model("m").upkeep(upkeep).build();

    client(home.toBuilder().build()).close();
  }

  @Test
  void aBaselineHasAPrice() {
    LlmClient.Builder builder =
        LlmClient.builder().endpoint(Endpoint.gemini("reserve").model("m").build());

    assertThatThrownBy(builder.baseline("reserve")::build)
        .isInstanceOf(IllegalStateException.class)
        .hasMessageStartingWith("baseline must be an endpoint with a price, was 'reserve'");
    assertThatThrownBy(builder.baseline("other")::build)
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("baseline must be one of reserve, was 'other'");
  }
}
