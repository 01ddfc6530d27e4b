// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.models;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.spi.ILoggingEvent;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.Dialect;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.Locality;
import dev.offmeter.testing.LoggedEvents;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.TwoNodes;
import java.util.List;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A prompt that a server has cut is found by comparing its token count with the text's least one.
 */
@Timeout(20)
class ContextWindowTest {
  @RegisterExtension final Loopback loopback = new Loopback();
  @RegisterExtension final LoggedEvents log = new LoggedEvents(Level.WARN);

  private final TwoNodes nodes = TwoNodes.inRealTime(loopback);
  private final Node primary = nodes.primary();

  private static Node.Script ollamaReply(String reason, int prompt, int answer) {
    String last =
        "{\"message\":{\"content\":\"\"},\"done\":true,\"done_reason\":\""
            + reason
            + "\",\"prompt_eval_count\":"
            + prompt
            + ",\"eval_count\":"
            + answer
            + "}\n";
    String reply =
        OllamaReplies.STREAM_HEAD
            + OllamaReplies.tokens("HOME")
            + OllamaReplies.chunk(last)
            + OllamaReplies.LAST_CHUNK;
    return (connection, request) -> connection.send(reply);
  }

  private static Node.Script listing(int context) {
    return (connection, request) ->
        OllamaReplies.status(
                200,
                "application/json",
                request.line().contains("/api/ps")
                    ? "{\"models\":[{\"name\":\"primary-model:latest\",\"context_length\":"
                        + context
                        + "}]}"
                    : "{\"version\":\"0.33.0\",\"done\":true}")
            .answer(connection, request);
  }

  @ParameterizedTest
  @CsvSource({"3476, 1024, 4096", "1000, 1049, 2000", "1, 300, 256"})
  void anAnswerThatOutgrewTheContextAndWasCutIsNoAnswer(int prompt, int answer, int context) {
    primary.respondWith(ollamaReply("length", prompt, answer));
    LlmClient client = nodes.client(e -> e.option("num_ctx", context));

    ChatResponse response =
        client.chat(ChatRequest.builder().user("a reminder").maxTokens(answer).build());

    assertThat(response.endpoint()).isEqualTo("fallback");
    assertThat(response.attempts().get(0).failure()).contains(FailureKind.CONTEXT_OVERFLOW);
    assertThat(response.attempts().get(0).message())
        .isEqualTo(
            "the conversation and its answer came to "
                + (prompt + answer)
                + " tokens, more than the context of "
                + context
                + ": the server dropped the beginning");
  }

  @ParameterizedTest
  @CsvSource({
    "length, 3072, 1024, 4096",
    "length, 1000, 1024, 2000",
    "length, 0, 5000, 4096",
    "stop, 3476, 1024, 4096"
  })
  void whatFitsOrEndsByItselfOrIsNotCountedIsAnAnswer(
      String reason, int prompt, int answer, int context) {
    primary.respondWith(ollamaReply(reason, prompt, answer));
    LlmClient client = nodes.client(e -> e.option("num_ctx", context));

    ChatResponse response =
        client.chat(ChatRequest.builder().user("a reminder").maxTokens(answer).build());

    assertThat(response.endpoint()).isEqualTo("primary");
  }

  @ParameterizedTest
  @CsvSource({"length, 223, 600", "length, 3000, 1024"})
  void anAnswerThatEndsBeforeItsLimitIsNoneEither(String reason, int answer, int limit) {
    primary.respondWith(ollamaReply(reason, 33, answer));
    LlmClient client = nodes.client();
    int most = Math.max(limit, answer + 1);

    ChatResponse response =
        client.chat(ChatRequest.builder().user("a reminder").maxTokens(most).build());

    assertThat(response.attempts().get(0).failure()).contains(FailureKind.CONTEXT_OVERFLOW);
  }

  @Test
  void theContextIsKnownFromTheListOfModelsToo() {
    primary.respondWith(ollamaReply("length", 3476, 1024)).respondToProbesWith(listing(4096));
    LlmClient client = nodes.client();
    ChatRequest request = ChatRequest.builder().user("a reminder").maxTokens(1024).build();
    assertThat(client.chat(request).endpoint()).as("nobody has asked").isEqualTo("primary");

    client.warmUp().join();

    assertThat(client.chat(request).attempts().get(0).failure())
        .contains(FailureKind.CONTEXT_OVERFLOW);
  }

  @Test
  void whatIsAskedForCountsMoreThanWhatAnotherClientHasLoaded() {
    primary.respondWith(ollamaReply("length", 3476, 1024)).respondToProbesWith(listing(4096));
    LlmClient client = nodes.client(e -> e.option("num_ctx", 8192));
    client.warmUp().join();

    assertThat(
            client
                .chat(ChatRequest.builder().user("a reminder").maxTokens(1024).build())
                .endpoint())
        .isEqualTo("primary");
  }

  private LlmClient compatible(int prompt, UnaryOperator<Endpoint.Builder> more) {
    String body =
        "{\"choices\":[{\"message\":{\"content\":\"HOME\"},\"finish_reason\":\"stop\"}],"
            + "\"usage\":{\"prompt_tokens\":"
            + prompt
            + ",\"completion_tokens\":2}}";
    Node node = loopback.node(OllamaReplies.status(200, "application/json", body));
    return loopback.client(
        LlmClient.builder()
            .endpoint(more.apply(Endpoint.openAi("home", node.url()).model("m")).build()));
  }

  private List<String> warned() {
    return log.events().stream()
        .filter(event -> event.getLevel() == Level.WARN)
        .map(ILoggingEvent::getFormattedMessage)
        .toList();
  }

  private static String prose(int words) {
    String sentence = "the quick brown fox jumps over a lazy dog again ";
    return sentence.repeat(words / 10);
  }

  @ParameterizedTest
  @EnumSource(names = {"GENERIC", "OLLAMA"})
  void aPromptThatIsCutInSilenceIsSaidOnce(Dialect dialect) {
    LlmClient client = compatible(4096, e -> e.dialect(dialect));

    assertThat(client.chat(prose(5_200)).text()).isEqualTo("HOME");
    assertThat(client.chat(prose(5_200)).text()).isEqualTo("HOME");

    assertThat(warned())
        .containsExactly(
            "endpoint home says that it has read 4096 tokens of a prompt of 5200 words: it seems"
                + " to cut long prompts in silence. If it is an Ollama, use Endpoint.ollama, which"
                + " fails then; else give its model more context; said once");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "払い忘れの請求書についてお知らせします。",
        "🙂 ",
        "😀😀😀",
        "- ",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "1 2 3 4 ",
        "| --- | ",
        "                "
      })
  void whatHasFewWordsIsNeverTakenForCut(String text) {
    LlmClient client = compatible(1000, e -> e);

    assertThat(client.chat("a" + text.repeat(20_000)).text()).isEqualTo("HOME");

    assertThat(warned()).isEmpty();
  }

  @ParameterizedTest
  @CsvSource({"8400, 10500", "999, 10500", "0, 10500", "1, 10500"})
  void countsThatMayBeRightOrOfWhatIsNewOnlyAreNone(int tokens, int words) {
    LlmClient client = compatible(tokens, e -> e);

    assertThat(client.chat(prose(words)).text()).isEqualTo("HOME");

    assertThat(warned()).isEmpty();
  }

  @Test
  void aManagedServerIsNotJudged() {
    LlmClient client = compatible(2050, e -> e.locality(Locality.MANAGED));

    assertThat(client.chat(prose(10_500)).text()).isEqualTo("HOME");

    assertThat(warned()).isEmpty();
  }
}
