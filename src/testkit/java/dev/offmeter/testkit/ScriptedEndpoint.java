// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.testkit;

import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse.ToolCall;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import java.time.Duration;
import java.util.List;
import java.util.Objects;

/**
 * An endpoint without a socket, which answers and fails as a test tells it, with any {@link
 * FailureKind}. The client treats it like a server of yours: its timeouts, retries, circuit
 * breaker, bulkhead, budgets and prices work as ever.
 *
 * <pre>{@code
 * LlmClient client =
 *     LlmClient.builder()
 *         .endpoint(ScriptedEndpoint.fails("node", FailureKind.RATE_LIMITED).build())
 *         .endpoint(ScriptedEndpoint.answers("paid", "Dear Ms Kern").build())
 *         .build();
 * }</pre>
 *
 * <p>Its script is that of {@link FakeLlm}: steps, of which each is for one call or {@link #times}
 * as many, and the last for all that follow. There are no health checks; {@link FakeLlm} has them,
 * and the requests as they go over the wire.
 *
 * <p>Safe for use by many threads.
 */
public final class ScriptedEndpoint {
  private final String name;
  private final Script script = new Script(Step.byDefault());
  private final ScriptedExchanges exchanges = new ScriptedExchanges(script);

  private ScriptedEndpoint(String name) {
    this.name = Objects.requireNonNull(name, "name");
  }

  /**
   * Returns an endpoint that gives a fixed answer until it is told otherwise.
   *
   * @param name what it is called in attempts; unique in a client
   */
  public static ScriptedEndpoint named(String name) {
    return new ScriptedEndpoint(name);
  }

  /** Returns an endpoint that answers with this text; see {@link #answers(String)}. */
  public static ScriptedEndpoint answers(String name, String text) {
    return named(name).answers(text);
  }

  /** Returns an endpoint that fails with this kind; see {@link #fails(FailureKind)}. */
  public static ScriptedEndpoint fails(String name, FailureKind kind) {
    return named(name).fails(kind);
  }

  /**
   * Answers with this text, in one piece.
   *
   * @param text not empty
   */
  public ScriptedEndpoint answers(String text) {
    return add(Step.answer("answers", Pieces.text(text)));
  }

  /**
   * Answers in these pieces.
   *
   * @param pieces at least one; none is empty
   */
  public ScriptedEndpoint streams(String... pieces) {
    return add(Step.answer("streams", Pieces.texts(pieces)));
  }

  /**
   * Answers with tool calls and no text.
   *
   * @param calls at least one
   */
  public ScriptedEndpoint callsTools(ToolCall... calls) {
    return add(Step.answer("callsTools", Pieces.toolCalls(calls)));
  }

  /**
   * Fails with this kind, before the first piece. What the call then does, and what becomes of the
   * endpoint, follows from the kind as ever: {@code CONTENT_FILTERED}, for one, ends the call.
   */
  public ScriptedEndpoint fails(FailureKind kind) {
    Objects.requireNonNull(kind, "kind");
    return add(Step.error("fails", Step.Failure.ofKind(kind)));
  }

  /**
   * Sends nothing until the client gives up, at once with a {@link ManualClock}. {@link
   * FailureKind#ATTEMPT_TIMEOUT}, or {@link FailureKind#FIRST_TOKEN_TIMEOUT} if that limit is
   * shorter.
   */
  public ScriptedEndpoint hangs() {
    return add(Step.gone("hangs", Step.Outcome.SILENCE));
  }

  private ScriptedEndpoint add(Step step) {
    script.add(step);
    return this;
  }

  /**
   * Adds thinking before the answer of the last step.
   *
   * @param pieces at least one; none is empty
   * @throws IllegalStateException if that step is no answer
   */
  public ScriptedEndpoint thinks(String... pieces) {
    script.think(pieces);
    return this;
  }

  /**
   * Cuts the last step's answer off after some pieces. {@link FailureKind#TRUNCATED}, or {@link
   * FailureKind#CONNECTION_LOST} after 0 pieces.
   *
   * @param pieces from 0 to as many as the answer has, thinking and tool calls included
   * @throws IllegalStateException if that step is no answer
   */
  public ScriptedEndpoint cutsAfter(int pieces) {
    script.end(
        "cutsAfter",
        Step.Ending.ERROR,
        pieces,
        Step.Failure.ofKind(pieces == 0 ? FailureKind.CONNECTION_LOST : FailureKind.TRUNCATED));
    return this;
  }

  /**
   * Sends nothing more after some pieces of the last step's answer. {@link FailureKind#STALLED}, or
   * as {@link #hangs} after 0 pieces.
   *
   * @param pieces from 0 to as many as the answer has, thinking and tool calls included
   * @throws IllegalStateException if that step is no answer
   */
  public ScriptedEndpoint stallsAfter(int pieces) {
    script.end("stallsAfter", Step.Ending.STALL, pieces, null);
    return this;
  }

  /**
   * Fails with this kind after some pieces of the last step's answer.
   *
   * @param pieces from 0 to as many as the answer has, thinking and tool calls included
   * @throws IllegalStateException if that step is no answer
   */
  public ScriptedEndpoint failsAfter(int pieces, FailureKind kind) {
    Objects.requireNonNull(kind, "kind");
    script.end("failsAfter", Step.Ending.ERROR, pieces, Step.Failure.ofKind(kind));
    return this;
  }

  /**
   * Lets the failure of the last step ask for a wait, as {@code Retry-After} does.
   *
   * @param wait from 1 ms to 24 h
   * @throws IllegalStateException if that step has no failure of a kind
   */
  public ScriptedEndpoint retryAfter(Duration wait) {
    Objects.requireNonNull(wait, "wait");
    if (wait.toMillis() < 1 || wait.compareTo(Duration.ofHours(24)) > 0) {
      throw new IllegalArgumentException("wait must be from 1 ms to PT24H, was " + wait);
    }
    script.amend(
        "retryAfter",
        step -> {
          Step.Failure failure = step.failure();
          if (failure == null) {
            throw new IllegalStateException(
                "retryAfter must follow a failure, followed " + step.name());
          }
          return step.withFailure(new Step.Failure(0, null, failure.kind(), wait));
        });
    return this;
  }

  /**
   * Gives the last step to this many calls before the next step follows.
   *
   * @param calls at least 1; default 1
   */
  public ScriptedEndpoint times(int calls) {
    script.times(calls);
    return this;
  }

  /** Lets the next method add a step to the script, instead of beginning a new one. */
  public ScriptedEndpoint then() {
    script.append();
    return this;
  }

  /** Begins with the first step again after the last, instead of staying with it. */
  public ScriptedEndpoint repeats() {
    script.repeat();
    return this;
  }

  /** Goes back to the fixed answer, and forgets what was asked. */
  public ScriptedEndpoint reset() {
    script.goBackTo(new Script(Step.byDefault()));
    exchanges.forget();
    return this;
  }

  /**
   * Returns a builder of the endpoint, for settings such as its timeout. It has a model, and counts
   * as self-hosted unless {@code locality} says otherwise.
   */
  public Endpoint.Builder endpoint() {
    return Endpoint.ollama(name, "https://scripted.invalid")
        .model("fake-model")
        .header("X-Scripted", exchanges);
  }

  /** Returns the endpoint with the default settings. */
  public Endpoint build() {
    return endpoint().build();
  }

  /** Returns the requests in the order of their arrival, with the endpoint's defaults filled in. */
  public List<ChatRequest> requests() {
    return exchanges.requests();
  }

  /** Returns how often the endpoint was asked: once for each attempt. */
  public int askedTimes() {
    return exchanges.requests().size();
  }

  /**
   * Waits until the endpoint has been asked this often. A request with {@link #stallsAfter} counts
   * once the reader has the pieces before it, so that the time may be moved then.
   *
   * @return the last of these requests
   * @throws IllegalArgumentException if {@code requests} is less than 1
   * @throws AssertionError if they have not come within 10 s
   * @throws InterruptedException if the thread is interrupted
   */
  public ChatRequest awaitRequest(int requests) throws InterruptedException {
    return exchanges.await(requests);
  }

  /** Returns the name. */
  @Override
  public String toString() {
    return "ScriptedEndpoint[" + name + "]";
  }
}
