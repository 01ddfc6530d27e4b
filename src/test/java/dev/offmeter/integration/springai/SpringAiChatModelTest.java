// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.springai;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.offmeter.AllEndpointsFailedException;
import dev.offmeter.Attempt;
import dev.offmeter.Endpoint;
import dev.offmeter.LlmClient;
import dev.offmeter.LlmException;
import dev.offmeter.StreamRecovery;
import dev.offmeter.integration.micrometer.MeterNames;
import dev.offmeter.integration.micrometer.OffmeterObservations;
import dev.offmeter.observe.LlmListener;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.TwoNodes;
import io.micrometer.observation.Observation;
import io.micrometer.observation.ObservationHandler;
import io.micrometer.observation.ObservationView;
import io.micrometer.observation.tck.TestObservationRegistry;
import io.micrometer.observation.tck.TestObservationRegistryAssert;
import java.lang.reflect.Proxy;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Semaphore;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.reactivestreams.Subscription;
import org.springframework.ai.chat.client.ChatClient;
import org.springframework.ai.chat.client.ChatClientRequest;
import org.springframework.ai.chat.client.ChatClientResponse;
import org.springframework.ai.chat.client.advisor.api.CallAdvisor;
import org.springframework.ai.chat.client.advisor.api.CallAdvisorChain;
import org.springframework.ai.chat.messages.AssistantMessage;
import org.springframework.ai.chat.messages.SystemMessage;
import org.springframework.ai.chat.messages.ToolResponseMessage;
import org.springframework.ai.chat.messages.UserMessage;
import org.springframework.ai.chat.model.ChatResponse;
import org.springframework.ai.chat.prompt.ChatOptions;
import org.springframework.ai.chat.prompt.Prompt;
import org.springframework.ai.content.Media;
import org.springframework.ai.model.tool.StructuredOutputChatOptions;
import org.springframework.ai.model.tool.ToolCallingChatOptions;
import org.springframework.ai.support.ToolCallbacks;
import org.springframework.ai.tool.annotation.Tool;
import org.springframework.util.MimeType;
import reactor.core.Disposable;
import reactor.core.publisher.BaseSubscriber;
import reactor.core.publisher.Flux;
import reactor.test.StepVerifier;

/** Spring AI's users get the answer of whichever endpoint can give one. */
@Timeout(20)
class SpringAiChatModelTest {
  private static final Duration SOON = Duration.ofSeconds(10);
  private static final String OPERATION = "gen_ai.client.operation";

  @RegisterExtension final Loopback loopback = new Loopback();
  private final TwoNodes nodes = TwoNodes.inRealTime(loopback);

  record City(String name, int people) {}

  /** A tool as users write it. */
  static class Weather {
    private final List<String> asked = new CopyOnWriteArrayList<>();

    @Tool(description = "the weather in a city")
    String weather(String city) {
      asked.add(city);
      return "rain";
    }
  }

  /** A tool whose result is the answer. */
  static class Oracle {
    @Tool(description = "the answer", returnDirect = true)
    String oracle() {
      return "forty-two";
    }
  }

  private OffmeterChatModel model() {
    return new OffmeterChatModel(nodes.client());
  }

  private ChatClient chatClient() {
    return ChatClient.create(model());
  }

  private static Node.Script breakingOff(String... pieces) {
    return (connection, request) -> {
      connection.send(OllamaReplies.STREAM_HEAD + OllamaReplies.tokens(pieces));
      connection.close();
    };
  }

  /** Returns a script that calls a tool, and answers once it has the result. */
  private static Node.Script callingTool(String name, String arguments, String answer) {
    String call =
        OllamaReplies.chunk(
            "{\"model\":\"served\",\"message\":{\"role\":\"assistant\",\"content\":\"Let me see. \","
                + "\"tool_calls\":[{\"id\":\"call-7\",\"function\":{\"name\":\""
                + name
                + "\",\"arguments\":"
                + arguments
                + "}}]},\"done\":false}\n");
    String calls =
        OllamaReplies.STREAM_HEAD + call + OllamaReplies.end("stop", 5) + OllamaReplies.LAST_CHUNK;
    Node.Script answers = OllamaReplies.answering(answer);
    return (connection, request) -> {
      if (request.body().contains("\"role\":\"tool\"")) {
        answers.answer(connection, request);
      } else {
        connection.send(calls);
      }
    };
  }

  private static Prompt asking(ChatOptions options) {
    return new Prompt("hello", options);
  }

  private String sent() {
    return nodes.primary().requests().get(nodes.primary().requests().size() - 1).body();
  }

  private static String text(ChatResponse response) {
    return response.getResult().getOutput().getText();
  }

  @Test
  void aChatClientAnswersWhenTheFirstNodeDiesInMidAnswer() {
    nodes.primary().respondWith(breakingOff("Dear", " Ms"));
    ChatResponse response = chatClient().prompt("Draft a reminder.").call().chatResponse();
    assertThat(text(response)).isEqualTo("FALLBACK");
    assertThat(response.getMetadata().<String>get(OffmeterChatModel.ENDPOINT))
        .isEqualTo("fallback");
    List<Attempt> attempts = response.getMetadata().get(OffmeterChatModel.ATTEMPTS);
    assertThat(attempts).extracting(Attempt::endpoint).containsExactly("primary", "fallback");
  }

  @Test
  void theMetadataHaveModelUsageFinishReasonAndTheClientsResponse() {
    nodes.primary().respondWith(OllamaReplies.answering("a", "b"));
    ChatResponse response = model().call(new Prompt("hello"));
    assertThat(response.getMetadata().getModel()).isEqualTo("served");
    assertThat(response.getMetadata().getUsage().getPromptTokens()).isEqualTo(24);
    assertThat(response.getMetadata().getUsage().getCompletionTokens()).isEqualTo(2);
    assertThat(response.getMetadata().getUsage().getTotalTokens()).isEqualTo(26);
    assertThat(response.getResult().getMetadata().getFinishReason()).isEqualTo("STOP");
    dev.offmeter.ChatResponse own = response.getMetadata().get(OffmeterChatModel.RESPONSE);
    assertThat(own.text()).isEqualTo("ab");
  }

  @Test
  void anAdvisorSeesTheAnswerAndItsEndpoint() {
    List<String> seen = new ArrayList<>();
    CallAdvisor advisor =
        new CallAdvisor() {
          @Override
          public ChatClientResponse adviseCall(ChatClientRequest request, CallAdvisorChain chain) {
            ChatClientResponse response = chain.nextCall(request);
            seen.add(response.chatResponse().getMetadata().get(OffmeterChatModel.ENDPOINT));
            return response;
          }

          @Override
          public String getName() {
            return "endpoint";
          }

          @Override
          public int getOrder() {
            return 0;
          }
        };
    assertThat(chatClient().prompt("hello").advisors(advisor).call().content())
        .isEqualTo("PRIMARY");
    assertThat(seen).containsExactly("primary");
  }

  @Test
  void anAnswerBecomesARecord() {
    nodes.primary().respondWith(breakingOff("{"));
    nodes
        .fallback()
        .respondWith(
            OllamaReplies.answering("{\\\"name\\\":\\\"Rome\\\",", "\\\"people\\\":2800000}"));
    City city = chatClient().prompt("Which city?").call().entity(City.class);
    assertThat(city).isEqualTo(new City("Rome", 2_800_000));
  }

  @Test
  void aToolIsRunAndTheAnswerAfterItReturned() {
    nodes.primary().respondWith(callingTool("weather", "{\"city\":\"Rome\"}", "It rains."));
    Weather weather = new Weather();
    ChatResponse response = chatClient().prompt("Umbrella?").tools(weather).call().chatResponse();
    assertThat(text(response)).isEqualTo("It rains.");
    assertThat(weather.asked).containsExactly("Rome");
    assertThat(nodes.primary().requests().get(0).body()).contains("the weather in a city");
    assertThat(sent()).contains("rain", "\"tool_calls\"", "Let me see. ");
    assertThat(response.getMetadata().getUsage().getPromptTokens()).isEqualTo(48);
    assertThat(response.getMetadata().getUsage().getCompletionTokens()).isEqualTo(6);
  }

  @Test
  void theResultOfADirectToolIsTheAnswer() {
    nodes.primary().respondWith(callingTool("oracle", "{}", "never"));
    assertThat(chatClient().prompt("The answer?").tools(new Oracle()).call().content())
        .contains("forty-two");
    assertThat(nodes.primary().requests()).hasSize(1);
  }

  @Test
  void theModelsOwnToolsAreOfferedWhereAPromptHasNone() {
    nodes.primary().respondWith(callingTool("weather", "{\"city\":\"Oslo\"}", "Snow."));
    Weather weather = new Weather();
    ToolCallingChatOptions tools =
        ToolCallingChatOptions.builder().toolCallbacks(ToolCallbacks.from(weather)).build();
    OffmeterChatModel model = OffmeterChatModel.builder(nodes.client()).options(tools).build();
    assertThat(text(model.call(asking(ChatOptions.builder().temperature(0.5).build()))))
        .isEqualTo("Snow.");
    assertThat(weather.asked).containsExactly("Oslo");
    assertThat(nodes.primary().requests())
        .hasSize(2)
        .allSatisfy(request -> assertThat(request.body()).contains("\"temperature\":0.5"));
  }

  /** Switches the model's own running of tools off, for which Spring AI 2.0 has no word. */
  private static ToolCallingChatOptions returningToolCalls(Weather weather) throws Exception {
    ToolCallingChatOptions.Builder options =
        ToolCallingChatOptions.builder().toolCallbacks(ToolCallbacks.from(weather));
    ToolCallingChatOptions.Builder.class
        .getMethod("internalToolExecutionEnabled", Boolean.class)
        .invoke(options, false);
    return options.build();
  }

  @Test
  void toolCallsAreReturnedWhereTheModelIsNotToRunThem() throws Exception {
    nodes.primary().respondWith(callingTool("weather", "{\"city\":\"Rome\"}", "never"));
    Weather weather = new Weather();
    ChatResponse response = model().call(asking(returningToolCalls(weather)));
    assertThat(response.getResult().getMetadata().getFinishReason()).isEqualTo("TOOL_CALLS");
    assertThat(response.getResult().getOutput().getToolCalls())
        .containsExactly(
            new AssistantMessage.ToolCall("call-7", "function", "weather", "{\"city\":\"Rome\"}"));
    ChatResponse last = model().stream(asking(returningToolCalls(weather))).blockLast(SOON);
    assertThat(last.hasToolCalls()).isTrue();
    assertThat(weather.asked).isEmpty();
  }

  @Test
  void aStreamGivesThePiecesAndThenTheRest() {
    nodes.primary().respondWith(OllamaReplies.answering("Dear", " Ms", " Kern"));
    List<ChatResponse> chunks = model().stream(new Prompt("hello")).collectList().block(SOON);
    assertThat(chunks)
        .extracting(SpringAiChatModelTest::text)
        .containsExactly("Dear", " Ms", " Kern", "");
    ChatResponse last = chunks.get(3);
    assertThat(last.getResult().getMetadata().getFinishReason()).isEqualTo("STOP");
    assertThat(last.getMetadata().getUsage().getCompletionTokens()).isEqualTo(3);
    assertThat(last.getMetadata().<String>get(OffmeterChatModel.ENDPOINT)).isEqualTo("primary");
  }

  @Test
  void aChatClientStreams() {
    nodes.primary().respondWith(OllamaReplies.answering("Dear", " Ms", " Kern"));
    Flux<String> content = chatClient().prompt("hello").stream().content();
    StepVerifier.create(content).expectNext("Dear", " Ms", " Kern").expectComplete().verify(SOON);
  }

  @Test
  void aFailureBeforeTheFirstPieceIsInvisibleInAStream() {
    nodes.primary().respondWith(breakingOff());
    Flux<String> content = chatClient().prompt("hello").stream().content();
    StepVerifier.create(content).expectNext("FALLBACK").expectComplete().verify(SOON);
  }

  @Test
  void aStreamThatBreaksOffFailsWithTheReasonAndTheTextShown() {
    nodes.primary().respondWith(breakingOff("Dear", " Ms"));
    StepVerifier.create(model().stream(new Prompt("hello")).map(SpringAiChatModelTest::text))
        .expectNext("Dear", " Ms")
        .expectErrorSatisfies(
            thrown ->
                assertThat(thrown)
                    .isInstanceOf(LlmException.class)
                    .hasMessageContaining("closed in the middle of an answer")
                    .satisfies(
                        e -> assertThat(((LlmException) e).partialText()).isEqualTo("Dear Ms")))
        .verify(SOON);
    assertThat(nodes.fallback().requests()).isEmpty();
  }

  @Test
  void aHeldStreamHidesTheNodeThatBreaksOff() {
    nodes.primary().respondWith(breakingOff("Dear", " Ms"));
    OffmeterChatModel model =
        OffmeterChatModel.builder(nodes.client()).onBrokenStream(StreamRecovery.HOLD).build();
    StepVerifier.create(model.stream(new Prompt("hello")).map(SpringAiChatModelTest::text))
        .expectNext("FALLBACK", "")
        .expectComplete()
        .verify(SOON);
  }

  @Test
  void aStreamMustNotStartAgain() {
    String why = "onBrokenStream must be FAIL or HOLD, was RESTART";
    OffmeterChatModel.Builder builder = OffmeterChatModel.builder(nodes.client());
    assertThatThrownBy(() -> builder.onBrokenStream(StreamRecovery.RESTART))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(why);
    OffmeterChatModel model =
        builder.customizer(request -> request.onBrokenStream(StreamRecovery.RESTART)).build();
    StepVerifier.create(model.stream(new Prompt("hello"))).expectErrorMessage(why).verify(SOON);
    assertThat(nodes.primary().openConnections()).isZero();
  }

  @Test
  void aCustomizerHasTheLastWord() {
    OffmeterChatModel model =
        OffmeterChatModel.builder(nodes.client())
            .customizer(request -> request.seed(7).temperature(0.25))
            .build();
    model.call(asking(ChatOptions.builder().temperature(0.75).build()));
    assertThat(sent()).contains("\"seed\":7", "\"temperature\":0.25");
  }

  @Test
  void aStreamRunsToolsAndGoesOnWithTheAnswer() {
    nodes.primary().respondWith(callingTool("weather", "{\"city\":\"Rome\"}", "It rains."));
    Weather weather = new Weather();
    List<ChatResponse> chunks =
        chatClient().prompt("Umbrella?").tools(weather).stream()
            .chatResponse()
            .collectList()
            .block(SOON);
    assertThat(chunks)
        .extracting(SpringAiChatModelTest::text)
        .containsExactly("Let me see. ", "It rains.", "");
    assertThat(chunks).noneMatch(ChatResponse::hasToolCalls);
    assertThat(chunks.get(2).getMetadata().getUsage().getPromptTokens()).isEqualTo(48);
    assertThat(sent()).contains("rain", "Let me see. ");
    assertThat(weather.asked).containsExactly("Rome");
  }

  @Test
  void theResultOfADirectToolEndsAStream() {
    nodes.primary().respondWith(callingTool("oracle", "{}", "never"));
    List<String> content =
        chatClient().prompt("The answer?").tools(new Oracle()).stream()
            .content()
            .collectList()
            .block(SOON);
    assertThat(String.join("", content)).startsWith("Let me see. ").contains("forty-two");
    assertThat(nodes.primary().requests()).hasSize(1);
  }

  @Test
  void cancellingClosesTheConnection() {
    nodes.primary().respondWith(OllamaReplies.tokenByToken(new Semaphore(2)));
    List<String> seen = new CopyOnWriteArrayList<>();
    Disposable stream = chatClient().prompt("hello").stream().content().subscribe(seen::add);
    Loopback.awaitSoon(() -> seen.size() == 2);
    assertThat(nodes.primary().openConnections()).isEqualTo(1);
    stream.dispose();
    Loopback.awaitSoon(() -> nodes.primary().openConnections() == 0);
  }

  @Test
  void aStreamIsReadNoFasterThanAskedFor() {
    nodes.primary().respondWith(OllamaReplies.answering("a", "b", "c"));
    List<String> seen = new CopyOnWriteArrayList<>();
    BaseSubscriber<ChatResponse> slow =
        new BaseSubscriber<>() {
          @Override
          protected void hookOnSubscribe(Subscription subscription) {
            // Asks for nothing yet.
          }

          @Override
          protected void hookOnNext(ChatResponse chunk) {
            seen.add(text(chunk));
          }
        };
    model().stream(new Prompt("hello")).subscribe(slow);
    assertThat(nodes.primary().openConnections()).isZero();
    slow.request(1);
    Loopback.awaitSoon(() -> seen.size() == 1);
    slow.request(1);
    Loopback.awaitSoon(() -> seen.size() == 2);
    assertThat(seen).containsExactly("a", "b");
    slow.cancel();
    Loopback.awaitSoon(() -> nodes.primary().openConnections() == 0);
    assertThat(seen).containsExactly("a", "b");
  }

  @Test
  void aCallIsObservedOnce() {
    TestObservationRegistry registry = TestObservationRegistry.create();
    OffmeterChatModel model =
        OffmeterChatModel.builder(nodes.client()).observationRegistry(registry).build();
    ChatClient.create(model).prompt("hello").call().content();
    TestObservationRegistryAssert.assertThat(registry)
        .hasNumberOfObservationsWithNameEqualTo(OPERATION, 1)
        .hasObservationWithNameEqualTo(OPERATION)
        .that()
        .hasBeenStarted()
        .hasBeenStopped()
        .hasLowCardinalityKeyValue("gen_ai.operation.name", "chat")
        .hasLowCardinalityKeyValue("gen_ai.system", "offmeter")
        .hasLowCardinalityKeyValue("gen_ai.response.model", "served")
        .hasHighCardinalityKeyValue("gen_ai.usage.input_tokens", "24");
  }

  @Test
  void aStreamIsObservedOnce() {
    TestObservationRegistry registry = TestObservationRegistry.create();
    OffmeterChatModel model =
        OffmeterChatModel.builder(nodes.client()).observationRegistry(registry).build();
    model.stream(new Prompt("hello")).blockLast(SOON);
    TestObservationRegistryAssert.assertThat(registry)
        .hasNumberOfObservationsWithNameEqualTo(OPERATION, 1)
        .hasObservationWithNameEqualTo(OPERATION)
        .that()
        .hasBeenStopped()
        .hasLowCardinalityKeyValue("gen_ai.response.model", "served");
  }

  @Test
  void aCancelledStreamIsObservedToItsEnd() {
    nodes.primary().respondWith(OllamaReplies.tokenByToken(new Semaphore(2)));
    TestObservationRegistry registry = TestObservationRegistry.create();
    OffmeterChatModel model =
        OffmeterChatModel.builder(nodes.client()).observationRegistry(registry).build();
    model.stream(new Prompt("hello")).blockFirst(SOON);
    TestObservationRegistryAssert.assertThat(registry)
        .hasNumberOfObservationsEqualTo(1)
        .hasObservationWithNameEqualTo(OPERATION)
        .that()
        .hasBeenStopped()
        .doesNotHaveError();
  }

  private void assertObservedAsFailed(Consumer<OffmeterChatModel> use) {
    TestObservationRegistry registry = TestObservationRegistry.create();
    use.accept(OffmeterChatModel.builder(nodes.client()).observationRegistry(registry).build());
    TestObservationRegistryAssert.assertThat(registry)
        .hasNumberOfObservationsEqualTo(1)
        .hasObservationWithNameEqualTo(OPERATION)
        .that()
        .hasBeenStopped()
        .hasError();
  }

  @Test
  void anObservationEndsWithTheFailureOfItsCallOrStream() {
    nodes.primary().close();
    nodes.fallback().close();
    assertObservedAsFailed(
        model ->
            assertThatThrownBy(() -> model.call(new Prompt("hello")))
                .isInstanceOf(AllEndpointsFailedException.class));
    assertObservedAsFailed(
        model ->
            StepVerifier.create(model.stream(new Prompt("hello")))
                .expectError(AllEndpointsFailedException.class)
                .verify(SOON));
  }

  @Test
  void aRefusedStreamIsObservedAsFailedAsARefusedCallIs() {
    Prompt tooLong = asking(ChatOptions.builder().maxTokens(1_000_000).build());
    assertObservedAsFailed(
        model ->
            assertThatThrownBy(() -> model.call(tooLong))
                .isInstanceOf(IllegalArgumentException.class));
    assertObservedAsFailed(
        model ->
            StepVerifier.create(model.stream(tooLong))
                .expectError(IllegalArgumentException.class)
                .verify(SOON));
  }

  /** Notes the name of what each attempt is below. */
  private record ParentsOfAttempts(List<String> parents)
      implements ObservationHandler<Observation.Context> {
    @Override
    public boolean supportsContext(Observation.Context context) {
      return true;
    }

    @Override
    public void onStop(Observation.Context context) {
      if (MeterNames.ATTEMPT.equals(context.getName())) {
        ObservationView parent = context.getParentObservation();
        parents.add(parent == null ? "none" : parent.getContextView().getName());
      }
    }
  }

  private List<String> parentsOfAttempts(Consumer<OffmeterChatModel> use) {
    TestObservationRegistry registry = TestObservationRegistry.create();
    List<String> parents = new CopyOnWriteArrayList<>();
    registry.observationConfig().observationHandler(new ParentsOfAttempts(parents));
    LlmClient client =
        loopback.client(nodes.builder().listener(new OffmeterObservations(registry)));
    use.accept(OffmeterChatModel.builder(client).observationRegistry(registry).build());
    return parents;
  }

  @Test
  void theAttemptsOfACallAndOfAStreamAreBelowItsObservation() {
    nodes.primary().respondWith(OllamaReplies.status(500, "application/json", "{}"));
    assertThat(parentsOfAttempts(model -> model.call(new Prompt("hello"))))
        .isNotEmpty()
        .containsOnly(OPERATION);
    assertThat(parentsOfAttempts(model -> model.stream(new Prompt("hello")).blockLast(SOON)))
        .isNotEmpty()
        .containsOnly(OPERATION);
  }

  @Test
  void thePromptsOptionsComeBeforeTheModels() {
    OffmeterChatModel model =
        OffmeterChatModel.builder(nodes.client())
            .options(ChatOptions.builder().maxTokens(77).temperature(0.75).build())
            .build();
    model.call(
        asking(
            ChatOptions.builder()
                .temperature(0.25)
                .topP(0.5)
                .stopSequences(List.of("END"))
                .build()));
    assertThat(sent())
        .contains("\"num_predict\":77", "\"temperature\":0.25", "\"top_p\":0.5", "END");
    model.call(new Prompt("hello"));
    assertThat(sent()).contains("\"num_predict\":77", "\"temperature\":0.75");
  }

  @Test
  void theModelChoosesAmongTheEndpoints() {
    OffmeterChatModel model = model();
    assertThat(text(model.call(asking(ChatOptions.builder().model("fallback-model").build()))))
        .isEqualTo("FALLBACK");
    assertThat(nodes.primary().requests()).isEmpty();
    assertThatThrownBy(() -> model.call(asking(ChatOptions.builder().model("gpt-5").build())))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("primary (primary-model), fallback (fallback-model), was 'gpt-5'");
  }

  @Test
  void anOptionThatNotEveryServerTakesIsRejectedByName() {
    Map<String, ChatOptions> options =
        Map.of(
            "topK", ChatOptions.builder().topK(40).build(),
            "frequencyPenalty", ChatOptions.builder().frequencyPenalty(0.5).build(),
            "presencePenalty", ChatOptions.builder().presencePenalty(0.5).build());
    options.forEach(
        (name, option) ->
            assertThatThrownBy(() -> model().call(asking(option)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageStartingWith(name + " must not be set"));
    assertThat(nodes.primary().openConnections()).isZero();
  }

  @Test
  void aWholeConversationIsSent() {
    byte[] png = "\u0089PNG\r\n\u001a\n".getBytes(StandardCharsets.ISO_8859_1);
    UserMessage seen =
        UserMessage.builder()
            .text("What is this?")
            .media(Media.builder().mimeType(new MimeType("image", "png")).data(png).build())
            .build();
    AssistantMessage calls =
        AssistantMessage.builder()
            .content("")
            .toolCalls(List.of(new AssistantMessage.ToolCall("c-1", "function", "weather", "")))
            .build();
    ToolResponseMessage results =
        ToolResponseMessage.builder()
            .responses(List.of(new ToolResponseMessage.ToolResponse("c-1", "weather", "sun")))
            .build();
    model().call(new Prompt(new SystemMessage("Be brief."), seen, calls, results));
    assertThat(sent())
        .contains("Be brief.", "What is this?", "iVBORw0KGgo=", "\"name\":\"weather\"", "sun")
        .contains("\"role\":\"system\"", "\"role\":\"user\"", "\"role\":\"assistant\"");
  }

  @Test
  void mediaThatAreNoBytesOfAUsersAreRejected() {
    Media remote =
        Media.builder()
            .mimeType(new MimeType("image", "png"))
            .data(URI.create("https://example.org/canary.png"))
            .build();
    UserMessage user = UserMessage.builder().text("What?").media(remote).build();
    assertThatThrownBy(() -> model().call(new Prompt(user)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("media must be the bytes of an image, was an address");
    AssistantMessage drawn =
        AssistantMessage.builder().content("Here.").media(List.of(remote)).build();
    assertThatThrownBy(() -> model().call(new Prompt(drawn, new UserMessage("Another."))))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("media must be that of a user's message, was an assistant's");
  }

  @Test
  void aSchemaIsSentAndAnAnswerThatDoesNotFitFallsThrough() {
    String schema =
        "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"}},"
            + "\"required\":[\"name\"]}";
    nodes.fallback().respondWith(OllamaReplies.answering("{\\\"name\\\":\\\"Rome\\\"}"));
    StructuredOutputChatOptions options =
        (StructuredOutputChatOptions)
            Proxy.newProxyInstance(
                StructuredOutputChatOptions.class.getClassLoader(),
                new Class<?>[] {StructuredOutputChatOptions.class},
                (proxy, method, arguments) ->
                    method.getName().equals("getOutputSchema") ? schema : null);
    assertThat(text(model().call(asking(options)))).isEqualTo("{\"name\":\"Rome\"}");
    assertThat(sent()).contains("\"format\":{\"type\":\"object\"");
  }

  @Test
  void thinkingIsInTheMetadataAndNotInTheText() {
    nodes
        .primary()
        .respondWith(
            OllamaReplies.closing(
                "{\"message\":{\"content\":\"\",\"thinking\":\"Hm.\"}}\n"
                    + "{\"message\":{\"content\":\"Yes.\"},\"done\":true,"
                    + "\"done_reason\":\"stop\"}\n"));
    LlmClient client = loopback.client(nodes.builder().defaults(request -> request.thinking(true)));
    OffmeterChatModel model = new OffmeterChatModel(client);
    ChatResponse response = model.call(new Prompt("hello"));
    assertThat(text(response)).isEqualTo("Yes.");
    assertThat(response.getResult().getOutput().getMetadata()).containsEntry("thinking", "Hm.");
    List<ChatResponse> chunks = model.stream(new Prompt("hello")).collectList().block(SOON);
    assertThat(chunks).extracting(SpringAiChatModelTest::text).containsExactly("", "Yes.", "");
    assertThat(chunks.get(0).getResult().getOutput().getMetadata())
        .containsEntry("thinking", "Hm.");
  }

  @Test
  void requestsAreTaggedAsThoseOfAnAdapter() {
    List<Map<String, String>> tags = new CopyOnWriteArrayList<>();
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .endpoint(Endpoint.local("template", request -> "TEMPLATE").build())
                .listener(
                    new LlmListener() {
                      @Override
                      public void onCallStarted(long call, Map<String, String> labels) {
                        tags.add(labels);
                      }
                    }));
    OffmeterChatModel model = new OffmeterChatModel(client);
    model.call(new Prompt("hello"));
    model.stream(new Prompt("hello")).blockLast(SOON);
    assertThat(tags)
        .hasSize(2)
        .allMatch(each -> "spring-ai".equals(each.get(LlmListener.ADAPTER_TAG)));
  }
}
