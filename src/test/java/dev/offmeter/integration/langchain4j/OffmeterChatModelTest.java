// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.langchain4j;

import static dev.offmeter.testing.Loopback.awaitSoon;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.langchain4j.agent.tool.P;
import dev.langchain4j.agent.tool.Tool;
import dev.langchain4j.agent.tool.ToolExecutionRequest;
import dev.langchain4j.agent.tool.ToolSpecification;
import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.AudioContent;
import dev.langchain4j.data.message.ChatMessage;
import dev.langchain4j.data.message.CustomMessage;
import dev.langchain4j.data.message.ImageContent;
import dev.langchain4j.data.message.SystemMessage;
import dev.langchain4j.data.message.TextContent;
import dev.langchain4j.data.message.ToolExecutionResultMessage;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.exception.InternalServerException;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.exception.UnsupportedFeatureException;
import dev.langchain4j.model.ModelProvider;
import dev.langchain4j.model.chat.ChatModel;
import dev.langchain4j.model.chat.listener.ChatModelErrorContext;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.langchain4j.model.chat.listener.ChatModelRequestContext;
import dev.langchain4j.model.chat.listener.ChatModelResponseContext;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.request.DefaultChatRequestParameters;
import dev.langchain4j.model.chat.request.ResponseFormat;
import dev.langchain4j.model.chat.request.ToolChoice;
import dev.langchain4j.model.chat.request.json.JsonObjectSchema;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.output.FinishReason;
import dev.langchain4j.model.output.TokenUsage;
import dev.langchain4j.service.AiServices;
import dev.langchain4j.service.Result;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.observe.LlmListener;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.TwoNodes;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutionException;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** LangChain4j's requests and answers, by a client with real servers. */
@Timeout(20)
class OffmeterChatModelTest {
  private static final byte[] PNG = {(byte) 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 0, 0};

  @RegisterExtension final Loopback loopback = new Loopback();

  private final TwoNodes nodes = TwoNodes.inRealTime(loopback);

  private ChatModel model() {
    return new OffmeterChatModel(nodes.client());
  }

  private static ChatRequest request(ChatRequestParameters parameters) {
    return ChatRequest.builder()
        .messages(UserMessage.from("draft a reminder"))
        .parameters(parameters)
        .build();
  }

  private static ChatRequestParameters with(Consumer<DefaultChatRequestParameters.Builder<?>> set) {
    DefaultChatRequestParameters.Builder<?> builder = ChatRequestParameters.builder();
    set.accept(builder);
    return builder.build();
  }

  private JsonNode sent() throws Exception {
    List<dev.offmeter.testing.Connection.Request> requests = nodes.primary().requests();
    return new ObjectMapper().readTree(requests.get(requests.size() - 1).body());
  }

  /** Returns a script that sends these messages of the model, one to each request. */
  private static Node.Script saying(String... messages) {
    Iterator<String> next = List.of(messages).iterator();
    return (connection, request) ->
        connection.send(
            OllamaReplies.STREAM_HEAD
                + OllamaReplies.chunk(
                    "{\"model\":\"served\",\"message\":{\"role\":\"assistant\","
                        + next.next()
                        + "},\"done\":false}\n")
                + OllamaReplies.end("stop", 5)
                + OllamaReplies.LAST_CHUNK);
  }

  private static String calling(String name, String arguments) {
    return "\"content\":\"\",\"tool_calls\":[{\"id\":\"call_1\",\"function\":{\"name\":\""
        + name
        + "\",\"arguments\":"
        + arguments
        + "}}]";
  }

  private static String json(String answer) {
    return "\"content\":\"" + answer.replace("\"", "\\\"") + "\"";
  }

  @Test
  void anAnswerHasItsTextTokensReasonAndEndpoint() {
    ChatResponse answer = model().chat(UserMessage.from("draft a reminder"));

    assertThat(answer.aiMessage()).isEqualTo(AiMessage.from("PRIMARY"));
    assertThat(answer.modelName()).isEqualTo("served");
    assertThat(answer.tokenUsage()).isEqualTo(new TokenUsage(24, 1));
    assertThat(answer.finishReason()).isEqualTo(FinishReason.STOP);
    assertThat(answer.metadata())
        .isInstanceOfSatisfying(
            OffmeterChatResponseMetadata.class,
            metadata -> {
              assertThat(metadata.response().endpoint()).isEqualTo("primary");
              assertThat(metadata.toBuilder().id("x").build().response())
                  .isSameAs(metadata.response());
            });
  }

  @Test
  void tokensThatWereNotReportedAreUnknown() {
    nodes
        .primary()
        .respondWith(
            OllamaReplies.closing(
                "{\"model\":\"served\",\"message\":{\"content\":\"x\"},\"done\":true,"
                    + "\"done_reason\":\"length\"}\n"));

    ChatResponse answer = model().chat(UserMessage.from("draft a reminder"));

    assertThat(answer.tokenUsage()).isNull();
    assertThat(answer.finishReason()).isEqualTo(FinishReason.LENGTH);
  }

  @Test
  void thinkingIsApartFromTheText() {
    nodes.primary().respondWith(saying("\"thinking\":\"hm\",\"content\":\"x\""));
    ChatModel model =
        OffmeterChatModel.builder(nodes.client())
            .customizer(request -> request.thinking(true))
            .build();

    AiMessage answer = model.chat(UserMessage.from("draft a reminder")).aiMessage();

    assertThat(answer.thinking()).isEqualTo("hm");
    assertThat(answer.text()).isEqualTo("x");
  }

  @Test
  void aConversationIsSentWithEveryRoleAndToolCall() throws Exception {
    ToolExecutionRequest call =
        ToolExecutionRequest.builder()
            .id("call_1")
            .name("weather")
            .arguments("{\"city\":\"Oslo\"}")
            .build();

    model()
        .chat(
            SystemMessage.from("Be brief."),
            UserMessage.from("How warm is it?"),
            AiMessage.builder().thinking("hm").toolExecutionRequests(List.of(call)).build(),
            ToolExecutionResultMessage.from(call, "11 C"));

    assertThat(sent().path("messages"))
        .hasToString(
            "[{\"role\":\"system\",\"content\":\"Be brief.\"},"
                + "{\"role\":\"user\",\"content\":\"How warm is it?\"},"
                + "{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{\"id\":\"call_1\","
                + "\"function\":{\"name\":\"weather\",\"arguments\":{\"city\":\"Oslo\"}}}]},"
                + "{\"role\":\"tool\",\"content\":\"11 C\",\"tool_name\":\"weather\","
                + "\"tool_call_id\":\"call_1\"}]");
  }

  @Test
  void aCallWithoutArgumentsAndIdIsSentToo() throws Exception {
    ToolExecutionRequest call = ToolExecutionRequest.builder().name("now").arguments("").build();

    model()
        .chat(
            UserMessage.from("What time is it?"),
            AiMessage.from(call),
            ToolExecutionResultMessage.from(call, ""));

    assertThat(sent().at("/messages/1/tool_calls/0/function/arguments")).hasToString("{}");
    assertThat(sent().at("/messages/2/tool_name").asText()).isEqualTo("now");
  }

  @Test
  void severalTextsAreLinesAndImagesFollow() throws Exception {
    String data = Base64.getEncoder().encodeToString(PNG);

    model()
        .chat(
            UserMessage.from(
                TextContent.from("Look."),
                ImageContent.from(data, "image/png"),
                TextContent.from("What is it?")));

    assertThat(sent().at("/messages/0/content").asText()).isEqualTo("Look.\nWhat is it?");
    assertThat(sent().at("/messages/0/images/0").asText()).isEqualTo(data);
  }

  @ParameterizedTest
  @ValueSource(strings = {"image/jpg", "image/JPEG"})
  void aJpegMayBeCalledAsOthersCallIt(String type) throws Exception {
    byte[] jpeg = {(byte) 0xff, (byte) 0xd8, (byte) 0xff, (byte) 0xe0};
    String data = Base64.getEncoder().encodeToString(jpeg);

    model().chat(UserMessage.from(TextContent.from("Look."), ImageContent.from(data, type)));

    assertThat(sent().at("/messages/0/images/0").asText()).isEqualTo(data);
  }

  static Stream<ChatMessage> unsupported() {
    return Stream.of(
        UserMessage.from(TextContent.from("x"), AudioContent.from("http://host/a.wav")),
        UserMessage.from(TextContent.from("x"), ImageContent.from("http://host/a.png")),
        CustomMessage.from(Map.of("a", 1)));
  }

  @ParameterizedTest
  @MethodSource("unsupported")
  void otherThanTextAndImagesIsRefusedAndNobodyIsAsked(ChatMessage message) {
    ChatModel model = model();

    assertThatThrownBy(() -> model.chat(message)).isInstanceOf(UnsupportedFeatureException.class);
    assertThat(nodes.primary().requests()).isEmpty();
  }

  static Stream<List<ChatMessage>> invalid() {
    return Stream.of(
        List.of(UserMessage.from("x"), AiMessage.from("y")),
        List.of(UserMessage.from(ImageContent.from("AAAA", "image/png"))),
        List.of(UserMessage.from(TextContent.from("x"), ImageContent.from("AAAA", "image/png"))));
  }

  @ParameterizedTest
  @MethodSource("invalid")
  void aConversationThatAClientDoesNotTakeIsAnInvalidRequest(List<ChatMessage> messages) {
    ChatModel model = model();

    assertThatThrownBy(() -> model.chat(messages))
        .isInstanceOf(InvalidRequestException.class)
        .cause()
        .isInstanceOfAny(IllegalArgumentException.class, IllegalStateException.class);
    assertThat(nodes.primary().requests()).isEmpty();
  }

  @Test
  void parametersAreSent() throws Exception {
    model()
        .chat(
            request(
                with(
                    p ->
                        p.maxOutputTokens(77)
                            .temperature(0.25)
                            .topP(0.5)
                            .stopSequences("END", "STOP"))));

    JsonNode options = sent().path("options");
    assertThat(options.path("num_predict").asInt()).isEqualTo(77);
    assertThat(options.path("temperature").asDouble()).isEqualTo(0.25);
    assertThat(options.path("top_p").asDouble()).isEqualTo(0.5);
    assertThat(options.path("stop")).hasToString("[\"END\",\"STOP\"]");
  }

  @Test
  void aRequestsOwnParametersComeBeforeTheDefaultOnes() throws Exception {
    ChatModel model =
        OffmeterChatModel.builder(nodes.client())
            .defaultRequestParameters(with(p -> p.maxOutputTokens(77).temperature(0.25)))
            .build();

    model.chat(request(with(p -> p.temperature(0.75))));

    assertThat(sent().at("/options/num_predict").asInt()).isEqualTo(77);
    assertThat(sent().at("/options/temperature").asDouble()).isEqualTo(0.75);
  }

  @Test
  void aModelChoosesAmongTheEndpoints() {
    ChatResponse answer = model().chat(request(with(p -> p.modelName("fallback-model"))));

    assertThat(answer.aiMessage().text()).isEqualTo("FALLBACK");
    assertThat(nodes.primary().requests()).isEmpty();
  }

  @Test
  void aModelOfNoEndpointIsAnInvalidRequest() {
    ChatModel model = model();

    assertThatThrownBy(() -> model.chat(request(with(p -> p.modelName("gpt-9")))))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("primary-model")
        .hasMessageContaining("gpt-9");
  }

  static Stream<ChatRequestParameters> unsupportedParameters() {
    return Stream.of(
        with(p -> p.topK(5)),
        with(p -> p.frequencyPenalty(0.5)),
        with(p -> p.presencePenalty(0.5)),
        with(
            p ->
                p.toolSpecifications(ToolSpecification.builder().name("now").build())
                    .toolChoice(ToolChoice.REQUIRED)));
  }

  @ParameterizedTest
  @MethodSource("unsupportedParameters")
  void whatNotEveryServerHasIsRefused(ChatRequestParameters parameters) {
    OffmeterChatModel.Builder builder = OffmeterChatModel.builder(nodes.client());
    ChatModel model = builder.build();

    assertThatThrownBy(() -> model.chat(request(parameters)))
        .isInstanceOf(UnsupportedFeatureException.class);
    assertThatThrownBy(() -> builder.defaultRequestParameters(parameters))
        .isInstanceOf(UnsupportedFeatureException.class);
    assertThat(nodes.primary().requests()).isEmpty();
  }

  @Test
  void toolsAreSentWithTheirSchemasUnlessNoneIsToBeCalled() throws Exception {
    ToolSpecification weather =
        ToolSpecification.builder()
            .name("weather")
            .description("of a city")
            .parameters(
                JsonObjectSchema.builder().addStringProperty("city").required("city").build())
            .build();
    ToolSpecification now = ToolSpecification.builder().name("now").build();

    model().chat(request(with(p -> p.toolSpecifications(weather, now))));
    assertThat(sent().at("/tools/0/function"))
        .hasToString(
            "{\"name\":\"weather\",\"description\":\"of a city\",\"parameters\":{\"type\":"
                + "\"object\",\"properties\":{\"city\":{\"type\":\"string\"}},"
                + "\"required\":[\"city\"]}}");
    assertThat(sent().at("/tools/1/function/parameters"))
        .hasToString("{\"type\":\"object\",\"properties\":{}}");

    model()
        .chat(request(with(p -> p.toolSpecifications(weather, now).toolChoice(ToolChoice.NONE))));
    assertThat(sent().has("tools")).isFalse();
  }

  @Test
  void jsonWithoutASchemaIsAnyObject() throws Exception {
    nodes.primary().respondWith(saying(json("{\"a\":1}"), json("[1]")));
    ChatRequest json = request(with(p -> p.responseFormat(ResponseFormat.JSON)));
    nodes.fallback().respondWith(saying(json("{\"b\":2}")));
    ChatModel model = model();

    assertThat(model.chat(json).aiMessage().text()).isEqualTo("{\"a\":1}");
    assertThat(sent().path("format")).hasToString("{\"type\":\"object\"}");
    assertThat(model.chat(json).aiMessage().text()).isEqualTo("{\"b\":2}");
  }

  @Test
  void aCallHasTheTagOfTheAdapterUnlessItHasAnother() {
    List<String> tags = new CopyOnWriteArrayList<>();
    LlmListener tagged =
        new LlmListener() {
          @Override
          public void onCallStarted(long call, Map<String, String> given) {
            tags.add(given.get(LlmListener.ADAPTER_TAG));
          }
        };
    LlmClient client = loopback.client(nodes.builder().listener(tagged));

    new OffmeterChatModel(client).chat("x");
    OffmeterChatModel.builder(client)
        .customizer(request -> request.tag(LlmListener.ADAPTER_TAG, "own"))
        .build()
        .chat("x");

    assertThat(tags).containsExactly("langchain4j", "own");
  }

  @Test
  void listenersHearOfEachCallOnce() {
    Recorder recorder = new Recorder();
    ChatModel model =
        OffmeterChatModel.builder(nodes.client()).listeners(List.of(recorder)).build();

    model.chat("x");
    assertThat(recorder.heard).containsExactly("request", "response from OTHER");

    recorder.heard.clear();
    nodes.primary().respondWith(OllamaReplies.status(500, "text/plain", "x"));
    nodes.fallback().respondWith(OllamaReplies.status(500, "text/plain", "x"));
    assertThatThrownBy(() -> model.chat("x")).isInstanceOf(InternalServerException.class);
    assertThat(recorder.heard).containsExactly("request", "InternalServerException");
  }

  /** Writes down what a listener of LangChain4j is told. */
  static final class Recorder implements ChatModelListener {
    final List<String> heard = new CopyOnWriteArrayList<>();

    @Override
    public void onRequest(ChatModelRequestContext context) {
      heard.add("request");
    }

    @Override
    public void onResponse(ChatModelResponseContext context) {
      heard.add("response from " + context.modelProvider());
    }

    @Override
    public void onError(ChatModelErrorContext context) {
      heard.add(context.error().getClass().getSimpleName());
    }
  }

  @Test
  void theProviderIsNoneOfThoseKnown() {
    assertThat(model().provider()).isEqualTo(ModelProvider.OTHER);
  }

  @Test
  void anAnswerComesLaterToo() throws Exception {
    OffmeterChatModel model = new OffmeterChatModel(nodes.client());

    assertThat(model.doChatAsync(request(ChatRequestParameters.builder().build())).get())
        .extracting(answer -> answer.aiMessage().text())
        .isEqualTo("PRIMARY");
  }

  @Test
  void aCancelledFutureClosesTheConnection() throws Exception {
    nodes.primary().respondWith(OllamaReplies.hanging());
    OffmeterChatModel model = new OffmeterChatModel(nodes.client());
    CompletableFuture<ChatResponse> future =
        model.doChatAsync(request(ChatRequestParameters.builder().build()));
    nodes.primary().awaitFirstRequest();

    assertThat(future.cancel(true)).isTrue();

    awaitSoon(() -> nodes.primary().activeCalls() == 0);
    assertThat(nodes.fallback().requests()).isEmpty();
  }

  @Test
  void aFutureFailsWithTheExceptionsOfACall() {
    nodes.primary().respondWith(OllamaReplies.status(500, "text/plain", "x"));
    nodes.fallback().respondWith(OllamaReplies.status(500, "text/plain", "x"));
    OffmeterChatModel model = new OffmeterChatModel(nodes.client());

    assertThatThrownBy(
            () -> model.doChatAsync(request(ChatRequestParameters.builder().build())).get())
        .isInstanceOf(ExecutionException.class)
        .hasCauseInstanceOf(InternalServerException.class);
    assertThatThrownBy(() -> model.doChatAsync(request(with(p -> p.topK(1)))).get())
        .hasCauseInstanceOf(UnsupportedFeatureException.class);
    assertThatThrownBy(() -> model.doChatAsync(request(with(p -> p.modelName("m")))).get())
        .hasCauseInstanceOf(InvalidRequestException.class);
  }

  record Reminder(String subject, int days) {}

  interface Reminders {
    Reminder draft(String invoice);

    Result<String> answer(String question);
  }

  static final class Clock {
    final List<String> asked = new ArrayList<>();

    @Tool("the time in a city")
    String time(@P("the city") String city) {
      asked.add(city);
      return "12:30";
    }
  }

  @Test
  void anAiServiceReturnsARecord() throws Exception {
    nodes.primary().respondWith(saying(json("{\"subject\":\"Invoice 1042\",\"days\":14}")));

    Reminders reminders = AiServices.create(Reminders.class, model());

    assertThat(reminders.draft("1042")).isEqualTo(new Reminder("Invoice 1042", 14));
    assertThat(sent().at("/format/required")).hasToString("[\"subject\",\"days\"]");
    assertThat(sent().at("/format/additionalProperties").booleanValue()).isFalse();
  }

  @Test
  void anAiServiceGetsARecordFromTheNextNodeIfTheFirstAnswersOtherwise() {
    nodes.primary().respondWith(saying(json("Gladly!")));
    nodes.fallback().respondWith(saying(json("{\"subject\":\"Invoice 1042\",\"days\":14}")));

    assertThat(AiServices.create(Reminders.class, model()).draft("1042").days()).isEqualTo(14);
  }

  @Test
  void anAiServiceCallsATool() throws Exception {
    nodes
        .primary()
        .respondWith(
            saying(calling("time", "{\"arg0\":\"Oslo\",\"city\":\"Oslo\"}"), json("Noon")));
    Clock clock = new Clock();
    Reminders reminders =
        AiServices.builder(Reminders.class).chatModel(model()).tools(clock).build();

    Result<String> result = reminders.answer("What time is it in Oslo?");

    assertThat(result.content()).isEqualTo("Noon");
    assertThat(clock.asked).containsExactly("Oslo");
    assertThat(result.tokenUsage().inputTokenCount()).as("of both calls").isEqualTo(48);
    assertThat(sent().at("/messages/2/content").asText()).isEqualTo("12:30");
  }

  @Test
  void anAiServiceAnswersAlthoughTheFirstNodeDiesInMidAnswer() {
    nodes
        .primary()
        .respondWith(
            (connection, request) -> {
              connection.send(OllamaReplies.STREAM_HEAD + OllamaReplies.tokens("Dear", " Ms"));
              connection.reset();
            });

    Result<String> result = AiServices.create(Reminders.class, model()).answer("1042");

    assertThat(result.content()).isEqualTo("FALLBACK");
    assertThat(result.finalResponse().metadata())
        .isInstanceOfSatisfying(
            OffmeterChatResponseMetadata.class,
            metadata ->
                assertThat(metadata.response().attempts().get(0).failure())
                    .contains(FailureKind.TRUNCATED));
  }

  @Test
  void aRequestCanBeGivenWhatLangChain4jHasNoWordFor() {
    nodes.primary().respondWith(OllamaReplies.hanging());
    nodes.fallback().respondWith(OllamaReplies.hanging());
    ChatModel model =
        OffmeterChatModel.builder(nodes.client())
            .customizer(request -> request.deadline(Duration.ofMillis(200)))
            .build();

    assertThatThrownBy(() -> model.chat("x"))
        .isInstanceOf(dev.langchain4j.exception.TimeoutException.class);
  }
}
