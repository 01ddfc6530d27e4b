// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.circuit;

import dev.offmeter.internal.AttemptException;

/**
 * The admission of one call by an {@link EndpointCircuitBreaker}. It has exactly one outcome: the
 * first of {@link #onSuccess}, {@link #onFailure}, {@link #onRefused} and {@link #release} counts,
 * and those after it do nothing. Used by the thread of the call.
 */
public final class Permit {
  private final EndpointCircuitBreaker breaker;

  // Owned by the thread of the call.
  private int generation;
  private boolean concluded;

  Permit(EndpointCircuitBreaker breaker, int generation) {
    this.breaker = breaker;
    this.generation = generation;
  }

  /** Records that the call has its complete answer. */
  public void onSuccess(long nanos) {
    if (isCurrent() && breaker.tryCountSuccessWhileClosed(nanos)) {
      concluded = true;
    } else {
      conclude(() -> breaker.countSuccess(isOfThisGeneration(), nanos));
    }
  }

  /** Records that the call has failed. */
  public void onFailure(AttemptException failure, long nanos) {
    concludeIfCurrent(() -> breaker.countFailure(failure, nanos));
  }

  /** Records that the call was refused, as others before it were, and takes the endpoint DOWN. */
  public void onRefused(AttemptException failure) {
    concludeIfCurrent(() -> breaker.openForRefusals(failure));
  }

  /** Returns the permit without an outcome, because the call says nothing about the endpoint. */
  public void release() {
    concludeIfCurrent(breaker::giveBackPermission);
  }

  /**
   * Called when the answer begins to reach a reader, who may take any time over the rest. A trial
   * has passed by that, or a reader who rests would keep all other calls away. If the stream breaks
   * later, that is a failure like any other; only a whole answer resets the back-off.
   */
  public void onDelivery() {
    if (isTrial()) {
      breaker.change(
          () -> {
            if (isTrial()) {
              generation = breaker.passTrial();
            }
          });
    }
  }

  private void concludeIfCurrent(Runnable outcome) {
    conclude(
        () -> {
          if (isOfThisGeneration()) {
            outcome.run();
          }
        });
  }

  private void conclude(Runnable outcome) {
    if (!concluded) {
      concluded = true;
      breaker.conclude(outcome);
    }
  }

  /** Returns whether this call is the trial. */
  public boolean isTrial() {
    return isCurrent() && breaker.isHalfOpen();
  }

  /** Returns whether the endpoint's state is still the one in which the call was admitted. */
  public boolean isCurrent() {
    return !concluded && isOfThisGeneration();
  }

  /**
   * Admits the call again after a back-off before a retry, if this permit is no longer current.
   *
   * @throws AttemptException if the endpoint is DOWN, or another call is its trial
   */
  public void renew() throws AttemptException {
    if (!isCurrent()) {
      generation = breaker.acquirePermit().generation;
      concluded = false;
    }
  }

  private boolean isOfThisGeneration() {
    return generation == breaker.generation();
  }
}
