// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.costs;

import static dev.offmeter.testing.Loopback.ollama;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.assertj.core.api.Assertions.tuple;

import dev.offmeter.ChatRequest;
import dev.offmeter.ChatStream;
import dev.offmeter.ClientInternals;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.Locality;
import dev.offmeter.meter.MeterTotals;
import dev.offmeter.meter.Price;
import dev.offmeter.meter.UsageLog;
import dev.offmeter.meter.UsageLogStatus;
import dev.offmeter.meter.UsageRecord;
import dev.offmeter.observe.LlmListener;
import dev.offmeter.testing.CollectedRows;
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
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.function.ToIntFunction;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** Every attempt that has ended has one row, with the numbers that the meter counts. */
@Timeout(20)
class UsageLogTest {
  private static final Price PRICE =
      Price.perMillionTokens("USD", "0.075", "0.3").cachedInput("0.01").request("0.0000001");
  private static final String PROMPT = "canary-prompt: Zoë owes 1,042.50 EUR";
  private static final String ANSWER = "canary-answer: Dear Zoë";
  private static final String KEY = "canary-key-7f3a";

  @RegisterExtension final Loopback loopback = new Loopback();

  @TempDir private Path folder;

  private final CollectedRows log = new CollectedRows();
  private final Node home = loopback.node(OllamaReplies.answering("Dear", " Ms Kern"));
  private final Node reserve =
      loopback.node(
          ServerReplies.openAi(
              ANSWER,
              "{\"prompt_tokens\":1003,\"completion_tokens\":107,"
                  + "\"prompt_tokens_details\":{\"cached_tokens\":401}}"));

  private Endpoint managed() {
    return Endpoint.openAi("reserve", reserve.url())
        .model("large")
        .apiKey(KEY)
        .locality(Locality.MANAGED)
        .timeout(Duration.ofSeconds(5))
        .price(PRICE)
        .build();
  }

  private LlmClient.Builder both(LlmClient.Builder builder) {
    return builder.endpoint(ollama("home", home).build()).endpoint(managed()).usageLog(log);
  }

  private LlmClient client() {
    return loopback.client(both(LlmClient.builder()));
  }

  /** Returns the rows after all have been written. */
  private List<UsageRecord> rows(LlmClient client) {
    client.close();
    return log.rows();
  }

  private static void fail(Node node) {
    node.respondWith(OllamaReplies.status(500, "text/plain", PROMPT));
  }

  @Test
  void theQuestionsOfADiagnosisHaveARowEach() {
    LlmClient client = client();
    client.diagnose();
    MeterTotals reserve = client.meter().snapshot().byEndpoint().get("reserve");

    List<UsageRecord> rows = rows(client);

    assertThat(rows)
        .extracting(row -> row.toMap().get("endpoint"), row -> row.toMap().get("attempt"))
        .containsExactly(tuple("home", 1), tuple("reserve", 2));
    assertThat(rows.get(1).toMap())
        .containsEntry("cost", reserve.cost().amount())
        .containsEntry("outcome", "ANSWERED");
  }

  @Test
  void anAnswerHasARow() {
    LlmClient client = loopback.client(LlmClient.builder().endpoint(managed()).usageLog(log));
    client.chat(
        ChatRequest.builder().user(PROMPT).tag("feature", "follow-up").session("s 1").build());

    List<UsageRecord> rows = rows(client);

    assertThat(rows).hasSize(1);
    assertThat(rows.get(0).toMap())
        .containsEntry("call_id", 1L)
        .containsEntry("attempt", 1)
        .containsEntry("endpoint", "reserve")
        .containsEntry("origin", reserve.url())
        .containsEntry("model", "large")
        .containsEntry("model_answered", "served")
        .containsEntry("outcome", "ANSWERED")
        .containsEntry("http_status", 200)
        .containsEntry("tags", Map.of("feature", "follow-up"))
        .containsEntry("session", "s 1")
        .containsEntry("streamed", false)
        .containsEntry("input_tokens", 1003)
        .containsEntry("cached_input_tokens", 401)
        .containsEntry("output_tokens", 107)
        .containsEntry("usage_reported", true)
        .containsEntry("currency", "USD")
        .containsEntry("price_source", "endpoint")
        .containsEntry("cost_estimated", false)
        .containsEntry("possibly_billed", false);
  }

  @Test
  void aFallThroughHasARowForEachAttemptInOrder() {
    fail(home);
    LlmClient client = client();
    client.chat(PROMPT);
    client.chat(PROMPT);

    List<UsageRecord> rows = rows(client);

    assertThat(rows).extracting(UsageRecord::call).startsWith(1L, 1L, 2L);
    assertThat(rows).extracting(UsageRecord::number).startsWith(1, 2, 1);
    assertThat(rows.get(0).attempt().failure()).isPresent();
    assertThat(rows.get(0).toMap())
        .containsEntry("http_status", 500)
        .containsEntry("model", "home-model")
        .containsEntry("model_answered", null);
    assertThat(rows.get(0).attempt().message()).isEmpty();
    assertThat(rows.get(1).toMap()).containsEntry("outcome", "ANSWERED");
    assertThat(rows).extracting(UsageRecord::client).containsOnly(rows.get(0).client());
  }

  @Test
  void aFailedCallHasItsRows() {
    fail(home);
    fail(reserve);
    LlmClient client = client();
    Throwable unused = catchThrowable(() -> client.chat(PROMPT));

    assertThat(rows(client))
        .extracting(row -> row.attempt().endpoint())
        .contains("home", "reserve");
  }

  @Test
  void anEndpointThatWasNotAskedHasNoRow() {
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .endpoint(managed())
                .endpoint(ollama("home", home).build())
                .usageLog(log));
    client.chat(ChatRequest.builder().user(PROMPT).selfHostedOnly().build());

    assertThat(rows(client)).extracting(row -> row.attempt().endpoint()).containsExactly("home");
  }

  @Test
  void aHedgedCallHasARowForEach() throws InterruptedException {
    home.respondWith(OllamaReplies.hanging());
    ManualTime time = loopback.manualTime();
    LlmClient client =
        loopback.client(both(ClientInternals.builder(time)).hedgeAfter(Duration.ofSeconds(2)));
    CompletableFuture<?> call = client.chatAsync(PROMPT);
    home.awaitFirstRequest();
    time.advance(Duration.ofSeconds(2));
    call.join();

    List<UsageRecord> rows = rows(client);

    assertThat(rows)
        .extracting(row -> row.number() + " " + row.toMap().get("outcome"))
        .containsExactlyInAnyOrder("1 CANCELLED", "2 ANSWERED");
  }

  @Test
  void aStreamThatIsCutHasARowThatIsPossiblyBilled() {
    reserve.respondWith(
        (connection, request) -> {
          connection.send(
              ServerReplies.EVENTS_HEAD
                  + OllamaReplies.chunk("data: " + ServerReplies.openAiPiece(ANSWER) + "\n\n"));
          connection.close();
        });
    LlmClient client = loopback.client(LlmClient.builder().endpoint(managed()).usageLog(log));
    try (ChatStream stream = client.stream(PROMPT)) {
      Throwable unused = catchThrowable(() -> stream.forEach(event -> {}));
    }

    List<UsageRecord> rows = rows(client);

    assertThat(rows).hasSize(1);
    assertThat(rows.get(0).toMap())
        .containsEntry("streamed", true)
        .containsEntry("outcome", "TRUNCATED")
        .containsEntry("usage_reported", false)
        .containsEntry("cost_estimated", true)
        .containsEntry("possibly_billed", true);
  }

  @Test
  void aCallThatEndsWithTheClientHasARow() throws InterruptedException {
    reserve.respondWith(OllamaReplies.hanging());
    LlmClient client = loopback.client(LlmClient.builder().endpoint(managed()).usageLog(log));
    CompletableFuture<?> call = client.chatAsync(PROMPT);
    reserve.awaitFirstRequest();

    List<UsageRecord> rows = rows(client);

    assertThat(rows)
        .extracting(row -> row.attempt().failure())
        .containsExactly(Optional.of(FailureKind.CANCELLED));
    assertThat(call).failsWithin(Duration.ofSeconds(10));
  }

  @Test
  void theRowsAddUpToTheMeterToTheLastDigit() {
    ManualTime time = loopback.manualTime();
    LlmClient client = loopback.client(both(ClientInternals.builder(time)));
    client.chat(PROMPT);
    fail(home);
    for (int i = 0; i < 37; i++) {
      client.chat(PROMPT);
    }
    reserve.respondWith(
        (connection, request) -> {
          connection.send(
              ServerReplies.EVENTS_HEAD
                  + OllamaReplies.chunk("data: " + ServerReplies.openAiPiece(ANSWER) + "\n\n"));
          connection.close();
        });
    Throwable unused = catchThrowable(() -> client.chat(PROMPT));

    List<UsageRecord> rows = rows(client);

    MeterTotals total = client.meter().snapshot().total();
    assertThat(sum(rows, row -> row.attempt().usage().inputTokens()))
        .isEqualTo(total.inputTokens());
    assertThat(sum(rows, row -> row.attempt().usage().outputTokens()))
        .isEqualTo(total.outputTokens());
    assertThat(sum(rows, row -> row.attempt().usage().cachedInputTokens()))
        .isEqualTo(total.cachedInputTokens());
    assertThat(total.cost().isEstimated()).isTrue();
    assertThat(
            rows.stream()
                .map(row -> (BigDecimal) row.toMap().get("cost"))
                .reduce(BigDecimal.ZERO, BigDecimal::add))
        .isEqualByComparingTo(total.cost().amount());
    Duration compute =
        rows.stream().map(row -> row.attempt().computeTime()).reduce(Duration.ZERO, Duration::plus);
    assertThat(compute).isEqualTo(total.computeTime());
  }

  @Test
  void aRowIsReadFromItsJsonAsItWas() {
    fail(home);
    LlmClient client = client();
    client.chat(ChatRequest.builder().user(PROMPT).tag("who", "Zoë \"\n\u0000").build());

    List<UsageRecord> rows = rows(client);

    assertThat(rows).hasSizeGreaterThanOrEqualTo(2);
    assertThat(rows.stream().map(UsageRecord::toJson)).allMatch(line -> !line.contains("\n"));
    assertThat(rows.stream().map(UsageRecord::toJson).map(UsageRecord::fromJson))
        .extracting(UsageRecord::toMap)
        .isEqualTo(rows.stream().map(UsageRecord::toMap).toList());
  }

  private static long sum(List<UsageRecord> rows, ToIntFunction<UsageRecord> count) {
    return rows.stream().mapToInt(count).sum();
  }

  @Test
  void aFileHoldsNoPromptNoAnswerAndNoSecret() throws IOException {
    Path file = folder.resolve("usage.jsonl");
    LlmClient client = loopback.client(both(LlmClient.builder()).usageLog(UsageLog.file(file)));
    client.chat(PROMPT);
    home.respondWith(OllamaReplies.status(400, "text/plain", PROMPT + " " + KEY + " " + ANSWER));
    client.chat(PROMPT);
    fail(reserve);
    Throwable unused = catchThrowable(() -> client.chat(PROMPT));
    client.close();

    String rows = Files.readString(file);

    assertThat(rows.lines()).hasSizeGreaterThanOrEqualTo(4);
    assertThat(rows.lines().map(UsageRecord::fromJson)).isNotEmpty();
    assertThat(rows).doesNotContain("canary", "Zoë", "1,042");
  }

  @Test
  void theMeterTellsHowManyRowsAreWhere() {
    LlmClient client = client();
    client.chat(PROMPT);
    assertThat(client.meter().usageLog().map(UsageLogStatus::waiting)).contains(1L);
    client.close();

    assertThat(client.meter().usageLog()).contains(new UsageLogStatus(1, 0, 0, 0, true));
    assertThat(loopback.client(LlmClient.builder().endpoint(managed())).meter().usageLog())
        .isEmpty();
  }

  @Test
  void aListenerAndTheLogNumberCallsAlike() {
    long[] told = new long[1];
    LlmClient client =
        loopback.client(
            both(LlmClient.builder())
                .listener(
                    new LlmListener() {
                      @Override
                      public void onCallStarted(long call, Map<String, String> tags) {
                        told[0] = call;
                      }
                    }));
    client.chat(PROMPT);
    client.chat(PROMPT);

    assertThat(rows(client).get(1).call()).isEqualTo(told[0]);
  }

  @Test
  void aLogThatThrowsFailsNoCall() {
    log.fail("no disk");
    LlmClient client = client();

    assertThat(client.chat(PROMPT).text()).isEqualTo("Dear Ms Kern");
    client.close();

    assertThat(client.meter().usageLog()).contains(new UsageLogStatus(0, 0, 0, 1, false));
  }

  @Test
  void aSpillFileNeedsALog() {
    LlmClient.Builder builder =
        LlmClient.builder().endpoint(managed()).usageLogSpill(folder.resolve("spill"));

    assertThatThrownBy(builder::build)
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("usageLogSpill must have a usageLog: there is none");
    assertThatThrownBy(() -> builder.usageLogSpill(folder))
        .hasMessage("usageLogSpill must be a file that can be written, was " + folder);
  }

  @Test
  void aSpillFileIsAnotherFileThanTheLogs() throws IOException {
    Path file = Files.createFile(folder.resolve("usage.jsonl"));
    Path link = Files.createSymbolicLink(folder.resolve("spill.jsonl"), file);
    LlmClient.Builder builder =
        LlmClient.builder().endpoint(managed()).usageLog(UsageLog.file(file));

    for (Path spill : List.of(file, link)) {
      assertThatThrownBy(() -> builder.usageLogSpill(spill).build())
          .isInstanceOf(IllegalStateException.class)
          .hasMessage("usageLogSpill must be another file than the usageLog's, was " + spill);
    }
  }
}
