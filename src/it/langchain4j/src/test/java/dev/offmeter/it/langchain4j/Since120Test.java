// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.it.langchain4j;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.langchain4j.agent.tool.ToolSpecification;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.exception.InternalServerException;
import dev.langchain4j.exception.UnsupportedFeatureException;
import dev.langchain4j.model.chat.StreamingChatModel;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.langchain4j.model.chat.listener.ChatModelRequestContext;
import dev.langchain4j.model.chat.listener.ChatModelResponseContext;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.response.ChatModelStreamingEvent;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.CompleteResponse;
import dev.langchain4j.model.chat.response.CompleteToolCall;
import dev.langchain4j.model.chat.response.PartialResponse;
import dev.offmeter.ChatResponse.ToolCall;
import dev.offmeter.LlmClient;
import dev.offmeter.integration.langchain4j.OffmeterChatModel;
import dev.offmeter.integration.langchain4j.OffmeterStreamingChatModel;
import dev.offmeter.testkit.FakeLlm;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Flow;
import java.util.concurrent.LinkedBlockingQueue;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The asynchronous methods that came with LangChain4j 1.20. */
@Timeout(30)
class Since120Test {
  @RegisterExtension final FakeLlm node = FakeLlm.ollama();

  private final LlmClient client =
      LlmClient.builder().endpoint(node.endpoint("node").build()).build();
  private final List<String> heard = new CopyOnWriteArrayList<>();
  private final OffmeterChatModel model =
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

  private static ChatRequest request() {
    return ChatRequest.builder()
        .messages(UserMessage.from("1042"))
        .toolSpecifications(ToolSpecification.builder().name("time").build())
        .build();
  }

  @Test
  void answersLater() throws Exception {
    node.answers("Dear Ms Kern,");

    assertThat(model.chatAsync(request()).get().aiMessage().text()).isEqualTo("Dear Ms Kern,");
    assertThat(heard).containsExactly("request", "response");
  }

  @Test
  void aCancelledFutureClosesTheConnection() throws Exception {
    node.hangs();

    CompletableFuture<ChatResponse> future = model.chatAsync(request());
    node.awaitRequest(1);
    future.cancel(true);

    node.awaitRequest(1).awaitClosed();
  }

  @Test
  void aFutureFailsWithTheirExceptions() {
    node.status(500);

    assertThatThrownBy(() -> model.chatAsync(request()).get())
        .hasCauseInstanceOf(InternalServerException.class);
  }

  @Test
  void publishesAsMuchAsIsDemanded() throws Exception {
    node.streams("Dear", " Ms Kern");
    Events events = new Events(streaming.chat(request()));

    assertThat(events.next()).isEqualTo(new PartialResponse("Dear"));
    assertThat(events.next()).isEqualTo(new PartialResponse(" Ms Kern"));
    assertThat(events.next())
        .isInstanceOfSatisfying(
            CompleteResponse.class,
            last -> assertThat(last.chatResponse().aiMessage().text()).isEqualTo("Dear Ms Kern"));
    assertThat(events.signals.take()).isEqualTo("complete");
    assertThat(events.signals).isEmpty();
    assertThat(heard).containsExactly("request", "response");
  }

  @Test
  void theToolCallsComeBeforeTheCompleteResponse() throws Exception {
    node.callsTools(
        new ToolCall("1", "time", "{\"city\":\"Oslo\"}"), new ToolCall("2", "time", "{}"));
    Events events = new Events(streaming.chat(request()));

    assertThat(events.next()).isInstanceOf(CompleteToolCall.class);
    assertThat(events.signals).as("not demanded yet").isEmpty();
    assertThat(events.next()).isInstanceOf(CompleteToolCall.class);
    assertThat(events.next()).isInstanceOf(CompleteResponse.class);
    assertThat(events.signals.take()).isEqualTo("complete");
  }

  @Test
  void aCancelledSubscriptionClosesTheConnection() throws Exception {
    node.streams("Dear", " Ms Kern").stallsAfter(1);
    Events events = new Events(streaming.chat(request()));
    events.next();

    events.subscription.cancel();

    node.awaitRequest(1).awaitClosed();
    assertThat(events.signals).isEmpty();
  }

  @Test
  void aFailureIsTheLastSignal() throws Exception {
    node.status(500);
    Events events = new Events(streaming.chat(request()));

    assertThat(events.next()).isInstanceOf(InternalServerException.class);
    assertThat(events.signals).isEmpty();
  }

  @Test
  void aRefusedRequestIsAFailureToo() throws Exception {
    Events events = new Events(streaming.chat(request().toBuilder().topK(1).build()));

    assertThat(events.signals.take()).isInstanceOf(UnsupportedFeatureException.class);
  }

  /** Takes one event at a time. */
  private static final class Events implements Flow.Subscriber<ChatModelStreamingEvent> {
    private final BlockingQueue<Object> signals = new LinkedBlockingQueue<>();
    private Flow.Subscription subscription;

    Events(Flow.Publisher<ChatModelStreamingEvent> publisher) {
      publisher.subscribe(this);
    }

    Object next() throws InterruptedException {
      subscription.request(1);
      return signals.take();
    }

    @Override
    public void onSubscribe(Flow.Subscription given) {
      subscription = given;
    }

    @Override
    public void onNext(ChatModelStreamingEvent event) {
      signals.add(event);
    }

    @Override
    public void onError(Throwable error) {
      signals.add(error);
    }

    @Override
    public void onComplete() {
      signals.add("complete");
    }
  }
}
