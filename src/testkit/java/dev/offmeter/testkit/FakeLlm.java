// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.testkit;

import dev.offmeter.ChatResponse.ToolCall;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.function.BiFunction;

/**
 * A server of one of the APIs that Offmeter speaks, on a loopback port, which answers and fails as
 * a test tells it. It listens from its creation on, and gives a fixed answer until it is told
 * otherwise.
 *
 * <pre>{@code
 * @RegisterExtension final FakeLlm node = FakeLlm.ollama();
 *
 * @Test
 * void fallsBackWhenTheNodeDiesInMidAnswer() {
 *   node.streams("Dear", " Ms Kern").cutsAfter(1);
 *   ...
 * }
 * }</pre>
 *
 * <p>A <em>script</em> is made of steps. {@link #answers}, {@link #streams}, {@link #callsTools},
 * {@link #hangs}, {@link #refuses}, {@link #html}, {@link #tunnelDown}, {@link #status} and {@link
 * #rateLimited} begin a new script with one step, which every call from then on gets; after {@link
 * #then()} they add a step instead. Each step is for one call, or {@link #times} as many, and the
 * last for all that follow. {@link #thinks}, {@link #cutsAfter}, {@link #stallsAfter}, {@link
 * #failsAfter}, {@link #healthChecksPass} and {@link #times} change the step before them. {@link
 * #loadsFor} and {@link #oneSlot} are about the server as a whole, whatever the script.
 *
 * <p>Health checks and other questions about the server take no step. They are answered as by a
 * server that is well, except where the whole server is out of reach; each step says so.
 *
 * <p>JUnit 5 and 6: registered in a static field, it runs for the test class; in an instance field,
 * for each test. After a test the server is set up as it was at its beginning, what was asked is
 * forgotten, and the port is closed at the end. Without JUnit, close it yourself.
 *
 * <p>Safe for use by many threads: a test may change the script while calls are in progress, which
 * keep the step that they got.
 */
public sealed class FakeLlm implements AutoCloseable permits JUnitFakeLlm {
  private static final String MODEL = "fake-model";

  private final BiFunction<String, String, Endpoint.Builder> endpoint;
  private final CallHandler handler;
  private final LoopbackServer server;
  private volatile boolean closed;

  FakeLlm(List<Api> apis, BiFunction<String, String, Endpoint.Builder> endpoint) {
    this.endpoint = endpoint;
    this.handler = new CallHandler(apis, Step.byDefault(), MODEL);
    this.server = new LoopbackServer(handler::handle);
    handler.onRefusal(server::refuse);
  }

  /** Starts an Ollama, with its native API and its OpenAI-compatible one. */
  public static FakeLlm ollama() {
    return start(List.of(new OllamaApi(), new OpenAiApi()), Endpoint::ollama);
  }

  /** Starts a server with OpenAI's chat completions. */
  public static FakeLlm openAi() {
    return start(List.of(new OpenAiApi()), Endpoint::openAi);
  }

  /** Starts a server with Gemini's native API. */
  public static FakeLlm gemini() {
    return start(List.of(new GeminiApi()), Endpoint::gemini);
  }

  /** Starts a server with Anthropic's Messages API. */
  public static FakeLlm anthropic() {
    return start(List.of(new AnthropicApi()), Endpoint::anthropic);
  }

  private static FakeLlm start(
      List<Api> apis, BiFunction<String, String, Endpoint.Builder> endpoint) {
    // The extension is a class of its own, which is not loaded where JUnit is absent.
    return JUnitPresence.IS_THERE
        ? JUnitPresence.Extensions.create(apis, endpoint)
        : new FakeLlm(apis, endpoint);
  }

  /** Returns the base URL, such as {@code http://127.0.0.1:41234}; the port is free at creation. */
  public String url() {
    return "http://127.0.0.1:" + server.port();
  }

  /** Returns a builder of an endpoint that asks this server, with a model. */
  public Endpoint.Builder endpoint(String name) {
    return endpoint.apply(Objects.requireNonNull(name, "name"), url()).model(MODEL);
  }

  /**
   * Answers with this text, in one piece where a stream is asked for.
   *
   * @param text not empty
   */
  public FakeLlm answers(String text) {
    return add(Step.answer("answers", Pieces.text(text)));
  }

  /**
   * Answers in these pieces where a stream is asked for, and with all of them together where not.
   *
   * @param pieces at least one; none is empty
   */
  public FakeLlm streams(String... pieces) {
    return add(Step.answer("streams", Pieces.texts(pieces)));
  }

  /**
   * Answers with tool calls and no text.
   *
   * @param calls at least one
   */
  public FakeLlm callsTools(ToolCall... calls) {
    return add(Step.answer("callsTools", Pieces.toolCalls(calls)));
  }

  /**
   * Takes the request and sends nothing, until the client gives up. Health checks get no reply
   * either, as from a machine that is frozen; {@link #healthChecksPass} is for a model that hangs
   * while its server lives. {@link FailureKind#ATTEMPT_TIMEOUT}, {@link
   * FailureKind#FIRST_TOKEN_TIMEOUT} if that limit is shorter, or {@link FailureKind#UNRESPONSIVE}
   * where there is time for a health check.
   */
  public FakeLlm hangs() {
    return add(Step.gone("hangs", Step.Outcome.SILENCE));
  }

  /**
   * Refuses connections, as a machine does on which no server runs: the port is closed, though kept
   * for this process, and connections are reset. Must be the last step, since nothing tells how
   * often a closed port was asked: script what follows when the server is to be back. {@link
   * FailureKind#CONNECTION_REFUSED}.
   */
  public FakeLlm refuses() {
    add(Step.gone("refuses", Step.Outcome.REFUSAL));
    if (handler.isRefusing()) {
      server.resetAll();
    }
    return this;
  }

  /**
   * Answers with an HTML page of a login and HTTP 200, health checks too, as a hotel's network or a
   * proxy does. {@link FailureKind#UNEXPECTED_RESPONSE}.
   */
  public FakeLlm html() {
    return add(Step.gone("html", Step.Outcome.PAGE));
  }

  /**
   * Answers as Cloudflare does when no tunnel is connected, health checks too: HTTP 530 with error
   * 1033. {@link FailureKind#TUNNEL_DOWN}.
   */
  public FakeLlm tunnelDown() {
    return add(Step.gone("tunnelDown", Step.Outcome.NO_TUNNEL));
  }

  /**
   * Answers with an HTTP error in the form of the API, with the words that such servers use for
   * this status: an unknown model for 404, a busy server for 503 and 529. Health checks pass.
   *
   * @param status from 400 to 599
   */
  public FakeLlm status(int status) {
    checkStatus(status);
    return add(Step.error("status", new Step.Failure(status, null, null, null)));
  }

  /**
   * Answers with an HTTP error and this body. Health checks pass.
   *
   * @param status from 400 to 599
   * @param body sent as JSON if it begins with a brace or a bracket, as plain text otherwise
   */
  public FakeLlm status(int status, String body) {
    Objects.requireNonNull(body, "body");
    checkStatus(status);
    return add(Step.error("status", new Step.Failure(status, body, null, null)));
  }

  private static void checkStatus(int status) {
    if (status < 400 || status > 599) {
      throw new IllegalArgumentException("status must be from 400 to 599, was " + status);
    }
  }

  /**
   * Answers with HTTP 429 and the time to wait, in the header {@code Retry-After} or, for Gemini,
   * in the body. Health checks pass. {@link FailureKind#RATE_LIMITED}.
   *
   * @param wait from 1 s to 24 h, sent in whole seconds
   */
  public FakeLlm rateLimited(Duration wait) {
    checkBetween("wait", wait, Duration.ofSeconds(1));
    return add(Step.error("rateLimited", new Step.Failure(429, null, null, wait)));
  }

  private static void checkBetween(String field, Duration value, Duration least) {
    Objects.requireNonNull(value, field);
    if (value.compareTo(least) < 0 || value.compareTo(Duration.ofHours(24)) > 0) {
      throw new IllegalArgumentException(
          field + " must be from " + least + " to PT24H, was " + value);
    }
  }

  private FakeLlm add(Step step) {
    handler.script().add(step);
    onScriptChanged();
    return this;
  }

  private void onScriptChanged() {
    if (closed) {
      return;
    }
    if (handler.isRefusing()) {
      server.refuse();
    } else {
      server.open();
    }
  }

  /**
   * Adds thinking before the answer of the last step.
   *
   * @param pieces at least one; none is empty
   * @throws IllegalStateException if that step is no answer
   */
  public FakeLlm thinks(String... pieces) {
    handler.script().think(pieces);
    return this;
  }

  /**
   * Closes the connection after some pieces of the last step's answer, as a server that dies.
   * {@link FailureKind#TRUNCATED}, or {@link FailureKind#CONNECTION_LOST} after 0 pieces.
   *
   * @param pieces from 0 to as many as the answer has, thinking and tool calls included
   * @throws IllegalStateException if that step is no answer
   */
  public FakeLlm cutsAfter(int pieces) {
    return end("cutsAfter", Step.Ending.CUT, pieces);
  }

  /**
   * Sends nothing more after some pieces of the last step's answer. Health checks pass. {@link
   * FailureKind#STALLED}, or as {@link #hangs} after 0 pieces.
   *
   * @param pieces from 0 to as many as the answer has, thinking and tool calls included
   * @throws IllegalStateException if that step is no answer
   */
  public FakeLlm stallsAfter(int pieces) {
    return end("stallsAfter", Step.Ending.STALL, pieces);
  }

  /**
   * Sends an error after some pieces of the last step's answer, within the HTTP 200; a client that
   * asked for no stream gets HTTP 500. {@link FailureKind#STREAM_ERROR}.
   *
   * @param pieces from 0 to as many as the answer has, thinking and tool calls included
   * @throws IllegalStateException if that step is no answer
   */
  public FakeLlm failsAfter(int pieces) {
    return end("failsAfter", Step.Ending.ERROR, pieces);
  }

  private FakeLlm end(String name, Step.Ending ending, int pieces) {
    handler.script().end(name, ending, pieces, null);
    return this;
  }

  /**
   * Lets health checks pass during the last step: the server lives while its calls do not.
   *
   * @throws IllegalStateException if that step is {@link #refuses}, where nothing listens
   */
  public FakeLlm healthChecksPass() {
    return health("healthChecksPass", true);
  }

  /**
   * Lets health checks fail during the last step, with HTTP 503 where the step has no failure of
   * its own for them.
   *
   * @throws IllegalStateException if that step is {@link #refuses}, where they fail anyway
   */
  public FakeLlm healthChecksFail() {
    return health("healthChecksFail", false);
  }

  private FakeLlm health(String name, boolean passes) {
    handler.script().health(name, passes);
    return this;
  }

  /**
   * Gives the last step to this many calls before the next step follows.
   *
   * @param calls at least 1; default 1
   * @throws IllegalStateException if that step is {@link #refuses}, which no call reaches
   */
  public FakeLlm times(int calls) {
    handler.script().times(calls);
    return this;
  }

  /** Lets the next method add a step to the script, instead of beginning a new one. */
  public FakeLlm then() {
    handler.script().append();
    return this;
  }

  /** Begins with the first step again after the last, instead of staying with it. */
  public FakeLlm repeats() {
    handler.script().repeat();
    return this;
  }

  /**
   * Lets the server have no model in memory from now on: the first request that needs it waits this
   * long for its load, without a byte, as with Ollama. The load is aborted when that request is
   * given up. Until then the list of loaded models is empty.
   *
   * @param load up to 24 h
   * @throws IllegalStateException if this is Gemini or Anthropic, where no model is loaded
   */
  public FakeLlm loadsFor(Duration load) {
    checkBetween("load", load, Duration.ZERO);
    handler.loadsFor(load);
    return this;
  }

  /**
   * Adds models to those that the server lists, which are that of {@link #endpoint} and any that
   * was asked for: the list is asked for first, and a model that is not in it counts as not loaded.
   *
   * @param models at least one, as the endpoints name them
   */
  public FakeLlm hasModels(String... models) {
    Pieces.models(models).forEach(handler::addModel);
    return this;
  }

  /**
   * Lets {@link #loadsFor} go by this clock instead of the machine's. A load that ends while the
   * clock is moved is seen some milliseconds later.
   */
  public FakeLlm time(ManualClock clock) {
    Objects.requireNonNull(clock, "clock");
    handler.time(clock::nanos);
    return this;
  }

  /** Lets the server serve one call at a time from now on; others wait without a byte, in order. */
  public FakeLlm oneSlot() {
    handler.slots().one(true);
    return this;
  }

  /** Goes back to what a new server does, with the fixed answer, and forgets what was asked. */
  public FakeLlm reset() {
    handler.reset();
    onScriptChanged();
    return this;
  }

  CallHandler.Setup setup() {
    return handler.setup();
  }

  void goBackTo(CallHandler.Setup setup) {
    handler.goBackTo(setup);
    onScriptChanged();
  }

  void open() {
    closed = false;
    onScriptChanged();
  }

  /** Returns the calls in the order of their arrival, without health checks and other questions. */
  public List<FakeRequest> requests() {
    return handler.calls().all();
  }

  /** Returns how many calls have arrived. */
  public int askedTimes() {
    return requests().size();
  }

  /** Returns the health checks, loads and questions about the server and its models, in order. */
  public List<FakeRequest> probes() {
    return handler.probes().all();
  }

  /** Returns how often a load was begun, whether it was completed or given up. */
  public int loadsBegun() {
    return handler.loadsBegun();
  }

  /**
   * Waits until this many calls have arrived.
   *
   * @return the last of them
   * @throws IllegalArgumentException if {@code requests} is less than 1
   * @throws AssertionError if they have not arrived within 10 s
   * @throws InterruptedException if the thread is interrupted
   */
  public FakeRequest awaitRequest(int requests) throws InterruptedException {
    return handler.calls().await(requests);
  }

  /** Closes the port and every connection. The port may be another process's afterwards. */
  @Override
  public void close() {
    closed = true;
    server.close();
  }

  /** Returns the URL. */
  @Override
  public String toString() {
    return "FakeLlm[" + url() + "]";
  }
}
