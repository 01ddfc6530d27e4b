// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.langchain4j;

import dev.langchain4j.exception.UnsupportedFeatureException;
import dev.langchain4j.model.chat.Capability;
import dev.langchain4j.model.chat.StreamingChatModel;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.request.DefaultChatRequestParameters;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import dev.offmeter.LlmClient;
import dev.offmeter.StreamRecovery;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.Flow;
import java.util.function.Consumer;

/**
 * Asks an {@link LlmClient} for LangChain4j, and passes the answer on while it arrives. What a
 * request may ask for, and what the exceptions are, is the same as with {@link OffmeterChatModel}.
 *
 * <p>Until the first piece is passed on, the failure of an endpoint is not seen. A handler cannot
 * take back what it was given, so an answer that breaks off after that is an error, whose cause has
 * the partial text, or is held back until it is complete: see {@link Builder#onBrokenStream}.
 *
 * <p>{@code chat} returns at once. The handler is called by one thread at a time, a virtual one
 * where the JDK has them (21 and later), else a pooled one, with the caller's log context (MDC) and
 * context class loader; it may block, and then the server waits. It is told of {@code
 * onCompleteToolCall} when the answer is complete, never of {@code onPartialToolCall}. The last
 * call is {@code onCompleteResponse} or {@code onError}, once; a request that is refused is an
 * {@code onError} on the caller's thread. A handler that throws has the call ended, its connection
 * closed, and the exception passed to {@code onError}. Cancelling by the {@code StreamingHandle}
 * closes the connection; the handler is not called again.
 *
 * <p>Safe for use by many threads if its listeners and its customizer are. Does not close the
 * client.
 */
// Were LangChain4j required transitively, no module could be compiled against this one without it.
@SuppressWarnings("exports")
public final class OffmeterStreamingChatModel implements StreamingChatModel {
  private final LlmClient client;
  private final RequestTranslator requests;
  private final ChatRequestParameters parameters;
  private final List<ChatModelListener> listeners;

  /** Creates a model with the defaults of {@link Builder}. */
  public OffmeterStreamingChatModel(LlmClient client) {
    this(builder(client));
  }

  private OffmeterStreamingChatModel(Builder builder) {
    client = builder.client;
    Consumer<dev.offmeter.ChatRequest.Builder> recovery =
        request -> request.onBrokenStream(builder.recovery);
    requests = new RequestTranslator(recovery.andThen(builder.customizer));
    parameters = builder.parameters;
    listeners = builder.listeners;
  }

  /** Returns a builder of a model that asks {@code client}. */
  public static Builder builder(LlmClient client) {
    return new Builder(client);
  }

  /**
   * Asks, and passes the answer on. Called by {@code chat}, which adds {@link
   * #defaultRequestParameters()} and tells {@link #listeners()}.
   */
  @Override
  public void doChat(ChatRequest request, StreamingChatResponseHandler handler) {
    HandlerSubscriber subscriber = new HandlerSubscriber(handler);
    Flow.Publisher<dev.offmeter.ChatEvent> events;
    try {
      events = client.publish(translated(request));
    } catch (RuntimeException e) {
      subscriber.onError(e);
      return;
    }
    events.subscribe(subscriber);
  }

  /**
   * Returns an answer as a cold publisher of LangChain4j's {@code ChatModelStreamingEvent}, which
   * versions before 1.20 do not have. Called by the {@code chat} of 1.20 and later that returns a
   * publisher. Each subscriber gets a call of its own, which is read no faster than demanded;
   * cancelling closes the connection. See {@link LlmClient#publish}.
   *
   * @throws UnsupportedFeatureException if LangChain4j is older
   */
  public Flow.Publisher<Object> doChat(ChatRequest request) {
    EventRelay.requirePublishers();
    dev.offmeter.ChatRequest translated = translated(request);
    return subscriber -> {
      Objects.requireNonNull(subscriber, "subscriber");
      client.publish(translated).subscribe(new EventRelay(subscriber));
    };
  }

  private dev.offmeter.ChatRequest translated(ChatRequest request) {
    dev.offmeter.ChatRequest translated = requests.translate(request);
    checkRecovery(translated.onBrokenStream());
    return translated;
  }

  private static void checkRecovery(StreamRecovery recovery) {
    if (recovery.canRestart()) {
      throw new IllegalArgumentException(
          "onBrokenStream must be HOLD or FAIL, because a handler cannot take back what it was"
              + " given; was "
              + recovery);
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

  /** Returns {@code RESPONSE_FORMAT_JSON_SCHEMA}, as {@link OffmeterChatModel} does. */
  @Override
  public Set<Capability> supportedCapabilities() {
    return Set.of(Capability.RESPONSE_FORMAT_JSON_SCHEMA);
  }

  /** Builds an {@link OffmeterStreamingChatModel}. Not safe for use by several threads. */
  public static final class Builder {
    private final LlmClient client;
    private ChatRequestParameters parameters = DefaultChatRequestParameters.EMPTY;
    private List<ChatModelListener> listeners = List.of();
    private Consumer<dev.offmeter.ChatRequest.Builder> customizer = request -> {};
    private StreamRecovery recovery = StreamRecovery.FAIL;

    private Builder(LlmClient client) {
      this.client = Objects.requireNonNull(client, "client");
    }

    /**
     * Sets what becomes of an answer that breaks off after some of it was passed on. Default:
     * {@link StreamRecovery#FAIL}, an {@code onError} whose cause is an {@link
     * dev.offmeter.LlmException} with {@code partialText()}. {@link StreamRecovery#HOLD} passes
     * nothing on until the answer is complete, so that no failure is seen; {@link
     * StreamRecovery#hold} the first pieces together. A client's default is not used.
     *
     * @throws IllegalArgumentException if it is {@link StreamRecovery#RESTART}
     */
    public Builder onBrokenStream(StreamRecovery recovery) {
      checkRecovery(Objects.requireNonNull(recovery, "recovery"));
      this.recovery = recovery;
      return this;
    }

    /** Sets the default parameters; see {@link OffmeterChatModel.Builder}. */
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
     * Sets what is done to each request of Offmeter's before it is sent; see {@link
     * OffmeterChatModel.Builder#customizer}. It may set another {@code onBrokenStream}, but not
     * {@link StreamRecovery#RESTART}.
     */
    public Builder customizer(Consumer<dev.offmeter.ChatRequest.Builder> customizer) {
      this.customizer = Objects.requireNonNull(customizer, "customizer");
      return this;
    }

    /** Returns the model. */
    public OffmeterStreamingChatModel build() {
      return new OffmeterStreamingChatModel(this);
    }
  }
}
