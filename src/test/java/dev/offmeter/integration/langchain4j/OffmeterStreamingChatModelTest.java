// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.langchain4j;

import static dev.offmeter.testing.Loopback.awaitSoon;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ch.qos.logback.classic.Level;
import dev.langchain4j.agent.tool.ToolExecutionRequest;
import dev.langchain4j.agent.tool.ToolSpecification;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.exception.InternalServerException;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.exception.UnsupportedFeatureException;
import dev.langchain4j.model.chat.StreamingChatModel;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.CompleteToolCall;
import dev.langchain4j.model.chat.response.PartialResponse;
import dev.langchain4j.model.chat.response.PartialResponseContext;
import dev.langchain4j.model.chat.response.PartialThinking;
import dev.langchain4j.model.chat.response.PartialThinkingContext;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import dev.langchain4j.model.chat.response.StreamingHandle;
import dev.langchain4j.service.AiServices;
import dev.langchain4j.service.TokenStream;
import dev.offmeter.ChatResponse.ToolCall;
import dev.offmeter.LlmClient;
import dev.offmeter.LlmException;
import dev.offmeter.StreamRecovery;
import dev.offmeter.testing.LoggedEvents;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testkit.FakeLlm;
import dev.offmeter.testkit.ManualClock;
import java.net.URL;
import java.net.URLClassLoader;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.slf4j.MDC;

/** Answers that LangChain4j's handlers are given while they arrive. */
@Timeout(20)
class OffmeterStreamingChatModelTest {
  @RegisterExtension final Loopback loopback = new Loopback();
  @RegisterExtension final LoggedEvents log = new LoggedEvents(Level.WARN);

  private final FakeLlm primary = loopback.fake(FakeLlm.ollama().answers("PRIMARY"));
  private final FakeLlm fallback = loopback.fake(FakeLlm.ollama().answers("FALLBACK"));
  private final Recorder handler = new Recorder();

  private LlmClient client() {
    return loopback.client(
        LlmClient.builder()
            .endpoint(primary.endpoint("primary").build())
            .endpoint(fallback.endpoint("fallback").build()));
  }

  private StreamingChatModel model() {
    return new OffmeterStreamingChatModel(client());
  }

  /** Writes down what it is told. */
  private static class Recorder implements StreamingChatResponseHandler {
    final List<String> heard = new CopyOnWriteArrayList<>();
    final CountDownLatch ended = new CountDownLatch(1);
    final AtomicReference<Throwable> error = new AtomicReference<>();
    final AtomicReference<ChatResponse> response = new AtomicReference<>();
    final AtomicReference<StreamingHandle> handle = new AtomicReference<>();

    @Override
    public void onPartialResponse(PartialResponse partial, PartialResponseContext context) {
      handle.set(context.streamingHandle());
      heard.add(partial.text());
    }

    @Override
    public void onPartialThinking(PartialThinking partial, PartialThinkingContext context) {
      handle.set(context.streamingHandle());
      heard.add("(" + partial.text() + ")");
    }

    @Override
    public void onCompleteToolCall(CompleteToolCall call) {
      heard.add(call.index() + " " + call.toolExecutionRequest().name());
    }

    @Override
    public void onCompleteResponse(ChatResponse complete) {
      response.set(complete);
      heard.add("complete");
      ended.countDown();
    }

    @Override
    public void onError(Throwable thrown) {
      error.set(thrown);
      heard.add(thrown.getClass().getSimpleName());
      ended.countDown();
    }

    List<String> heardToTheEnd() throws InterruptedException {
      ended.await();
      return heard;
    }
  }

  @Test
  void anAnswerComesInPiecesAndEndsComplete() throws Exception {
    primary.streams("Dear", " Ms Kern");

    model().chat("draft a reminder", handler);

    assertThat(handler.heardToTheEnd()).containsExactly("Dear", " Ms Kern", "complete");
    assertThat(handler.response.get().aiMessage().text()).isEqualTo("Dear Ms Kern");
    assertThat(handler.response.get().tokenUsage().outputTokenCount()).isEqualTo(2);
    assertThat(handler.response.get().metadata()).isInstanceOf(OffmeterChatResponseMetadata.class);
  }

  @Test
  void aHandlerOfTextAloneIsToldToo() throws Exception {
    CompletableFuture<String> text = new CompletableFuture<>();
    StringBuilder pieces = new StringBuilder();

    model()
        .chat(
            "draft a reminder",
            new StreamingChatResponseHandler() {
              @Override
              public void onPartialResponse(String partial) {
                pieces.append(partial);
              }

              @Override
              public void onCompleteResponse(ChatResponse complete) {
                text.complete(pieces.toString());
              }

              @Override
              public void onError(Throwable thrown) {
                text.completeExceptionally(thrown);
              }
            });

    assertThat(text.get()).isEqualTo("PRIMARY");
  }

  @Test
  void thinkingAndToolCallsAreApart() throws Exception {
    primary.callsTools(new ToolCall("call_1", "time", "{\"city\":\"Oslo\"}")).thinks("hm");
    StreamingChatModel model =
        OffmeterStreamingChatModel.builder(client())
            .customizer(request -> request.thinking(true))
            .build();

    model.chat(
        ChatRequest.builder()
            .messages(UserMessage.from("What time is it?"))
            .toolSpecifications(ToolSpecification.builder().name("time").build())
            .build(),
        handler);

    assertThat(handler.heardToTheEnd()).containsExactly("(hm)", "0 time", "complete");
    assertThat(handler.response.get().aiMessage().toolExecutionRequests())
        .singleElement()
        .isEqualTo(
            ToolExecutionRequest.builder()
                .id("call_1")
                .name("time")
                .arguments("{\"city\":\"Oslo\"}")
                .build());
  }

  @Test
  void theCallerDoesNotWaitAndTheHandlerHasTheirContext() throws Exception {
    ManualClock untilItReturned = new ManualClock();
    primary.time(untilItReturned).loadsFor(Duration.ofSeconds(1));
    AtomicReference<ClassLoader> loader = new AtomicReference<>();
    AtomicReference<String> invoice = new AtomicReference<>();
    Recorder recorder =
        new Recorder() {
          @Override
          public void onPartialResponse(PartialResponse partial, PartialResponseContext context) {
            loader.set(Thread.currentThread().getContextClassLoader());
            invoice.set(MDC.get("invoice"));
          }
        };
    ClassLoader own = Thread.currentThread().getContextClassLoader();
    ClassLoader callers = new URLClassLoader(new URL[0], own);
    Thread.currentThread().setContextClassLoader(callers);
    MDC.put("invoice", "1042");
    try {
      model().chat("draft a reminder", recorder);
    } finally {
      MDC.clear();
      Thread.currentThread().setContextClassLoader(own);
    }
    untilItReturned.advance(Duration.ofSeconds(1));

    assertThat(recorder.heardToTheEnd()).containsExactly("complete");
    assertThat(loader.get()).isSameAs(callers);
    assertThat(invoice.get()).isEqualTo("1042");
  }

  @Test
  void aCancelledStreamClosesTheConnectionAndIsSilent() throws Exception {
    primary.streams("Dear", " Ms").stallsAfter(2);
    model().chat("draft a reminder", handler);
    awaitSoon(() -> handler.heard.size() == 2);

    long cancelled = System.nanoTime();
    handler.handle.get().cancel();
    primary.awaitRequest(1).awaitClosed();

    assertThat(System.nanoTime() - cancelled).as("ns").isLessThan(1_000_000_000L);
    assertThat(handler.handle.get().isCancelled()).isTrue();
    assertThat(handler.heard).containsExactly("Dear", " Ms");
    assertThat(fallback.requests()).isEmpty();
  }

  @Test
  void aHandlerMayCancelFromWithinACallback() throws Exception {
    primary.streams("Dear", " Ms", " Kern");
    Recorder cancelling =
        new Recorder() {
          @Override
          public void onPartialResponse(PartialResponse partial, PartialResponseContext context) {
            super.onPartialResponse(partial, context);
            context.streamingHandle().cancel();
            ended.countDown();
          }
        };

    model().chat("draft a reminder", cancelling);

    cancelling.heardToTheEnd();
    primary.awaitRequest(1).awaitClosed();
    assertThat(cancelling.heard).containsExactly("Dear");
  }

  @Test
  void aFailureBeforeTheFirstPieceIsNotSeen() throws Exception {
    primary.status(500);

    model().chat("draft a reminder", handler);

    assertThat(handler.heardToTheEnd()).containsExactly("FALLBACK", "complete");
  }

  @Test
  void anAnswerThatBreaksOffIsAnErrorWithWhatWasShown() throws Exception {
    primary.streams("Dear", " Ms").cutsAfter(2);

    model().chat("draft a reminder", handler);

    assertThat(handler.heardToTheEnd()).containsExactly("Dear", " Ms", "InternalServerException");
    assertThat(handler.error.get())
        .hasMessageContaining("broke off after 7 characters")
        .cause()
        .isInstanceOfSatisfying(
            LlmException.class, e -> assertThat(e.partialText()).isEqualTo("Dear Ms"));
    assertThat(fallback.requests()).isEmpty();
  }

  @Test
  void anAnswerThatIsHeldBackComesFromTheNextNode() throws Exception {
    primary.streams("Dear", " Ms").cutsAfter(2);
    StreamingChatModel model =
        OffmeterStreamingChatModel.builder(client()).onBrokenStream(StreamRecovery.HOLD).build();

    model.chat("draft a reminder", handler);

    assertThat(handler.heardToTheEnd()).containsExactly("FALLBACK", "complete");
  }

  @Test
  void aRestartIsRefused() throws Exception {
    OffmeterStreamingChatModel.Builder builder = OffmeterStreamingChatModel.builder(client());

    assertThatThrownBy(() -> builder.onBrokenStream(StreamRecovery.RESTART))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageEndingWith("was RESTART");
    builder
        .customizer(request -> request.onBrokenStream(StreamRecovery.RESTART))
        .build()
        .chat("x", handler);
    assertThat(handler.heardToTheEnd()).containsExactly("InvalidRequestException");
    assertThat(primary.requests()).isEmpty();
  }

  @Test
  void aRequestThatIsRefusedIsAnErrorBeforeTheCallReturns() {
    model().chat(ChatRequest.builder().messages(UserMessage.from("x")).topK(3).build(), handler);
    assertThat(handler.error.get()).isInstanceOf(UnsupportedFeatureException.class);

    model()
        .chat(
            ChatRequest.builder().messages(UserMessage.from("x")).modelName("m").build(), handler);
    assertThat(handler.error.get()).isInstanceOf(InvalidRequestException.class);
  }

  @Test
  void aHandlerThatThrowsEndsTheCallAndIsToldSoOnce() throws Exception {
    primary.streams("Dear", " Ms").stallsAfter(2);
    Recorder throwing =
        new Recorder() {
          @Override
          public void onPartialResponse(PartialResponse partial, PartialResponseContext context) {
            super.onPartialResponse(partial, context);
            throw new ArithmeticException("handler");
          }
        };

    model().chat("draft a reminder", throwing);

    assertThat(throwing.heardToTheEnd()).containsExactly("Dear", "ArithmeticException");
    primary.awaitRequest(1).awaitClosed();
    assertThat(throwing.heard).containsExactly("Dear", "ArithmeticException");
  }

  @Test
  void whatTheLastCallbackThrowsIsAnErrorAndWhatOnErrorThrowsIsLogged() throws Exception {
    Recorder throwing =
        new Recorder() {
          @Override
          public void onCompleteResponse(ChatResponse complete) {
            throw new ArithmeticException("secret");
          }

          @Override
          public void onError(Throwable thrown) {
            heard.add(thrown.getClass().getSimpleName());
            throw new IllegalStateException("secret");
          }
        };

    model().chat("draft a reminder", throwing);

    awaitSoon(() -> !log.messages().isEmpty());
    assertThat(throwing.heard).containsExactly("PRIMARY", "ArithmeticException");
    assertThat(log.messages())
        .singleElement()
        .asString()
        .contains("IllegalStateException")
        .doesNotContain("secret");
  }

  @Test
  void listenersHearOfEachCallOnce() throws Exception {
    OffmeterChatModelTest.Recorder listener = new OffmeterChatModelTest.Recorder();
    StreamingChatModel model =
        OffmeterStreamingChatModel.builder(client()).listeners(List.of(listener)).build();

    model.chat("x", handler);
    handler.heardToTheEnd();
    assertThat(listener.heard).containsExactly("request", "response from OTHER");

    listener.heard.clear();
    primary.streams("Dear", " Ms").cutsAfter(2);
    Recorder second = new Recorder();
    model.chat("x", second);
    second.heardToTheEnd();
    assertThat(listener.heard)
        .containsExactly("request", InternalServerException.class.getSimpleName());
  }

  @Test
  void aClientThatIsClosedIsAnError() throws Exception {
    primary.streams("Dear", " Ms").stallsAfter(2);
    LlmClient client = client();
    new OffmeterStreamingChatModel(client).chat("x", handler);
    awaitSoon(() -> handler.heard.size() == 2);

    client.close();

    assertThat(handler.heardToTheEnd()).containsExactly("Dear", " Ms", "NonRetriableException");
    Recorder second = new Recorder();
    new OffmeterStreamingChatModel(client).chat("x", second);
    assertThat(second.heardToTheEnd()).containsExactly("IllegalStateException");
  }

  @Test
  void aPublisherNeedsANewerLangChain4j() {
    OffmeterStreamingChatModel model = new OffmeterStreamingChatModel(client());
    ChatRequest request = ChatRequest.builder().messages(UserMessage.from("x")).build();

    assertThatThrownBy(() -> model.doChat(request))
        .isInstanceOf(UnsupportedFeatureException.class)
        .hasMessageEndingWith("1.20");
  }

  interface Reminders {
    TokenStream draft(String invoice);
  }

  @Test
  void anAiServiceStreams() throws Exception {
    primary.streams("Dear", " Ms Kern");
    CompletableFuture<ChatResponse> complete = new CompletableFuture<>();
    List<String> pieces = new CopyOnWriteArrayList<>();
    Reminders reminders = AiServices.builder(Reminders.class).streamingChatModel(model()).build();

    reminders
        .draft("1042")
        .onPartialResponse(pieces::add)
        .onCompleteResponse(complete::complete)
        .onError(complete::completeExceptionally)
        .start();

    assertThat(complete.get().aiMessage().text()).isEqualTo("Dear Ms Kern");
    assertThat(pieces).containsExactly("Dear", " Ms Kern");
  }
}
