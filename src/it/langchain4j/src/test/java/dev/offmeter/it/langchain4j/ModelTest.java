// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.it.langchain4j;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.langchain4j.agent.tool.ToolSpecification;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.exception.AuthenticationException;
import dev.langchain4j.exception.UnsupportedFeatureException;
import dev.langchain4j.model.chat.ChatModel;
import dev.langchain4j.model.chat.StreamingChatModel;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.langchain4j.model.chat.listener.ChatModelRequestContext;
import dev.langchain4j.model.chat.listener.ChatModelResponseContext;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ResponseFormat;
import dev.langchain4j.model.chat.request.ResponseFormatType;
import dev.langchain4j.model.chat.request.json.JsonObjectSchema;
import dev.langchain4j.model.chat.request.json.JsonSchema;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.PartialResponse;
import dev.langchain4j.model.chat.response.PartialResponseContext;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import dev.langchain4j.model.chat.response.StreamingHandle;
import dev.langchain4j.model.output.FinishReason;
import dev.offmeter.AllEndpointsFailedException;
import dev.offmeter.ChatResponse.ToolCall;
import dev.offmeter.LlmClient;
import dev.offmeter.integration.langchain4j.OffmeterChatModel;
import dev.offmeter.integration.langchain4j.OffmeterStreamingChatModel;
import dev.offmeter.testkit.FakeLlm;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The models with no more than LangChain4j's core. */
@Timeout(30)
class ModelTest {
  @RegisterExtension final FakeLlm first = FakeLlm.ollama();
  @RegisterExtension final FakeLlm second = FakeLlm.ollama();

  private final LlmClient client =
      LlmClient.builder()
          .endpoint(first.endpoint("first").build())
          .endpoint(second.endpoint("second").build())
          .build();

  private final List<String> heard = new CopyOnWriteArrayList<>();
  private final ChatModel model =
      OffmeterChatModel.builder(client).listeners(List.of(new Listener())).build();
  private final StreamingChatModel streaming =
      OffmeterStreamingChatModel.builder(client).listeners(List.of(new Listener())).build();

  @AfterEach
  void close() {
    client.close();
  }

  private final class Listener implements ChatModelListener {
    @Override
    public void onRequest(ChatModelRequestContext context) {
      heard.add("request");
    }

    @Override
    public void onResponse(ChatModelResponseContext context) {
      heard.add("response");
    }
  }

  @Test
  void answersAlthoughTheFirstNodeDiesInMidAnswer() {
    first.streams("Dear", " Ms Kern").cutsAfter(1);
    second.answers("Dear Ms Kern,");

    assertThat(model.chat("1042")).isEqualTo("Dear Ms Kern,");
    assertThat(heard).containsExactly("request", "response");
  }

  @Test
  void offersToolsAndASchema() {
    JsonObjectSchema city = JsonObjectSchema.builder().addStringProperty("city").build();
    JsonSchema answer = JsonSchema.builder().name("Answer").rootElement(city).build();
    first.callsTools(new ToolCall("call_1", "time", "{\"city\":\"Oslo\"}"));

    ChatResponse response =
        model.chat(
            ChatRequest.builder()
                .messages(UserMessage.from("What time is it in Oslo?"))
                .toolSpecifications(
                    ToolSpecification.builder().name("time").parameters(city).build())
                .responseFormat(
                    ResponseFormat.builder()
                        .type(ResponseFormatType.JSON)
                        .jsonSchema(answer)
                        .build())
                .build());

    assertThat(response.finishReason()).isEqualTo(FinishReason.TOOL_EXECUTION);
    assertThat(response.aiMessage().toolExecutionRequests())
        .singleElement()
        .satisfies(call -> assertThat(call.arguments()).isEqualTo("{\"city\":\"Oslo\"}"));
    assertThat(first.requests().get(0).body())
        .contains("\"name\":\"time\"")
        .contains("\"additionalProperties\":false");
  }

  @Test
  void throwsItsExceptions() {
    first.status(401);
    second.status(401);

    assertThatThrownBy(() -> model.chat("x"))
        .isInstanceOf(AuthenticationException.class)
        .hasCauseInstanceOf(AllEndpointsFailedException.class);
    assertThatThrownBy(
            () -> model.chat(ChatRequest.builder().messages(UserMessage.from("x")).topK(1).build()))
        .isInstanceOf(UnsupportedFeatureException.class);
  }

  @Test
  void streamsInPieces() throws Exception {
    first.streams("Dear", " Ms Kern");
    CompletableFuture<StreamingHandle> unused = new CompletableFuture<>();
    Pieces pieces = new Pieces(unused);

    streaming.chat("1042", pieces);

    assertThat(pieces.complete.get().aiMessage().text()).isEqualTo("Dear Ms Kern");
    assertThat(pieces.texts).containsExactly("Dear", " Ms Kern");
    assertThat(heard).containsExactly("request", "response");
  }

  @Test
  void aCancelledStreamClosesTheConnectionWithinASecond() throws Exception {
    first.streams("Dear", " Ms Kern").stallsAfter(1);
    CompletableFuture<StreamingHandle> handle = new CompletableFuture<>();

    streaming.chat("1042", new Pieces(handle));
    StreamingHandle given = handle.get();
    long cancelled = System.nanoTime();
    given.cancel();
    first.awaitRequest(1).awaitClosed();

    assertThat(System.nanoTime() - cancelled).as("ns").isLessThan(1_000_000_000L);
    assertThat(second.requests()).isEmpty();
  }

  private static final class Pieces implements StreamingChatResponseHandler {
    private final CompletableFuture<StreamingHandle> handle;
    private final List<String> texts = new CopyOnWriteArrayList<>();
    private final CompletableFuture<ChatResponse> complete = new CompletableFuture<>();

    Pieces(CompletableFuture<StreamingHandle> handle) {
      this.handle = handle;
    }

    @Override
    public void onPartialResponse(PartialResponse partial, PartialResponseContext context) {
      texts.add(partial.text());
      handle.complete(context.streamingHandle());
    }

    @Override
    public void onCompleteResponse(ChatResponse response) {
      complete.complete(response);
    }

    @Override
    public void onError(Throwable error) {
      complete.completeExceptionally(error);
    }
  }
}
