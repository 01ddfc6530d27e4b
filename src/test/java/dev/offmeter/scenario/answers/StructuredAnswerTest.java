// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.answers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.offmeter.AllEndpointsFailedException;
import dev.offmeter.Attempt;
import dev.offmeter.ChatEvent;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ChatStream;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.LlmException;
import dev.offmeter.StreamRecovery;
import dev.offmeter.guard.AnswerCheck;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.TwoNodes;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** An answer is asked for as a record, and only one that fits is an answer. */
class StructuredAnswerTest {
  private static final String GOOD =
      "{\\\"subject\\\":\\\"Invoice 1042\\\",\\\"amount\\\":12.50,\\\"note\\\":null}";
  private static final String BAD = "{\\\"subject\\\":\\\"Kern\\\",\\\"amount\\\":\\\"much\\\"}";

  @RegisterExtension final Loopback loopback = new Loopback();

  private final TwoNodes nodes = TwoNodes.inRealTime(loopback);
  private final Node primary = nodes.primary().respondWith(OllamaReplies.answering(GOOD));
  private final Node fallback = nodes.fallback().respondWith(OllamaReplies.answering(GOOD));

  record Draft(String subject, BigDecimal amount, Optional<String> note) {}

  private static ChatRequest.Builder request() {
    return ChatRequest.builder().user("draft a reminder");
  }

  @Test
  void theAnswerIsAValueOfTheRecord() {
    ChatResponse.Structured<Draft> answer = nodes.client().chat(request().build(), Draft.class);

    assertThat(answer.value())
        .isEqualTo(new Draft("Invoice 1042", new BigDecimal("12.50"), Optional.empty()));
    assertThat(answer.response().endpoint()).isEqualTo("primary");
    assertThat(answer.toString()).doesNotContain("1042");
    assertThat(primary.requests().get(0).body())
        .contains("\"format\":{\"type\":\"object\",\"properties\":{\"subject\"")
        .contains("\"think\":false");
  }

  @Test
  void thinkingIsOffWhereItWouldBreakTheFormat() {
    nodes.client().chat(request().thinking(true).build(), Draft.class);

    assertThat(primary.requests().get(0).body()).contains("\"think\":false");
  }

  @Test
  void anAnswerThatDoesNotFitGoesToTheNextEndpoint() {
    primary.respondWith(OllamaReplies.answering(BAD));

    ChatResponse.Structured<Draft> answer = nodes.client().chat(request().build(), Draft.class);

    assertThat(answer.response().endpoint()).isEqualTo("fallback");
    Attempt misfit = answer.response().attempts().get(0);
    assertThat(misfit.failure()).contains(FailureKind.FORMAT_MISMATCH);
    assertThat(misfit.status()).hasValue(200);
    assertThat(misfit.message())
        .isEqualTo("$.amount must be a number in the range of its type")
        .doesNotContain("much", "Kern");
    assertThat(primary.requests()).hasSize(1);
  }

  @Test
  void jsonThatTheTokenLimitHasCutIsSaidToBeCut() {
    primary.respondWith(
        (connection, request) ->
            connection.send(
                OllamaReplies.STREAM_HEAD
                    + OllamaReplies.tokens("{'subject':'Ke".replace("'", "\\\""))
                    + OllamaReplies.end("length", 64)
                    + OllamaReplies.LAST_CHUNK));

    ChatResponse.Structured<Draft> answer =
        nodes.client().chat(request().maxTokens(64).build(), Draft.class);

    Attempt cut = answer.response().attempts().get(0);
    assertThat(cut.failure()).contains(FailureKind.FORMAT_MISMATCH);
    assertThat(cut.message())
        .isEqualTo(
            "the answer is not JSON; it was cut at its maxTokens of 64 (finish reason LENGTH)");
  }

  @Test
  void theSameEndpointMayMendItOnce() {
    primary.respondWith(
        (connection, request) -> {
          boolean mending = request.body().contains("That does not fit: $.amount must be");
          OllamaReplies.answering(mending ? GOOD : BAD).answer(connection, request);
        });

    ChatResponse.Structured<Draft> answer =
        nodes.client().chat(request().repairTurn(true).build(), Draft.class);

    assertThat(answer.response().endpoint()).isEqualTo("primary");
    assertThat(answer.response().attempts()).hasSize(2);
    assertThat(primary.requests().get(1).body())
        .contains("\"role\":\"assistant\",\"content\":\"{\\\"subject\\\":\\\"Kern\\\"");
    assertThat(fallback.requests()).isEmpty();
  }

  @Test
  void itMayMendItOnceOnly() {
    primary.respondWith(OllamaReplies.answering(BAD));
    fallback.respondWith(OllamaReplies.answering(BAD));

    AllEndpointsFailedException failed =
        catchThrowableOfType(
            AllEndpointsFailedException.class,
            () -> nodes.client().chat(request().repairTurn(true).build(), Draft.class));

    assertThat(failed.attempts()).hasSize(4);
    assertThat(failed).hasMessageNotContaining("Kern").hasMessageNotContaining("much");
    assertThat(primary.requests()).hasSize(2);
    assertThat(fallback.requests()).hasSize(2);
    assertThat(fallback.requests().get(0).body()).as("begins afresh").doesNotContain("Kern");
  }

  @Test
  void anAnswerThatOnlyCallsAToolIsNotMended() {
    String call =
        "{\"message\":{\"content\":\"\",\"tool_calls\":[{\"function\":{\"name\":\"pay\","
            + "\"arguments\":{}}}]},\"done\":true,\"done_reason\":\"stop\"}\n";
    primary.respondWith(
        (connection, request) ->
            connection.send(
                OllamaReplies.STREAM_HEAD + OllamaReplies.chunk(call) + OllamaReplies.LAST_CHUNK));

    ChatRequest request = request().tool("pay", "pays", "{}").repairTurn(true).build();
    assertThat(nodes.client().chat(request, Draft.class).response().endpoint())
        .isEqualTo("fallback");
    assertThat(primary.requests()).hasSize(1);
  }

  @Test
  void checksSeeOnlyWhatFits() {
    ChatRequest request = request().accept(AnswerCheck.mentions("9999")).build();

    assertThatThrownBy(() -> nodes.client().chat(request, Draft.class))
        .hasMessageContaining("ANSWER_REJECTED");
    primary.respondWith(OllamaReplies.answering(BAD));
    assertThatThrownBy(() -> nodes.client().chat(request, Draft.class))
        .hasMessageContaining("[primary-model]: FORMAT_MISMATCH");
  }

  @Test
  void aFunctionAnswersInTheSameShape() {
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .endpoint(
                    Endpoint.local(
                            "template", r -> "{\"subject\":\"s\",\"amount\":1,\"note\":\"n\"}")
                        .build()));

    assertThat(client.chat(request().build(), Draft.class).value().note()).contains("n");
  }

  record Tag(String name) {
    @Override
    public int hashCode() {
      throw new UnsupportedOperationException("canary " + name);
    }

    @Override
    public boolean equals(Object other) {
      return this == other;
    }
  }

  record Tagged(Set<Tag> tags) {}

  @Test
  void aRecordThatThrowsWhileItIsReadIsAFailedAttemptToo() {
    primary.respondWith(OllamaReplies.answering("{\\\"tags\\\":[{\\\"name\\\":\\\"Kern\\\"}]}"));
    fallback.close();

    assertThatThrownBy(() -> nodes.client().chat(request().build(), Tagged.class))
        .isInstanceOf(AllEndpointsFailedException.class)
        .hasMessageContaining("the record threw java.lang.UnsupportedOperationException")
        .hasMessageNotContaining("canary");
  }

  @Test
  void whatIsNoRecordIsRejectedBeforeASocketOpens() {
    assertThatThrownBy(() -> nodes.client().chat(request().build(), String.class))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("must be a record");
    assertThat(primary.requests()).isEmpty();
  }

  private static final String OWN =
      "{\"type\":\"object\",\"required\":[\"amount\"],"
          + "\"properties\":{\"amount\":{\"type\":\"number\"}}}";

  @Test
  void anAnswerThatDoesNotFitTheCallersOwnSchemaGoesToTheNextEndpoint() throws Exception {
    primary.respondWith(OllamaReplies.answering(BAD));
    ChatRequest request = request().answerSchema(OWN).build();
    LlmClient client = nodes.client();

    for (ChatResponse response : List.of(client.chat(request), client.chatAsync(request).get())) {
      assertThat(response.endpoint()).isEqualTo("fallback");
      Attempt misfit = response.attempts().get(0);
      assertThat(misfit.failure()).contains(FailureKind.FORMAT_MISMATCH);
      assertThat(misfit.message()).isEqualTo("$.amount must be of type number");
    }
    assertThat(TwoNodes.primaryState(client).name()).isEqualTo("UP");
  }

  @Test
  void theCallersOwnSchemaMayBeMendedToo() {
    primary.respondWith(
        (connection, request) -> {
          boolean mending = request.body().contains("That does not fit: $.amount must be");
          OllamaReplies.answering(mending ? GOOD : BAD).answer(connection, request);
        });

    ChatResponse response =
        nodes.client().chat(request().answerSchema(OWN).repairTurn(true).build());

    assertThat(response.endpoint()).isEqualTo("primary");
    assertThat(primary.requests()).hasSize(2);
  }

  @Test
  void aStreamThatDoesNotFitAtItsEndIsTakenBack() {
    primary.respondWith(OllamaReplies.answering(BAD));
    List<ChatEvent> events = new ArrayList<>();
    try (ChatStream stream = nodes.client().stream(request().answerSchema(OWN).build())) {
      stream.forEach(events::add);
    }

    assertThat(events)
        .filteredOn(ChatEvent.Restarted.class::isInstance)
        .singleElement()
        .isInstanceOfSatisfying(
            ChatEvent.Restarted.class,
            restarted ->
                assertThat(restarted.failed().failure()).contains(FailureKind.FORMAT_MISMATCH));
    assertThat(events.get(events.size() - 1))
        .isInstanceOfSatisfying(
            ChatEvent.Completed.class,
            completed -> assertThat(completed.response().endpoint()).isEqualTo("fallback"));
  }

  @Test
  void aStreamThatMayNotStartAgainEndsWithWhatWasShown() {
    primary.respondWith(OllamaReplies.answering(BAD));
    ChatRequest request = request().answerSchema(OWN).onBrokenStream(StreamRecovery.FAIL).build();

    try (ChatStream stream = nodes.client().stream(request)) {
      assertThatThrownBy(() -> stream.forEach(event -> {}))
          .isInstanceOfSatisfying(
              LlmException.class,
              e -> {
                assertThat(e.partialText()).contains("Kern");
                assertThat(e).hasMessageNotContaining("Kern");
                assertThat(e.failure()).contains(FailureKind.FORMAT_MISMATCH);
              });
    }
  }

  @Test
  void aStreamThatIsHeldShowsOnlyWhatFits() {
    primary.respondWith(OllamaReplies.answering(BAD));
    ChatRequest request = request().answerSchema(OWN).onBrokenStream(StreamRecovery.HOLD).build();

    try (ChatStream stream = nodes.client().stream(request)) {
      assertThat(stream.textStream().collect(Collectors.joining())).contains("Invoice 1042");
    }
  }

  @Test
  void anAnswerThatCallsAToolIsNotYetOneInTheCallersSchema() {
    String call =
        "{\"message\":{\"content\":\"I will look.\",\"tool_calls\":[{\"function\":{\"name\":\"pay\","
            + "\"arguments\":{}}}]},\"done\":true,\"done_reason\":\"stop\"}\n";
    primary.respondWith(
        (connection, request) ->
            connection.send(
                OllamaReplies.STREAM_HEAD + OllamaReplies.chunk(call) + OllamaReplies.LAST_CHUNK));

    ChatRequest request = request().tool("pay", "pays", "{}").answerSchema(OWN).build();
    assertThat(nodes.client().chat(request).toolCalls()).hasSize(1);
  }

  @Test
  void aSchemaOfTheCallersOwnIsSentAsItIs() {
    nodes.client().chat(request().answerSchema("{\"type\":\"object\"}").build());

    assertThat(primary.requests().get(0).body()).contains("\"format\":{\"type\":\"object\"}");
    assertThatThrownBy(() -> request().answerSchema("[]"))
        .isInstanceOf(IllegalArgumentException.class);
  }
}
