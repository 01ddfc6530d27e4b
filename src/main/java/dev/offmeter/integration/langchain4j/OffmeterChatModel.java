// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.langchain4j;

import dev.langchain4j.model.chat.Capability;
import dev.langchain4j.model.chat.ChatModel;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.request.DefaultChatRequestParameters;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.offmeter.LlmClient;
import dev.offmeter.LlmException;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;

/**
 * Asks an {@link LlmClient} for LangChain4j, so that the failure of an endpoint is not seen by the
 * caller.
 *
 * <pre>{@code
 * ChatModel model = new OffmeterChatModel(client);
 * Reminders reminders = AiServices.create(Reminders.class, model);
 * }</pre>
 *
 * <p>A {@code modelName} restricts a request to the endpoints with this model, or to the one of
 * this name.
 *
 * <p>A request for something that a client cannot do is refused before anything is sent. {@code
 * topK}, {@code frequencyPenalty}, {@code presencePenalty}, {@code ToolChoice.REQUIRED}, and
 * messages of other than text and images are an {@link
 * dev.langchain4j.exception.UnsupportedFeatureException}; a value that the client does not take, a
 * model that none of its endpoints has among them, is an {@link
 * dev.langchain4j.exception.InvalidRequestException}. A call that fails throws the exception of
 * LangChain4j that its {@link dev.offmeter.FailureKind} comes closest to, with the {@link
 * LlmException} as its cause; {@code docs/langchain4j.md} has the table.
 *
 * <p>The metadata of an answer is an {@link OffmeterChatResponseMetadata}. Calls are made as {@link
 * LlmClient#chat(dev.offmeter.ChatRequest)} makes them, on the caller's thread, and are tagged with
 * {@link dev.offmeter.observe.LlmListener#ADAPTER_TAG}.
 *
 * <p>Safe for use by many threads if its listeners and its customizer are. Does not close the
 * client.
 */
// Were LangChain4j required transitively, no module could be compiled against this one without it.
@SuppressWarnings("exports")
public final class OffmeterChatModel implements ChatModel {
  private final LlmClient client;
  private final RequestTranslator requests;
  private final ChatRequestParameters parameters;
  private final List<ChatModelListener> listeners;

  /** Creates a model with the defaults of {@link Builder}. */
  public OffmeterChatModel(LlmClient client) {
    this(builder(client));
  }

  private OffmeterChatModel(Builder builder) {
    client = builder.client;
    requests = new RequestTranslator(builder.customizer);
    parameters = builder.parameters;
    listeners = builder.listeners;
  }

  /** Returns a builder of a model that asks {@code client}. */
  public static Builder builder(LlmClient client) {
    return new Builder(client);
  }

  /**
   * Asks, and waits for one complete answer. Called by {@code chat}, which adds {@link
   * #defaultRequestParameters()} and tells {@link #listeners()}.
   */
  @Override
  public ChatResponse doChat(ChatRequest request) {
    dev.offmeter.ChatRequest translated = requests.translate(request);
    try {
      return ResponseTranslator.translate(client.chat(translated));
    } catch (LlmException | IllegalArgumentException e) {
      throw ExceptionTranslator.translate(e);
    }
  }

  /**
   * Asks without waiting; see {@link LlmClient#chatAsync(dev.offmeter.ChatRequest)}. Called by
   * {@code chatAsync} of LangChain4j 1.20 and later. Cancelling the future, or completing it
   * otherwise, ends the call and closes its connection. A request that is refused is a future that
   * has failed.
   */
  public CompletableFuture<ChatResponse> doChatAsync(ChatRequest request) {
    CompletableFuture<ChatResponse> answer = new CompletableFuture<>();
    try {
      CompletableFuture<dev.offmeter.ChatResponse> call =
          client.chatAsync(requests.translate(request));
      CompletableFuture<?> unused =
          call.whenComplete((response, failure) -> complete(answer, response, failure));
      // Has no effect where the call itself has completed the future.
      CompletableFuture<?> ignored = answer.whenComplete((response, failure) -> call.cancel(true));
    } catch (RuntimeException e) {
      answer.completeExceptionally(ExceptionTranslator.translate(e));
    }
    return answer;
  }

  private static void complete(
      CompletableFuture<ChatResponse> answer,
      dev.offmeter.ChatResponse response,
      Throwable failure) {
    if (failure == null) {
      answer.complete(ResponseTranslator.translate(response));
    } else {
      answer.completeExceptionally(ExceptionTranslator.translate(failure));
    }
  }

  @Override
  public ChatRequestParameters defaultRequestParameters() {
    return parameters;
  }

  @Override
  public List<ChatModelListener> listeners() {
    return listeners;
  }

  /**
   * Returns {@code RESPONSE_FORMAT_JSON_SCHEMA}: a schema is sent to each server in its own form,
   * and an answer that does not match is a failed attempt.
   */
  @Override
  public Set<Capability> supportedCapabilities() {
    return Set.of(Capability.RESPONSE_FORMAT_JSON_SCHEMA);
  }

  /** Builds an {@link OffmeterChatModel}. Not safe for use by several threads. */
  public static final class Builder {
    private final LlmClient client;
    private ChatRequestParameters parameters = DefaultChatRequestParameters.EMPTY;
    private List<ChatModelListener> listeners = List.of();
    private Consumer<dev.offmeter.ChatRequest.Builder> customizer = request -> {};

    private Builder(LlmClient client) {
      this.client = Objects.requireNonNull(client, "client");
    }

    /**
     * Sets what a request of LangChain4j has where it has no value of its own. Default: nothing, so
     * that the defaults of the endpoints and of the client apply.
     *
     * @throws dev.langchain4j.exception.UnsupportedFeatureException if there is one among them that
     *     no request may have
     */
    public Builder defaultRequestParameters(ChatRequestParameters parameters) {
      RequestTranslator.check(Objects.requireNonNull(parameters, "parameters"));
      this.parameters = parameters;
      return this;
    }

    /** Sets who is told of each call, once. Default: nobody. */
    public Builder listeners(List<ChatModelListener> listeners) {
      this.listeners = List.copyOf(listeners);
      return this;
    }

    /**
     * Sets what is done to each request of Offmeter's before it is sent, for what LangChain4j has
     * no word for: {@code request -> request.tag("feature", "reminders").deadline(limit)}. Called
     * on the thread of the caller, after everything else was set; what it throws, {@code chat}
     * throws, and {@code chatAsync} reports as a request that is refused. Default: nothing.
     */
    public Builder customizer(Consumer<dev.offmeter.ChatRequest.Builder> customizer) {
      this.customizer = Objects.requireNonNull(customizer, "customizer");
      return this;
    }

    /** Returns the model. */
    public OffmeterChatModel build() {
      return new OffmeterChatModel(this);
    }
  }
}
