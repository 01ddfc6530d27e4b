// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.observe;

import dev.offmeter.Attempt;
import dev.offmeter.ChatResponse;
import dev.offmeter.LlmException;
import dev.offmeter.guard.BudgetStatus;
import java.util.Map;
import java.util.function.UnaryOperator;

/**
 * Receives the events of a client. Every method does nothing by default.
 *
 * <ul>
 *   <li>Each {@link #onCallStarted} is followed by exactly one {@link #onCallAnswered} or {@link
 *       #onCallFailed} of the same call.
 *   <li>Between them, each {@link #onAttemptStarted} is followed by exactly one {@link
 *       #onAttemptEnded}, and an endpoint that is skipped gives an {@link #onAttemptSkipped}.
 *   <li>{@link #onEndpointChanged} and {@link #onQueueAlert} belong to no call.
 * </ul>
 *
 * <p>Methods are called on the thread that runs the call (for a stream, the one that reads or
 * closes it; for a change caused by a health check, and for a hedged attempt, one of the client's
 * own), by many threads at once: be thread-safe and quick. The events of one call come one at a
 * time; with hedging, two of its attempts may be running. The time that a method takes delays the
 * call, and no timeout ends it. What a method throws is logged and otherwise ignored.
 */
public interface LlmListener {
  /** Something that is in effect on one thread until it is closed there. */
  @FunctionalInterface
  interface Scope extends AutoCloseable {
    /** A scope without effect. */
    Scope NONE = () -> {};

    @Override
    void close();
  }

  /**
   * The request's tag by which the adapters for other libraries mark their calls; its value is
   * {@code langchain4j} or {@code spring-ai}. Those libraries have listeners of their own that
   * count a call: a listener that counts calls too leaves these out, and counts their attempts.
   */
  String ADAPTER_TAG = "offmeter.adapter";

  /**
   * Returns the listener that a client notifies in place of this one: called when the client is
   * built. For a listener that keeps something for each call, because two clients count their calls
   * from one, and a client that is built from another one's settings has its listeners. Default:
   * this.
   */
  default LlmListener forClient() {
    return this;
  }

  /**
   * Returns what runs a task in the context of the present thread, such as that of a trace. Called
   * on the caller's thread by {@code chatAsync} and {@code publish}, whose work is done on threads
   * of the client's; what it returns may be used any number of times, by any thread. Default: the
   * task as it is.
   */
  default UnaryOperator<Runnable> captureContext() {
    return UnaryOperator.identity();
  }

  /**
   * Opens what is to be in effect while the request is sent and the first piece of its answer is
   * waited for, such as the context of a trace, so that interceptors of the HTTP client find it.
   * Called after {@link #onAttemptStarted}, on the thread that sends, which closes it too: that of
   * the call, or of its hedge. Default: nothing.
   */
  default Scope openScope(long call, String endpoint) {
    return Scope.NONE;
  }

  /**
   * Called when a call begins.
   *
   * @param call a number that tells this client's calls apart
   * @param tags the request's labels
   */
  default void onCallStarted(long call, Map<String, String> tags) {}

  /** Called when an endpoint is about to be asked. */
  default void onAttemptStarted(long call, String endpoint, String model) {}

  /** Called when an endpoint has answered or failed. */
  default void onAttemptEnded(long call, Attempt attempt) {}

  /**
   * Called when an endpoint was not asked: it is DOWN or loading its model, its bulkhead or its
   * requests of the minute are used up, the request must not be sent there, or there is no time
   * left.
   */
  default void onAttemptSkipped(long call, Attempt attempt) {}

  /**
   * Called when the call moves on from a failed or skipped attempt to the endpoint named {@code
   * next}.
   */
  default void onFallback(long call, Attempt attempt, String next) {}

  /**
   * Called when a stream takes back what it has shown, and begins again: after {@link
   * #onAttemptEnded}, or, when the text of an attempt that goes on turned out to be no part of its
   * answer, in the midst of it.
   *
   * @param attempt the attempt whose text is void, and why
   */
  default void onStreamRestarted(long call, Attempt attempt) {}

  /** Called when the call ends with an answer. */
  default void onCallAnswered(long call, ChatResponse response) {}

  /** Called when the call ends with an exception. */
  default void onCallFailed(long call, LlmException exception) {}

  /**
   * Called when an answer without end was stopped, once for the attempt and right after its {@link
   * #onAttemptEnded}.
   */
  default void onRunawayStopped(long call, Runaway runaway) {}

  /**
   * Called once in each window when a share of a budget's limit is spent: one of {@link
   * dev.offmeter.guard.Budget#alertAt}, or all of it; and once when a request did not fit, however
   * little is spent.
   *
   * @param share of the limit, at most 1; 1 for a request that did not fit
   */
  default void onBudgetAlert(BudgetStatus budget, double share) {}

  /**
   * Called once in each episode in which requests wait longer for a first token than they did at
   * the same endpoint in like load: when of its last ten answers the middle one waited more than
   * twice as long as 95 of a hundred before. The episode ends when the middle one is within that
   * time again, or after two hundred answers, from which on the wait is the usual one. Called after
   * the events of the call whose answer was the last of the ten.
   */
  default void onQueueAlert(QueueAlert alert) {}

  /** Called when an endpoint's state has changed. */
  default void onEndpointChanged(EndpointChange change) {}
}
