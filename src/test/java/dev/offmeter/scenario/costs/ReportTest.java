// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.costs;

import static dev.offmeter.testing.Loopback.ollama;
import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.ChatRequest;
import dev.offmeter.ClientInternals;
import dev.offmeter.Endpoint;
import dev.offmeter.LlmClient;
import dev.offmeter.Locality;
import dev.offmeter.guard.Budget;
import dev.offmeter.meter.MeterReport;
import dev.offmeter.meter.Price;
import dev.offmeter.meter.Upkeep;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.ServerReplies;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A client's report has what its calls did, and what its nodes cost. */
@Timeout(20)
class ReportTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private final ManualTime time = new ManualTime();
  private final Node home = loopback.node(OllamaReplies.answering("Dear", " Ms Kern"));
  private final Node reserve =
      loopback.node(
          ServerReplies.openAi(
              "Dear Ms Kern", "{\"prompt_tokens\":1000,\"completion_tokens\":100}"));

  private LlmClient client() {
    Upkeep upkeep = Upkeep.builder().currency("USD").price(720).months(36).build();
    Endpoint own = ollama("home", home).upkeep(upkeep).build();
    Endpoint paid =
        Endpoint.openAi("reserve", reserve.url())
            .model("large")
            .locality(Locality.MANAGED)
            .price(Price.perMillionTokens("USD", 1, 10))
            .build();
    return loopback.client(
        ClientInternals.builder(time)
            .endpoint(own)
            .endpoint(paid)
            .endpoint(Endpoint.local("template", request -> "Dear customer").build())
            .budget(Budget.calls("paid", 500).endpoint("reserve"))
            .baseline("reserve"));
  }

  @Test
  void tellsOfCallsEndpointsBudgetsAndTheNode() {
    LlmClient client = client();
    client.chat(ChatRequest.builder().user("a reminder").tag("feature", "follow-up").build());
    home.respondWith(OllamaReplies.status(500, "text/plain", "broken"));
    client.chat(ChatRequest.builder().user("a reminder").tag("feature", "follow-up").build());
    client.meter().outcome("email-accepted", "feature", "follow-up");
    time.advance(Duration.ofDays(30));

    String text = client.meter().report().text();

    assertThat(text)
        .contains("Cost: 0.002 USD (")
        .contains("Answered by own hardware: 50 % (of 2 answers by a model)\n")
        .contains("30.0 days")
        .containsPattern("home +own hardware +1 ")
        .containsPattern("reserve +managed +1 +1,000 +100 ")
        .containsPattern("template +function +0 ")
        .containsPattern("paid +in all +1 calls +0 calls +500 calls +never +not before\n")
        .contains("Break-even of home\n")
        .containsPattern("everything counted +20\\.00 USD ")
        .containsPattern("email-accepted +feature follow-up +1 +0\\.002 USD\n")
        .containsPattern("home/home-model +2 ");
  }

  @Test
  void isOfTheMomentAtWhichItWasAskedFor() {
    LlmClient client = client();
    MeterReport before = client.meter().report();
    client.chat("a reminder");

    assertThat(before.csv()).contains("total,,,0,0,");
    assertThat(client.meter().report().csv()).contains("total,,,1,0,");
    assertThat(client.meter().report().html()).contains("<strong>1</strong>");
  }
}
