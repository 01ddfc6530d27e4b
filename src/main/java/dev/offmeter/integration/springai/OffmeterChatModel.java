// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.springai;

import dev.offmeter.ChatEvent;
import dev.offmeter.ChatRequest;
import dev.offmeter.LlmClient;
import dev.offmeter.LlmException;
import dev.offmeter.StreamRecovery;
import io.micrometer.observation.Observation;
import io.micrometer.observation.ObservationRegistry;
import io.micrometer.observation.contextpropagation.ObservationThreadLocalAccessor;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.springframework.ai.chat.model.ChatModel;
import org.springframework.ai.chat.model.ChatResponse;
import org.springframework.ai.chat.observation.ChatModelObservationContext;
import org.springframework.ai.chat.observation.ChatModelObservationConvention;
import org.springframework.ai.chat.observation.ChatModelObservationDocumentation;
import org.springframework.ai.chat.observation.DefaultChatModelObservationConvention;
import org.springframework.ai.chat.prompt.ChatOptions;
import org.springframework.ai.chat.prompt.Prompt;
import org.springframework.ai.model.tool.ToolCallingChatOptions;
import org.springframework.ai.model.tool.ToolCallingManager;
import org.springframework.ai.model.tool.ToolExecutionResult;
import org.springframework.ai.model.tool.internal.ToolCallReactiveContextHolder;
import reactor.adapter.JdkFlowAdapter;
import reactor.core.publisher.Flux;
import reactor.core.scheduler.Schedulers;
import reactor.util.context.ContextView;

/**
 * A chat model of Spring AI whose answers come from the first endpoint of an {@link LlmClient} that
 * can answer. One binary serves Spring AI 1.1 and 2.0. Safe for use by many threads; closing the
 * client is its owner's task.
 *
 * <p>From a prompt's options are taken {@code model}, which chooses among the endpoints as {@link
 * ChatRequest.Builder#model} does, {@code maxTokens}, {@code temperature}, {@code topP}, {@code
 * stopSequences}, the tools, and the schema of {@code StructuredOutputChatOptions}. What a prompt
 * leaves unset is taken from {@link Builder#options}, then from the client's defaults. {@code
 * topK}, {@code frequencyPenalty} and {@code presencePenalty} are rejected, because not every
 * server takes them.
 *
 * <p>Tools are run as in Spring AI's own models: in 1.1 by this model, unless the options have
 * {@code internalToolExecutionEnabled} off; in 2.0 by the {@code ToolCallingAdvisor} of the {@code
 * ChatClient}.
 *
 * <p>Exceptions are those of the client, such as {@link dev.offmeter.AllEndpointsFailedException}
 * and {@link IllegalArgumentException} for an option that cannot be sent; they are not wrapped. A
 * retry around the model would only repeat what the client has tried.
 *
 * <p>Requests have {@link dev.offmeter.observe.LlmListener#ADAPTER_TAG} with the value {@code
 * spring-ai}.
 */
// Were Spring AI required transitively, no module could be compiled against this one without it.
@SuppressWarnings("exports")
public final class OffmeterChatModel implements ChatModel {
  /** The key of the response metadata under which the name of the endpoint that answered is. */
  public static final String ENDPOINT = "offmeter.endpoint";

  /**
   * The key of the response metadata under which every {@link dev.offmeter.Attempt} is: a list in
   * order, whose last one answered.
   */
  public static final String ATTEMPTS = "offmeter.attempts";

  /**
   * The key of the response metadata under which the client's own response is, a {@link
   * dev.offmeter.ChatResponse}, with cost and times.
   */
  public static final String RESPONSE = "offmeter.response";

  private static final String PROVIDER = "offmeter";
  private static final ChatModelObservationConvention DEFAULT_CONVENTION =
      new DefaultChatModelObservationConvention();

  private final LlmClient client;
  private final @Nullable ChatOptions options;
  private final Consumer<ChatRequest.Builder> customizer;
  private final ToolCallingManager toolCallingManager;
  private final ObservationRegistry observationRegistry;
  private final ChatModelObservationConvention observationConvention;

  /** Creates a model with the defaults of {@link Builder}. */
  public OffmeterChatModel(LlmClient client) {
    this(builder(client));
  }

  private OffmeterChatModel(Builder builder) {
    client = builder.client;
    options = builder.options;
    StreamRecovery onBrokenStream = builder.onBrokenStream;
    Consumer<ChatRequest.Builder> recovery = request -> request.onBrokenStream(onBrokenStream);
    customizer = recovery.andThen(builder.customizer);
    toolCallingManager = builder.toolCallingManager;
    observationRegistry = builder.observationRegistry;
    observationConvention = builder.observationConvention;
  }

  /** Returns a builder of a model over {@code client}. */
  public static Builder builder(LlmClient client) {
    return new Builder(client);
  }

  /**
   * Asks, and waits for the complete answer. An interrupt ends the wait at once.
   *
   * @throws LlmException if there is no answer
   * @throws IllegalArgumentException if an option or a message cannot be sent
   */
  @Override
  public ChatResponse call(Prompt prompt) {
    Objects.requireNonNull(prompt, "prompt");
    Prompt asked = prompt;
    TokenUsage before = TokenUsage.NONE;
    while (true) {
      PreparedCall call = prepare(asked);
      ChatResponse response = observedCall(call, before);
      if (!call.runsTools() || !response.hasToolCalls()) {
        return response;
      }
      ToolExecutionResult result =
          toolCallingManager.executeToolCalls(call.promptWithTools(), response);
      if (result.returnDirect()) {
        return direct(response, result);
      }
      before = TokenUsage.of(response);
      asked = call.promptAfter(result);
    }
  }

  private ChatResponse observedCall(PreparedCall call, TokenUsage before) {
    ChatModelObservationContext context = context(call).build();
    return Objects.requireNonNull(
        observation(context)
            .observe(
                () -> {
                  ChatResponse response = Answers.complete(client.chat(call.request()), before);
                  context.setResponse(response);
                  return response;
                }));
  }

  /**
   * Returns the answer while it comes, as a cold publisher: each subscriber gets a call of its own,
   * which begins with its first demand and is read no faster than demanded. Cancelling the
   * subscription closes the connection. No thread waits for a server without demand.
   *
   * <p>Until the first piece is shown, a failure is invisible. After it, the stream ends with an
   * {@link LlmException} that says why and has the text that was shown: Spring AI has no signal to
   * take a text back, so the stream never starts again ({@link Builder#onBrokenStream}).
   *
   * <p>The last response has no text. It has the tool calls, the finish reason, the usage, and the
   * metadata of {@link #call(Prompt)}. Errors of {@link #call(Prompt)} are signalled, not thrown.
   */
  @Override
  public Flux<ChatResponse> stream(Prompt prompt) {
    Objects.requireNonNull(prompt, "prompt");
    return Flux.deferContextual(context -> streamRound(prompt, TokenUsage.NONE, context));
  }

  /** Streams an answer, and after its tools the next. */
  private Flux<ChatResponse> streamRound(Prompt prompt, TokenUsage before, ContextView context) {
    PreparedCall call = prepare(prompt);
    if (!call.runsTools()) {
      return observedStream(call, before, context, response -> {});
    }
    AtomicReference<@Nullable ChatResponse> answer = new AtomicReference<>();
    return observedStream(call, before, context, answer::set)
        .filter(chunk -> !chunk.hasToolCalls())
        .concatWith(
            Flux.deferContextual(
                later -> {
                  ChatResponse complete = answer.get();
                  return complete == null || !complete.hasToolCalls()
                      ? Flux.empty()
                      : afterTools(call, complete).subscribeOn(Schedulers.boundedElastic());
                }));
  }

  /** Runs the tools that an answer calls, on the thread that subscribes, because they may block. */
  private Flux<ChatResponse> afterTools(PreparedCall call, ChatResponse response) {
    return Flux.deferContextual(
        context -> {
          ToolExecutionResult result = executeTools(call, response, context);
          return result.returnDirect()
              ? Flux.just(direct(response, result))
              : streamRound(call.promptAfter(result), TokenUsage.of(response), context);
        });
  }

  private ToolExecutionResult executeTools(
      PreparedCall call, ChatResponse response, ContextView context) {
    ToolCallReactiveContextHolder.setContext(context);
    try {
      return toolCallingManager.executeToolCalls(call.promptWithTools(), response);
    } finally {
      ToolCallReactiveContextHolder.clearContext();
    }
  }

  private Flux<ChatResponse> observedStream(
      PreparedCall call, TokenUsage before, ContextView context, Consumer<ChatResponse> onAnswer) {
    ChatModelObservationContext observed = SpringAiLine.streaming(context(call)).build();
    Observation observation = observation(observed);
    // Stopped before its end is signalled, so that whoever waits for that finds it stopped.
    return Flux.using(
            () -> start(observation, context),
            started ->
                Flux.defer(() -> publishIn(started, call))
                    .map(event -> translate(event, before, observed, onAnswer))
                    .doOnError(started::error),
            Observation::stop)
        .contextWrite(later -> later.put(ObservationThreadLocalAccessor.KEY, observation));
  }

  /** Publishes with the observation as the current one, which is then that of the attempts too. */
  @SuppressWarnings("try") // The scope is for whoever finds it on this thread.
  private Flux<ChatEvent> publishIn(Observation observation, PreparedCall call) {
    try (Observation.Scope unused = observation.openScope()) {
      return JdkFlowAdapter.flowPublisherToFlux(client.publish(call.request()));
    }
  }

  private static ChatResponse translate(
      ChatEvent event,
      TokenUsage before,
      ChatModelObservationContext observed,
      Consumer<ChatResponse> onAnswer) {
    if (event instanceof ChatEvent.Completed completed) {
      ChatResponse response = Answers.complete(completed.response(), before);
      observed.setResponse(response);
      onAnswer.accept(response);
    }
    return Answers.chunk(event, before);
  }

  private static Observation start(Observation observation, ContextView context) {
    Observation parent = context.getOrDefault(ObservationThreadLocalAccessor.KEY, null);
    if (parent != null) {
      observation.parentObservation(parent);
    }
    return observation.start();
  }

  private static ChatResponse direct(ChatResponse response, ToolExecutionResult result) {
    return ChatResponse.builder()
        .from(response)
        .generations(ToolExecutionResult.buildGenerations(result))
        .build();
  }

  private PreparedCall prepare(Prompt prompt) {
    return PreparedCall.of(prompt, defaultOptions(), toolCallingManager, customizer);
  }

  private ChatModelObservationContext.Builder context(PreparedCall call) {
    return ChatModelObservationContext.builder().prompt(call.prompt()).provider(PROVIDER);
  }

  private Observation observation(ChatModelObservationContext context) {
    return ChatModelObservationDocumentation.CHAT_MODEL_OPERATION.observation(
        observationConvention, DEFAULT_CONVENTION, () -> context, observationRegistry);
  }

  /** Returns the options for what a prompt leaves unset, as Spring AI 2.0 asks for them. */
  // Of Spring AI 2.0 alone, so it overrides nothing in 1.1.
  @SuppressWarnings("MissingOverride")
  public ChatOptions getOptions() {
    return defaultOptions();
  }

  /** Returns the options for what a prompt leaves unset, as Spring AI 1.1 asks for them. */
  // Of Spring AI 1.1, and to be removed from 2.x.
  @SuppressWarnings({"MissingOverride", "removal"})
  public ChatOptions getDefaultOptions() {
    return defaultOptions();
  }

  /**
   * Returns the options set, else new ones, because those of Spring AI 1.1 can be changed. They are
   * such as take tools: without them a {@code ChatClient} of 2.0 ignores a prompt's tools.
   */
  private ChatOptions defaultOptions() {
    return options == null ? ToolCallingChatOptions.builder().build() : options;
  }

  /** Builds an {@link OffmeterChatModel}. Not safe for use by several threads. */
  public static final class Builder {
    private final LlmClient client;
    private @Nullable ChatOptions options;
    private StreamRecovery onBrokenStream = StreamRecovery.FAIL;
    private Consumer<ChatRequest.Builder> customizer = request -> {};
    private ToolCallingManager toolCallingManager = ToolCallingManager.builder().build();
    private ObservationRegistry observationRegistry = ObservationRegistry.NOOP;
    private ChatModelObservationConvention observationConvention = DEFAULT_CONVENTION;

    private Builder(LlmClient client) {
      this.client = Objects.requireNonNull(client, "client");
    }

    /**
     * Sets the options for what a prompt leaves unset. Default: none, as {@link
     * ToolCallingChatOptions}. Options that are not such keep a {@code ChatClient} of Spring AI 2.0
     * from passing tools; {@code StructuredOutputChatOptions} let it send the schema of an entity.
     */
    public Builder options(ChatOptions options) {
      this.options = Objects.requireNonNull(options, "options");
      return this;
    }

    /**
     * Sets what happens to a stream that breaks off after some of it was shown. Default: {@link
     * StreamRecovery#FAIL}. {@link StreamRecovery#HOLD} shows nothing before the answer is
     * complete, and {@link StreamRecovery#hold} nothing before some pieces are, so that failures
     * until then stay invisible.
     *
     * @throws IllegalArgumentException if it is one that starts again, for which Spring AI has no
     *     signal
     */
    public Builder onBrokenStream(StreamRecovery onBrokenStream) {
      PreparedCall.checkRecovery(Objects.requireNonNull(onBrokenStream, "onBrokenStream"));
      this.onBrokenStream = onBrokenStream;
      return this;
    }

    /**
     * Sets what is done last to every request, for what Spring AI has no word for: tags, a
     * deadline, {@link ChatRequest.Builder#selfHostedOnly}, thinking, checks. It may set another
     * {@code onBrokenStream}, but not {@link StreamRecovery#RESTART}. Called on the thread of the
     * call, by many threads at once. Default: nothing is.
     */
    public Builder customizer(Consumer<ChatRequest.Builder> customizer) {
      this.customizer = Objects.requireNonNull(customizer, "customizer");
      return this;
    }

    /**
     * Sets the manager that resolves tools and, in Spring AI 1.1, runs them. Default: one that
     * knows the tools of the options only.
     */
    public Builder toolCallingManager(ToolCallingManager toolCallingManager) {
      this.toolCallingManager = Objects.requireNonNull(toolCallingManager, "toolCallingManager");
      return this;
    }

    /** Sets where each call is observed. Default: nowhere. */
    public Builder observationRegistry(ObservationRegistry observationRegistry) {
      this.observationRegistry = Objects.requireNonNull(observationRegistry, "observationRegistry");
      return this;
    }

    /** Sets the names and key values of the observations. Default: those of Spring AI. */
    public Builder observationConvention(ChatModelObservationConvention observationConvention) {
      this.observationConvention =
          Objects.requireNonNull(observationConvention, "observationConvention");
      return this;
    }

    /** Returns the model. */
    public OffmeterChatModel build() {
      return new OffmeterChatModel(this);
    }
  }
}
