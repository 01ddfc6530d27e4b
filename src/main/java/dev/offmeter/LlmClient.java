// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import dev.offmeter.guard.Budget;
import dev.offmeter.guard.BudgetStore;
import dev.offmeter.internal.DetachedThreads;
import dev.offmeter.internal.UserCode;
import dev.offmeter.internal.budget.BudgetKeeper;
import dev.offmeter.internal.config.Environment;
import dev.offmeter.internal.config.Environment.FileContents;
import dev.offmeter.internal.config.litellm.LiteLlmConfig;
import dev.offmeter.internal.failover.AnswerValidator;
import dev.offmeter.internal.failover.FailoverExecutor;
import dev.offmeter.internal.failover.HedgingPolicy;
import dev.offmeter.internal.failover.StreamingCall;
import dev.offmeter.internal.http.EndpointConfig;
import dev.offmeter.internal.http.Transport;
import dev.offmeter.internal.meter.MeterRecorder;
import dev.offmeter.internal.schema.RecordSchema;
import dev.offmeter.internal.time.CancellationToken;
import dev.offmeter.internal.time.TimeSource;
import dev.offmeter.internal.usagelog.UsageLogWriter;
import dev.offmeter.meter.Meter;
import dev.offmeter.meter.Price;
import dev.offmeter.meter.PriceList;
import dev.offmeter.meter.UsageLog;
import dev.offmeter.observe.ClientStatus;
import dev.offmeter.observe.Diagnosis;
import dev.offmeter.observe.EndpointStatus;
import dev.offmeter.observe.Explanation;
import dev.offmeter.observe.LlmListener;
import dev.offmeter.observe.Resilience4jRegistries;
import java.nio.file.Path;
import java.time.Duration;
import java.time.ZoneId;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Flow;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import okhttp3.OkHttpClient;
import org.jspecify.annotations.Nullable;

/**
 * Calls an ordered list of endpoints: the first that can answer does. A timeout or any reply that
 * is not an answer falls through to the next, unseen by the caller.
 *
 * <pre>{@code
 * try (LlmClient llm = LlmClient.fromEnv()) {
 *   String draft = llm.chat("Draft a friendly reminder for invoice 1042.").text();
 * }
 * }</pre>
 *
 * <p>Make one client and share it: it is safe for use by many threads. Calls run on the caller's
 * own thread. {@link #close()} ends running calls and frees connections and threads; all threads
 * are daemons, so a forgotten close never keeps a JVM alive.
 *
 * <p>What cannot be promised: a server whose attempt was cancelled may have done the work, and may
 * bill it; a function or a DNS lookup that ignores an interrupt runs on after its call has moved
 * on; a listener, or an interceptor, proxy selector, trust manager or event listener of an {@link
 * OkHttpClient} of yours runs on the thread of the call, and blocks the call beyond its deadline if
 * it blocks.
 */
public final class LlmClient implements AutoCloseable {
  private static final String CLOSED = "the client was closed";

  private final Builder settings;
  private final RequestDefaults defaults;
  private final DefaultMaxTokensWarning defaultLimit;
  private final LoopGuard loopGuard;
  private final TimeSource time;
  private final ExecutorService workers;
  private final Transport transport;
  private final LlmListener listener;
  private final @Nullable UsageLogWriter usageLog;
  private final BudgetKeeper budgets;
  private final MeterRecorder meter;
  private final FailoverExecutor failover;
  private final Set<CancellationToken> running = ConcurrentHashMap.newKeySet();

  /** Completed when the client is closed and no call is running any more. */
  private final CompletableFuture<Void> callsEnded = new CompletableFuture<>();

  private volatile boolean closed;

  private LlmClient(Builder settings) {
    this.settings = settings;
    this.defaults = RequestDefaults.ofClient(settings.defaults);
    settings.maxTokensAtMost.checkDefaults(settings.endpoints, defaults);
    this.loopGuard = new LoopGuard(settings.maxRepeatsPerSession);
    this.defaultLimit = new DefaultMaxTokensWarning(settings.endpoints, defaults);
    List<EndpointConfig> configs =
        Prices.add(settings.prices, settings.endpoints, settings.configs(defaults));
    Price baseline =
        Prices.baseline(settings.baseline, settings.baselinePrice, settings.endpoints, configs);
    BudgetRules.check(settings.budgets, configs);
    this.time = settings.timeSource();
    this.workers =
        settings.workers == null ? DetachedThreads.executor("offmeter-worker") : settings.workers;
    this.transport = new Transport(settings.httpClient, workers, time::nanos);
    this.listener = new CompositeListener(settings.listeners);
    this.budgets = new BudgetKeeper(settings.budgets, settings.budgetStore(), time, listener);
    this.usageLog =
        settings.usageLog == null
            ? null
            : new UsageLogWriter(settings.usageLog, settings.usageLogSpill, time);
    this.meter =
        new MeterRecorder(
            time,
            ZoneId.systemDefault(),
            baseline,
            Prices.metered(settings.endpoints),
            budgets::statuses,
            usageLog);
    this.failover =
        new FailoverExecutor(
            configs,
            transport::exchangesWith,
            time,
            workers,
            () -> ThreadLocalRandom.current().nextDouble(),
            settings.hedgingPolicy(workers),
            listener,
            meter,
            budgets);
    StartupLog.write(settings.endpoints, configs);
  }

  /**
   * Returns a client configured by the process's environment variables; see {@code
   * docs/configuration.md}.
   *
   * @throws IllegalArgumentException if a variable has a wrong value
   * @throws IllegalStateException if variables contradict each other
   */
  public static LlmClient fromEnv() {
    return fromEnv(System.getenv());
  }

  /**
   * Returns a client configured by variables from another source, such as a test or a configuration
   * system.
   */
  public static LlmClient fromEnv(Map<String, String> environment) {
    return builder().fromEnv(environment).build();
  }

  /**
   * Returns a client configured by a LiteLLM-style file and the process's environment variables;
   * see {@code docs/configuration.md}. The client asks the group of the file's first entry. Needs
   * {@code org.yaml:snakeyaml} on the class path.
   *
   * @throws IllegalArgumentException if the file cannot be read or has a wrong value; the message
   *     has file, line and key
   * @throws IllegalStateException if a variable that the file names is not set, values do not go
   *     together, or the dependency is missing
   */
  public static LlmClient fromLiteLlmConfig(Path file) {
    return fromLiteLlmConfig(file, System.getenv());
  }

  /** Returns a client configured by a LiteLLM-style file and variables from another source. */
  public static LlmClient fromLiteLlmConfig(Path file, Map<String, String> environment) {
    return builder().fromLiteLlmConfig(file, environment).build();
  }

  /** Returns a client configured by the group {@code modelName} of a LiteLLM-style file. */
  public static LlmClient fromLiteLlmConfig(
      Path file, String modelName, Map<String, String> environment) {
    return builder().fromLiteLlmConfig(file, modelName, environment).build();
  }

  /** Returns a builder without endpoints. */
  public static Builder builder() {
    return new Builder();
  }

  /** Returns a builder that starts from this client's settings. */
  public Builder toBuilder() {
    return new Builder(settings);
  }

  /**
   * Asks with one user message and the defaults of {@link ChatRequest}; see {@link
   * #chat(ChatRequest)}.
   */
  public ChatResponse chat(String userMessage) {
    return chat(ChatRequest.builder().user(userMessage).build());
  }

  /**
   * Asks, and waits for one complete, checked answer. An interrupt ends the wait at once.
   *
   * @throws AllEndpointsFailedException if no endpoint answered; it lists every attempt
   * @throws LoopDetectedException if its session has sent the same conversation too often
   * @throws LlmException if the thread was interrupted (its flag is set) or the client closed
   * @throws IllegalArgumentException if the request's {@code maxTokens} is above {@link
   *     Builder#maxTokensAtMost}, or its model that of no endpoint
   * @throws IllegalStateException if the client was closed before
   */
  public ChatResponse chat(ChatRequest request) {
    checkRequest(request);
    return run(request, time.nanos(), register(), AnswerValidator.of(request));
  }

  /**
   * Asks for an answer in the form of a record. A JSON schema is made from it and sent in each
   * server's own form; the reply is parsed and checked, and one that does not fit is a failed
   * attempt, {@link FailureKind#FORMAT_MISMATCH}: the next endpoint is asked. With {@link
   * ChatRequest.Builder#repairTurn} the same endpoint may repair it once.
   *
   * <p>The record's components are strings, numbers, booleans, enums, {@code LocalDate}, lists and
   * sets, further records; {@code Optional} or {@code @Nullable} where the model may not know.
   * Jackson's {@code @JsonProperty} and {@code @JsonPropertyDescription} are respected. Describe
   * the answer in the prompt too: not every server shows the schema to its model.
   *
   * @throws IllegalArgumentException if the class is not a record, or has a component of another
   *     type, or if the request's {@code maxTokens} is above {@link Builder#maxTokensAtMost}, or
   *     its model that of no endpoint
   * @throws AllEndpointsFailedException if no endpoint gave such an answer; it lists every attempt
   * @throws LoopDetectedException if its session has sent the same conversation too often
   * @throws LlmException if the thread was interrupted (its flag is set) or the client closed
   * @throws IllegalStateException if the client was closed before
   */
  public <T> ChatResponse.Structured<T> chat(ChatRequest request, Class<T> type) {
    checkRequest(request);
    RecordSchema<T> recordSchema = RecordSchema.of(Objects.requireNonNull(type, "type"));
    ChatRequest shaped = request.toBuilder().answerSchema(recordSchema.schema()).build();
    StructuredAnswer<T> structured = new StructuredAnswer<>(recordSchema);
    ChatResponse response = run(shaped, time.nanos(), register(), structured);
    return new ChatResponse.Structured<>(structured.value(response.text()), response);
  }

  /**
   * Asks without waiting. The call runs on a virtual thread where the JDK has them (21 and later),
   * else on a pooled one. Cancelling the future, or completing it otherwise, ends the call and
   * closes its connection. The future fails with the exception that {@link #chat(ChatRequest)}
   * would throw. The wait for a thread counts towards a deadline that was set; a call that no
   * thread has begun within 30 s fails too.
   *
   * @throws IllegalArgumentException if the request's {@code maxTokens} is above {@link
   *     Builder#maxTokensAtMost}, or its model that of no endpoint
   * @throws IllegalStateException if the client was closed before
   */
  public CompletableFuture<ChatResponse> chatAsync(ChatRequest request) {
    checkRequest(request);
    CancellationToken token = register();
    CompletableFuture<ChatResponse> future = new CompletableFuture<>();
    CompletableFuture<ChatResponse> unused =
        future.whenComplete((response, failure) -> token.cancel("its future was completed"));
    long made = time.nanos();
    Thread caller = Thread.currentThread();
    CallerContext context = CallerContext.capture(listener);
    Runnable fail = () -> endNotStarted(future, request, made, token);
    TaskHandoff.submit(
        context.on(workers),
        time,
        limit(request),
        () -> runAndComplete(future, request, made, token),
        () -> {
          if (Thread.currentThread() == caller) {
            // This thread has the log context already, and must keep it.
            fail.run();
          } else {
            context.run(fail);
          }
        });
    return future;
  }

  /**
   * Fails a call that no thread has begun: by its deadline, if that has passed, because the wait
   * for a thread counts towards it.
   */
  private void endNotStarted(
      CompletableFuture<ChatResponse> future,
      ChatRequest request,
      long made,
      CancellationToken token) {
    onCallEnded(token);
    Duration limit = limit(request);
    boolean passed = limit != null && time.nanos() - made >= limit.toNanos();
    try {
      if (!future.isDone()) {
        future.completeExceptionally(
            passed && !closed
                ? failover.notStarted(defaults.forCall(request), made)
                : notStarted());
      }
    } catch (Throwable e) {
      future.completeExceptionally(e);
    }
  }

  /** Returns the exception of a call that no thread has begun. */
  private LlmException notStarted() {
    String why = closed ? CLOSED : UserCode.NO_THREAD + " in time";
    return new LlmException("the call was stopped: " + why, List.of());
  }

  /**
   * Asks with one user message and the defaults of {@link ChatRequest}; see {@link
   * #chatAsync(ChatRequest)}.
   */
  public CompletableFuture<ChatResponse> chatAsync(String userMessage) {
    return chatAsync(ChatRequest.builder().user(userMessage).build());
  }

  /**
   * Asks, and delivers the answer while it arrives. Until the first piece is shown, a failure is as
   * invisible as with {@link #chat(ChatRequest)}; what happens after it is the request's {@link
   * StreamRecovery}. Nothing is sent before the stream is read; the stream must be closed.
   *
   * <p>An endpoint's timeout covers the wait for the first piece of its answer; the stall and
   * stream timeouts cover the rest. A deadline that was set covers the whole stream, its delivery
   * included; the default one only the waits for an answer to begin.
   *
   * @throws IllegalArgumentException if the request's {@code maxTokens} is above {@link
   *     Builder#maxTokensAtMost}, or its model that of no endpoint
   * @throws LoopDetectedException if its session has sent the same conversation too often
   * @throws IllegalStateException if the client was closed before
   */
  public ChatStream stream(ChatRequest request) {
    checkRequest(request);
    return new ChatStream(newStreamingCall(request), defaults.forCall(request).onBrokenStream());
  }

  /** Streams the answer to one user message, with the defaults of {@link ChatRequest}. */
  public ChatStream stream(String userMessage) {
    return stream(ChatRequest.builder().user(userMessage).build());
  }

  /**
   * Returns a stream as a cold publisher: each subscriber gets a call of its own, which begins with
   * its first demand and is read no faster than demanded. Cancelling the subscription closes the
   * connection. Signals come from a virtual thread where the JDK has them (21 and later), else from
   * a pooled one, which is held while there is demand.
   *
   * @throws IllegalArgumentException if the request's {@code maxTokens} is above {@link
   *     Builder#maxTokensAtMost}, or its model that of no endpoint
   */
  public Flow.Publisher<ChatEvent> publish(ChatRequest request) {
    checkRequest(request);
    return new EventPublisher(
        () -> newStreamingCall(request),
        CallerContext.capture(listener).on(workers),
        time,
        this::notStarted);
  }

  private void checkRequest(ChatRequest request) {
    settings.maxTokensAtMost.check(Objects.requireNonNull(request, "request"));
    request.model().ifPresent(this::checkModel);
  }

  private void checkModel(String model) {
    for (Endpoint endpoint : settings.endpoints) {
      if (model.equals(endpoint.model()) || model.equals(endpoint.name())) {
        return;
      }
    }
    String known =
        settings.endpoints.stream()
            .map(each -> each.name() + (each.isServer() ? " (" + each.model() + ")" : ""))
            .collect(Collectors.joining(", "));
    throw new IllegalArgumentException(
        "model must be that of an endpoint, or its name, among "
            + known
            + ", was '"
            + ValueMistakes.shown(model)
            + "'");
  }

  /** Ends a call before it has begun if its conversation comes too often. */
  private void rejectLoop(ChatRequest request) {
    Optional<LoopDetectedException> loop = loopGuard.count(request);
    if (loop.isPresent()) {
      throw failover.reject(request, loop.get());
    }
  }

  private StreamingCall newStreamingCall(ChatRequest asked) {
    ChatRequest request = defaults.forCall(asked);
    checkOpen();
    rejectLoop(request);
    CancellationToken token = register();
    return failover.stream(
        request,
        limit(request),
        token,
        response -> {
          onCallEnded(token);
          if (response != null) {
            defaultLimit.onAnswer(request, response);
          }
        });
  }

  /** Returns the request's or the client's deadline; null if neither has one. */
  private @Nullable Duration limit(ChatRequest request) {
    return request.deadline().orElse(settings.deadline);
  }

  private void runAndComplete(
      CompletableFuture<ChatResponse> future,
      ChatRequest request,
      long made,
      CancellationToken token) {
    try {
      future.complete(run(request, made, token, AnswerValidator.of(request)));
    } catch (Throwable e) {
      future.completeExceptionally(e);
    }
  }

  private CancellationToken register() {
    CancellationToken token = new CancellationToken();
    running.add(token);
    if (closed) {
      throw closed(token);
    }
    return token;
  }

  private IllegalStateException closed(CancellationToken token) {
    running.remove(token);
    return closedFailure();
  }

  private static IllegalStateException closedFailure() {
    return new IllegalStateException("the client must be open, was closed");
  }

  private void checkOpen() {
    if (closed) {
      throw closedFailure();
    }
  }

  private ChatResponse run(
      ChatRequest asked, long made, CancellationToken token, AnswerValidator validator) {
    try {
      ChatRequest request = defaults.forCall(asked);
      rejectLoop(request);
      ChatResponse response = failover.chat(request, limit(asked), made, token, validator);
      defaultLimit.onAnswer(request, response);
      return response;
    } finally {
      onCallEnded(token);
    }
  }

  /**
   * Returns the number of calls and streams that have begun and not ended, for one that waits for
   * them before {@link #close()}. May be called by any thread, after it too.
   */
  public int runningCalls() {
    return running.size();
  }

  private void onCallEnded(CancellationToken token) {
    running.remove(token);
    if (closed) {
      endIfNoneRuns();
      // Closed again, because the last call's connection may have returned to the pool after the
      // others were closed.
      UserCode.ignore(transport::close);
    }
  }

  private void endIfNoneRuns() {
    if (running.isEmpty()) {
      callsEnded.complete(null);
    }
  }

  /**
   * Returns the state of the endpoints: which are DOWN, since when and why, when each is
   * health-checked next, what is in flight, and how long answers take. The result is a snapshot; no
   * request is sent. May be called by any thread, after {@link #close()} too. Its {@code
   * toString()} is a table with one line for each.
   */
  public ClientStatus status() {
    return failover.status();
  }

  /**
   * Explains which endpoints a call with this request would ask if it were made now, in their
   * order, and which it would skip and why. Nobody is asked, and nothing changes: no slot, trial or
   * request of a minute is used, and no listener hears of it. The result is a snapshot: a call made
   * later may find other states; a deadline and hedging are not considered. May be called by any
   * thread, after {@link #close()} too. Its {@code toString()} is a table with one line for each
   * endpoint, without the prompt.
   */
  public Explanation explain(ChatRequest request) {
    return failover.explain(defaults.forCall(Objects.requireNonNull(request, "request")));
  }

  /**
   * Asks every self-hosted server to load its model now, in the background, so that no call has to
   * wait for it: at the start of an application, or after a model was changed. Until it is loaded,
   * calls go to the other endpoints, and wait for it only if none of them answers, or before a
   * function does ({@link Endpoint.FunctionBuilder#answerWhileModelLoads}). A server that cannot be
   * reached is marked DOWN. Costs no token at Ollama, and one at each server with OpenAI's API;
   * managed endpoints and functions are not asked. A load that has not finished after 10 min is
   * cancelled. May be called by any thread, any number of times; never blocks.
   *
   * @return completes when all are loaded or cannot be, with the status of the endpoints then;
   *     never exceptionally; need not be waited for
   * @throws IllegalStateException if the client was closed before
   */
  public CompletableFuture<ClientStatus> warmUp() {
    checkOpen();
    return failover.warmUp();
  }

  /**
   * Diagnoses the endpoints, with a request for one token to each server at the end; see {@link
   * #diagnose(boolean)}.
   */
  public Diagnosis diagnose() {
    return diagnose(true);
  }

  /**
   * Diagnoses every endpoint in order, managed ones too: how it is reached, what stands before it,
   * its version, whether it accepts the key and has the model, whether the model is loaded, the
   * length of its context, and how fast it answers. A function is not called.
   *
   * <p>Requests are sent over separate connections, with the credentials of a call and to the same
   * origin, whether the endpoint is UP or DOWN, and do not change its state. The diagnosis runs on
   * the caller's thread: no request takes longer than the connect timeout and 5 s, the one for a
   * token no longer than the endpoint's timeout; the first that takes too long is the endpoint's
   * last. An interrupt or {@link #close()} ends it with what has been found so far. A failing
   * endpoint never makes it throw.
   *
   * @param tokens whether each server is asked for one token, which a managed one bills, and which
   *     counts as one of its {@code requestsPerMinute}
   * @throws IllegalStateException if the client was closed before
   */
  public Diagnosis diagnose(boolean tokens) {
    CancellationToken token = register();
    try {
      return failover.diagnose(tokens, token);
    } finally {
      onCallEnded(token);
    }
  }

  /**
   * Ends the back-off of an endpoint that has been repaired. A self-hosted server is health-checked
   * at once, without a token: unless it cannot be reached or says that it is not ready, the next
   * call is its trial; an Ollama loads its model first. A managed server or a function is not
   * checked: the next call is its trial. Has no effect on an endpoint that is UP. May be called by
   * any thread; never blocks.
   *
   * @param endpoint the endpoint's name
   * @return completes when that is decided, within 10 s plus the time of a load, with the
   *     endpoint's status then; never exceptionally; need not be waited for
   * @throws IllegalArgumentException if there is no endpoint of this name
   * @throws IllegalStateException if the client was closed before
   */
  public CompletableFuture<EndpointStatus> recheck(String endpoint) {
    Objects.requireNonNull(endpoint, "endpoint");
    checkOpen();
    return failover.recheck(endpoint);
  }

  /**
   * Returns the meter, which counts what this client's calls use and cost. May be called by any
   * thread, after {@link #close()} too.
   */
  public Meter meter() {
    return meter;
  }

  /**
   * Returns the Resilience4j registries of this client, one circuit breaker, time limiter and
   * bulkhead per endpoint under its name, to bind to your metrics.
   */
  public Resilience4jRegistries resilience4j() {
    return failover.registries();
  }

  /**
   * Ends every running call with an {@link LlmException}, ends health checks and loads, closes all
   * connections and releases the client's own threads. The idle daemon threads that connect are
   * shared by all clients in the JVM, and end within a minute. An {@link OkHttpClient} of yours
   * stays open. Closing again has no effect.
   *
   * <p>With a {@link Builder#usageLog} it waits at most 1 s for the calls to end, 5 s for the log
   * to take the rows that are left, and 1 s for the spill file, without ending at an interrupt.
   * What the log has not taken by then is spilled, or lost and counted. With a {@link
   * Builder#budgetStore} that may block it waits at most 1 s for the calls to end, and 2 s for the
   * store to take what is not settled.
   *
   * <p>A server that loads its model on demand stops loading when the load is ended: a program that
   * ends before its model is loaded finds it cold again the next time.
   */
  @Override
  public void close() {
    closed = true;
    // Each by itself, so that an error at one does not keep the others open.
    for (CancellationToken token : running) {
      UserCode.ignore(() -> token.cancel(CLOSED));
    }
    UserCode.ignore(failover::close);
    UserCode.ignore(workers::shutdown);
    endIfNoneRuns();
    if (usageLog != null) {
      usageLog.close(callsEnded);
    }
    UserCode.ignore(() -> budgets.close(callsEnded));
    UserCode.ignore(time::close);
    UserCode.ignore(transport::close);
  }

  @Override
  public String toString() {
    return "LlmClient" + settings.endpoints;
  }

  /** Builds an {@link LlmClient}. Not safe for use by several threads. */
  public static final class Builder {
    private final List<Endpoint> endpoints = new ArrayList<>();
    private final List<LlmListener> listeners = new ArrayList<>();
    private final List<Consumer<ChatRequest.Builder>> defaults = new ArrayList<>();
    private int maxRepeatsPerSession = LoopGuard.DEFAULT;
    private MaxTokensCeiling maxTokensAtMost = new MaxTokensCeiling(MaxTokensCeiling.DEFAULT);
    private @Nullable Duration deadline;
    private @Nullable Duration hedgeAfter;
    private @Nullable Double maxHedgedShare;
    private @Nullable OkHttpClient httpClient;
    private @Nullable PriceList prices;
    private @Nullable String baseline;
    private @Nullable Price baselinePrice;
    private final List<Budget> budgets = new ArrayList<>();
    private @Nullable BudgetStore budgetStore;
    private @Nullable UsageLog usageLog;
    private @Nullable Path usageLogSpill;
    private @Nullable TimeSource time;
    private @Nullable ExecutorService workers;

    private Builder() {}

    private Builder(Builder other) {
      endpoints.addAll(other.endpoints);
      listeners.addAll(other.listeners);
      defaults.addAll(other.defaults);
      maxTokensAtMost = other.maxTokensAtMost;
      maxRepeatsPerSession = other.maxRepeatsPerSession;
      deadline = other.deadline;
      hedgeAfter = other.hedgeAfter;
      maxHedgedShare = other.maxHedgedShare;
      httpClient = other.httpClient;
      prices = other.prices;
      baseline = other.baseline;
      baselinePrice = other.baselinePrice;
      budgets.addAll(other.budgets);
      budgetStore = other.budgetStore;
      usageLog = other.usageLog;
      usageLogSpill = other.usageLogSpill;
      time = other.time;
      workers = other.workers;
    }

    /** Adds an endpoint. The order of the calls is the order of preference. */
    public Builder endpoint(Endpoint endpoint) {
      endpoints.add(Objects.requireNonNull(endpoint, "endpoint"));
      return this;
    }

    /** Adds what the process's environment variables configure; see {@link LlmClient#fromEnv()}. */
    public Builder fromEnv() {
      return fromEnv(System.getenv());
    }

    /**
     * Adds what {@code environment} configures: endpoints, and the deadline, hedging, token limits,
     * prices, baseline, budgets and the usage log if set.
     */
    public Builder fromEnv(Map<String, String> environment) {
      Environment read = Environment.read(environment, LiteLlmConfig::read);
      read.endpoints().forEach(this::endpoint);
      read.hedgeAfter().ifPresent(this::hedgeAfter);
      read.prices().ifPresent(this::prices);
      read.baseline().ifPresent(this::baseline);
      read.budgets().forEach(this::budget);
      read.usageLog().ifPresent(this::usageLog);
      read.maxTokens().ifPresent(tokens -> defaults(request -> request.maxTokens(tokens)));
      read.maxTokensAtMost().ifPresent(this::maxTokensAtMost);
      read.maxRepeatsPerSession().ifPresent(this::maxRepeatsPerSession);
      return read.deadline().map(this::deadline).orElse(this);
    }

    /**
     * Adds the endpoints and the budget of a file; see {@link LlmClient#fromLiteLlmConfig(Path)}.
     */
    public Builder fromLiteLlmConfig(Path file, Map<String, String> environment) {
      return fromLiteLlmGroup(file, null, environment);
    }

    /** Adds the endpoints of the group {@code modelName} of a file, and its budget. */
    public Builder fromLiteLlmConfig(Path file, String modelName, Map<String, String> environment) {
      return fromLiteLlmGroup(file, Objects.requireNonNull(modelName, "modelName"), environment);
    }

    private Builder fromLiteLlmGroup(
        Path file, @Nullable String modelName, Map<String, String> environment) {
      Objects.requireNonNull(file, "file");
      Objects.requireNonNull(environment, "environment");
      FileContents contents = LiteLlmConfig.read(file, modelName, "modelName", environment);
      contents.endpoints().forEach(this::endpoint);
      contents.budgets().forEach(this::budgetOnce);
      return this;
    }

    /** Adds the budget of a file, of which two groups may be added. */
    private void budgetOnce(Budget given) {
      if (budgets.stream().map(Budget::toString).noneMatch(given.toString()::equals)) {
        budget(given);
      }
    }

    /**
     * Sets the limit of a whole call, every endpoint, retry and wait included, unless the request
     * has its own: from 1 ms to 24 h. It is never exceeded, and time is kept back for the endpoints
     * still to come. Default: the sum of all that the endpoints may take, and 250 ms between each;
     * for each its timeout once for every attempt, 10 s for the back-off before every retry, and
     * its {@link Endpoint.Builder#maxWait}. Without a deadline, each endpoint has at least its own
     * timeout, whatever happened before.
     */
    public Builder deadline(Duration deadline) {
      this.deadline = Preconditions.timeSpan("deadline", deadline);
      return this;
    }

    /**
     * Sets defaults for requests, such as {@code request ->
     * request.maxTokens(4096).temperature(0.2)}. A setting of the request wins; then one of the
     * endpoint ({@link Endpoint.Builder#defaults}); then these; then the defaults of {@link
     * ChatRequest}. Tags are merged by key; checks are taken all together or not at all. {@code
     * selfHostedOnly} cannot be undone by a request; a {@code onBrokenStream} does not hold for a
     * conversation with a tool's result. Messages, tools and an answer schema are rejected.
     *
     * <p>Further calls add to earlier ones; the last value of a setting wins.
     *
     * @param defaults sets them on an empty request; called when the client is built
     */
    public Builder defaults(Consumer<ChatRequest.Builder> defaults) {
      this.defaults.add(Objects.requireNonNull(defaults, "defaults"));
      return this;
    }

    /**
     * Sets the ceiling of {@code maxTokens}: from 1 to 1,000,000, default 8192. A request above it
     * is an {@link IllegalArgumentException} before anything is sent; a default of the client or of
     * an endpoint above it is rejected by {@link #build()}, and so is a ceiling below 1024 where a
     * server has that for a default. There is no way to ask for an unlimited answer.
     */
    public Builder maxTokensAtMost(int maxTokensAtMost) {
      this.maxTokensAtMost = new MaxTokensCeiling(maxTokensAtMost);
      return this;
    }

    /**
     * Sets how often the same conversation may be sent within a {@link
     * ChatRequest.Builder#session}: at least 1, default 10. That is more than a person asks for
     * another answer, and soon enough to stop a program that goes round in circles: an agent that
     * gets on sends a longer conversation each time. The next such call is a {@link
     * LoopDetectedException} before any endpoint is asked.
     *
     * <p>A conversation is the messages, tool calls and results included. Each {@code chat}, {@code
     * chatAsync}, {@code stream} and subscriber of {@code publish} counts once, whatever its
     * outcome; retries and further endpoints of a call do not count. A client remembers the last
     * 10,000 sessions that were used, and the last 100 conversations of each, as 64 bits of a keyed
     * hash: no prompt is kept. Another client, and another process, count for themselves.
     */
    public Builder maxRepeatsPerSession(int maxRepeatsPerSession) {
      this.maxRepeatsPerSession = LoopGuard.checked(maxRepeatsPerSession);
      return this;
    }

    /**
     * Sets the silence after which the next endpoint is asked too: from 1 ms to 24 h, from the
     * dispatch of the attempt; the first complete answer is taken, and the other connection closed.
     * A half-open endpoint is hedged at once, so that the caller does not wait for the trial; such
     * calls are not counted. Default: off.
     *
     * <p>Hedging costs a second answer, and money on a managed endpoint, so at most one call in ten
     * is hedged; see {@link #maxHedgedShare}. Never asked as the second are endpoints that are
     * DOWN, those that the request forbids, and functions with all that follow one in the list.
     * Applies to {@code chat} and {@code chatAsync}; a stream has one endpoint at a time.
     */
    public Builder hedgeAfter(Duration hedgeAfter) {
      this.hedgeAfter = Preconditions.timeSpan("hedgeAfter", hedgeAfter);
      return this;
    }

    /**
     * Sets the largest share of all calls that is hedged: more than 0, at most 1; default 0.1.
     * Calls that are not hedged save their part for up to ten that are, so that a slow minute is
     * covered. Trials are not counted. Needs a {@link #hedgeAfter}.
     */
    public Builder maxHedgedShare(double share) {
      if (!(share > 0 && share <= 1)) {
        throw new IllegalArgumentException(
            "maxHedgedShare must be more than 0 and at most 1, was " + share);
      }
      this.maxHedgedShare = share;
      return this;
    }

    private @Nullable HedgingPolicy hedgingPolicy(Executor workers) {
      double share = maxHedgedShare == null ? 0.1 : maxHedgedShare;
      return hedgeAfter == null ? null : new HedgingPolicy(hedgeAfter, share, workers);
    }

    /**
     * Sets a list of prices for managed endpoints that have no {@link Endpoint.Builder#price} of
     * their own. The file is read when the client is built. Default: none.
     */
    public Builder prices(PriceList prices) {
      this.prices = Objects.requireNonNull(prices, "prices");
      return this;
    }

    /**
     * Sets the endpoint whose price counts as what a call would have cost; see {@link
     * ChatResponse#saved()}. Replaces an earlier baseline. Default: none.
     *
     * @param endpoint the name of an endpoint of this client, whose price must be known
     */
    public Builder baseline(String endpoint) {
      this.baseline = Objects.requireNonNull(endpoint, "endpoint");
      this.baselinePrice = null;
      return this;
    }

    /** Sets the price that counts as what a call would have cost; see {@link #baseline(String)}. */
    public Builder baseline(Price price) {
      this.baselinePrice = Objects.requireNonNull(price, "price");
      this.baseline = null;
      return this;
    }

    /**
     * Adds a budget. A request must fit into every one that it falls under, before it is sent:
     * first attempts, retries, hedges and repair turns alike. A budget never lets a request go
     * where it may not. Default: none.
     */
    public Builder budget(Budget budget) {
      budgets.add(Objects.requireNonNull(budget, "budget"));
      return this;
    }

    /**
     * Sets where the counts of budgets are kept. Default: {@link BudgetStore#inMemory()}, so that
     * they begin anew with each client.
     */
    public Builder budgetStore(BudgetStore budgetStore) {
      this.budgetStore = Objects.requireNonNull(budgetStore, "budgetStore");
      return this;
    }

    private BudgetStore budgetStore() {
      return budgetStore == null ? BudgetStore.inMemory() : budgetStore;
    }

    /**
     * Sets the log that gets a row for each attempt that has ended, without prompt and answer. It
     * is written in the background: no call waits for it or fails with it. Default: none.
     */
    public Builder usageLog(UsageLog usageLog) {
      this.usageLog = Objects.requireNonNull(usageLog, "usageLog");
      return this;
    }

    /**
     * Sets a file, of at most 64 MiB, for rows of which there are more than 10,000 in memory
     * because the {@link #usageLog} does not work or is too slow, and for those that it has not
     * taken when the client is closed. They are handed over, and removed, when it works again: by
     * this client or by the next with this file. Only one client at a time uses a spill file; rows
     * of another are lost instead. Default: none, so that such rows are lost.
     *
     * @param file is created, for its owner only, when it is needed
     * @throws IllegalArgumentException if the file cannot be written
     */
    public Builder usageLogSpill(Path file) {
      this.usageLogSpill = UsageLogWriter.checkedSpill(Objects.requireNonNull(file, "file"));
      return this;
    }

    /** Adds a listener; the one that writes the log stays. */
    public Builder listener(LlmListener listener) {
      listeners.add(Objects.requireNonNull(listener, "listener"));
      return this;
    }

    /**
     * Sets the client whose TLS, proxy, DNS, socket factory and interceptors are used. Its
     * redirects, cookies, cache, timeouts, protocols (HTTP/1.1 only) and connection pool are not:
     * the library sets its own. With a socket factory of its own or a SOCKS proxy, an interrupt is
     * noticed only when the next bytes or clock come. Its interceptors run on the thread of the
     * call, so that they find its tracing context, and must not block: no timeout ends them.
     * Default: a new one.
     */
    public Builder httpClient(OkHttpClient httpClient) {
      this.httpClient = Objects.requireNonNull(httpClient, "httpClient");
      return this;
    }

    /**
     * Returns the time source: the machine's, unless the test kit has handed over another as a
     * listener, since applications have no method for it.
     */
    private TimeSource timeSource() {
      return time != null
          ? time
          : listeners.stream()
              .filter(TimeSource.class::isInstance)
              .map(TimeSource.class::cast)
              .findFirst()
              .orElseGet(TimeSource::system);
    }

    /** Sets the time source, for tests. */
    Builder time(TimeSource time) {
      this.time = time;
      return this;
    }

    /** Sets the worker threads, for tests. */
    Builder workers(ExecutorService workers) {
      this.workers = workers;
      return this;
    }

    private List<EndpointConfig> configs(RequestDefaults defaults) {
      List<EndpointConfig> configs = new ArrayList<>();
      for (Endpoint endpoint : endpoints) {
        boolean firstOfMany = configs.isEmpty() && endpoints.size() > 1;
        configs.add(endpoint.toConfig(firstOfMany, defaults));
      }
      return configs;
    }

    /**
     * Returns the client. Opens no connection.
     *
     * @throws IllegalArgumentException if a default for requests has a wrong value, or the list of
     *     prices cannot be read
     * @throws IllegalStateException if there is no endpoint, the defaults have what only a request
     *     can have, two have one name, a default of {@code maxTokens} is above {@code
     *     maxTokensAtMost}, an endpoint's first-token limit is longer than the timeout that its
     *     position in the list gives it, there is a {@code maxHedgedShare} without a {@code
     *     hedgeAfter}, a {@code usageLogSpill} without a {@code usageLog} or in its file, prices or
     *     upkeeps are in two currencies, the baseline has no price, or a library that it needs is
     *     missing or too old
     */
    public LlmClient build() {
      if (endpoints.isEmpty()) {
        throw new IllegalStateException("endpoints must not be empty: add at least one");
      }
      if (maxHedgedShare != null && hedgeAfter == null) {
        throw new IllegalStateException("maxHedgedShare must have a hedgeAfter: hedging is off");
      }
      checkSpill(usageLog, usageLogSpill);
      Set<String> names = new HashSet<>();
      for (Endpoint endpoint : endpoints) {
        if (!names.add(endpoint.name())) {
          throw new IllegalStateException("endpoint '" + endpoint.name() + "' is configured twice");
        }
      }
      Dependencies.check();
      if (endpoints.stream().anyMatch(Endpoint::isServer)) {
        Dependencies.checkForServers();
      }
      return new LlmClient(new Builder(this));
    }

    private static void checkSpill(@Nullable UsageLog log, @Nullable Path spill) {
      if (spill != null && log == null) {
        throw new IllegalStateException("usageLogSpill must have a usageLog: there is none");
      }
      if (spill != null && log != null && log.writesTo(spill)) {
        throw new IllegalStateException(
            "usageLogSpill must be another file than the usageLog's, was " + spill);
      }
    }
  }
}
