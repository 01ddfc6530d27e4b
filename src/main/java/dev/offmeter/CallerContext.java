// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import dev.offmeter.internal.UserCode;
import dev.offmeter.observe.LlmListener;
import java.util.Map;
import java.util.concurrent.Executor;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import org.slf4j.MDC;

/**
 * The context of a caller's thread that goes with its work to other threads: the log's MDC, and
 * what listeners capture. May be used by any thread, any number of times.
 */
final class CallerContext {
  private final @Nullable Map<String, String> log;
  private final UnaryOperator<Runnable> ofListeners;

  private CallerContext(@Nullable Map<String, String> log, UnaryOperator<Runnable> ofListeners) {
    this.log = log;
    this.ofListeners = ofListeners;
  }

  /** Returns the context of the present thread. */
  static CallerContext capture(LlmListener listener) {
    return new CallerContext(logContext(), listener.captureContext());
  }

  private static @Nullable Map<String, String> logContext() {
    try {
      return UserCode.call(MDC::getCopyOfContextMap);
    } catch (UserCode.UserCodeException e) {
      return null;
    }
  }

  /** Returns an executor that runs its tasks on {@code workers}, in this context. */
  Executor on(Executor workers) {
    return task -> workers.execute(() -> run(task));
  }

  /** Runs a task in this context. */
  void run(Runnable task) {
    if (log != null) {
      UserCode.ignore(() -> MDC.setContextMap(log));
    }
    try {
      ofListeners.apply(task).run();
    } finally {
      UserCode.ignore(MDC::clear);
    }
  }
}
