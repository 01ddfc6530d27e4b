// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.time.CancellationToken;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Asks for one call's admission to an endpoint, and waits in the endpoint's own queue where {@code
 * maxWait} allows that. No other way leads to an endpoint, so that the locality and the
 * capabilities of every one are checked. Used by one thread at a time: the call's, or its hedge's
 * while the call waits for it.
 */
final class AdmissionControl {
  private final CallContext context;

  /** Endpoints that had no slot, in the order in which that was found. */
  private final List<GuardedEndpoint> full = new ArrayList<>(0);

  AdmissionControl(CallContext context) {
    this.context = context;
  }

  /**
   * Asks for admission, and records the refusal if there is one.
   *
   * @param share what the call may use of its time there, its wait included
   * @param token ends the wait
   * @return null if the endpoint refuses
   */
  @Nullable Admission tryAdmit(
      GuardedEndpoint endpoint, DeadlineShare share, CancellationToken token) {
    try {
      endpoint.requireSuitable(context.request());
      return acquireOrQueue(endpoint, share, token);
    } catch (AttemptException refusal) {
      if (refusal.kind() == FailureKind.BULKHEAD_FULL && !full.contains(endpoint)) {
        full.add(endpoint);
      }
      if (refusal.kind() == FailureKind.NOT_CAPABLE) {
        endpoint.health().inquiry().onSkipped();
      }
      context.recorder().attemptSkipped(endpoint.config(), refusal);
      return null;
    }
  }

  /** Asks for admission with a slot that the call has been handed. Null if the endpoint refuses. */
  @Nullable Admission tryAdmitWithSlot(GuardedEndpoint endpoint) {
    full.remove(endpoint);
    try {
      return endpoint.acquireWithSlot();
    } catch (AttemptException refusal) {
      context.recorder().attemptSkipped(endpoint.config(), refusal);
      return null;
    }
  }

  private Admission acquireOrQueue(
      GuardedEndpoint endpoint, DeadlineShare share, CancellationToken token)
      throws AttemptException {
    endpoint.health().modelLoader().loadIfProbablyUnloaded();
    try {
      return endpoint.acquire();
    } catch (AttemptException refusal) {
      if (refusal.kind() != FailureKind.BULKHEAD_FULL || endpoint.config().maxWait().isZero()) {
        throw refusal;
      }
      return awaitAdmission(endpoint, share, token);
    }
  }

  private Admission awaitAdmission(
      GuardedEndpoint endpoint, DeadlineShare share, CancellationToken token)
      throws AttemptException {
    long wait = Math.min(endpoint.config().maxWait().toNanos(), share.remainingToWait());
    context.deadline().onWait();
    if (wait > 0 && context.admissionQueue().awaitSlot(List.of(endpoint), wait, token) != null) {
      return endpoint.acquireWithSlot();
    }
    context.throwIfCancelled(token);
    // Asked once more for the reason, which may be another now: it may have gone down meanwhile.
    return endpoint.acquire();
  }

  /** Endpoints that had no slot when they were asked; empty if every one had. */
  List<GuardedEndpoint> full() {
    return full;
  }

  /** Endpoints that had no slot and are waited for, which keep their share of the time too. */
  List<GuardedEndpoint> stillAwaited() {
    return full.stream().filter(endpoint -> !endpoint.isCircuitOpen()).toList();
  }

  /** Returns which of the endpoints still to come could be asked in the state they are in now. */
  List<GuardedEndpoint> eligible(List<GuardedEndpoint> stillToCome) {
    long now = context.time().nanos();
    long left = context.deadline().remaining();
    List<GuardedEndpoint> later = new ArrayList<>(stillToCome);
    later.removeIf(
        endpoint -> !endpoint.isSuitable(context.request()) || !endpoint.isEligible(now, left));
    return later;
  }
}
