// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import dev.offmeter.ChatRequest;
import dev.offmeter.internal.budget.CallBudgets;
import dev.offmeter.internal.time.CancellationToken;
import dev.offmeter.internal.time.TimeSource;
import java.util.List;

/**
 * Everything that the parts of one call share. It never changes, though what it holds does; a hedge
 * reads it on its own thread.
 *
 * @param endpoints in order of preference
 * @param token cancels the whole call
 * @param recorder hears of every attempt
 * @param sink is shown the answer while it comes
 * @param validator decides whether an answer counts as one
 * @param budgets the budgets under which the call falls
 * @param admissionQueue where the client's calls wait for bulkhead slots
 */
record CallContext(
    List<GuardedEndpoint> endpoints,
    ChatRequest request,
    Deadline deadline,
    CancellationToken token,
    CallRecorder recorder,
    StreamSink sink,
    AnswerValidator validator,
    TimeSource time,
    CallBudgets budgets,
    AdmissionQueue admissionQueue) {

  /** Ends the call if its caller does not want it any more. */
  void throwIfCancelled() {
    throwIfCancelled(token);
  }

  /** Ends the call if this token, its own or its hedge's, is cancelled. */
  void throwIfCancelled(CancellationToken own) {
    String reason = own.recordInterrupt();
    if (reason != null) {
      throw recorder.stopped(reason);
    }
  }
}
