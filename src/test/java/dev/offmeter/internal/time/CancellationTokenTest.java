// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.time;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/** A call that may be ended from outside, wherever it waits. */
class CancellationTokenTest {
  private final CancellationToken token = new CancellationToken();

  @Test
  void endsTheWaitThatIsOn() {
    CompletableFuture<Void> earlier = new CompletableFuture<>();
    CompletableFuture<Void> wait = new CompletableFuture<>();
    token.cancelWhenRequested(earlier);
    token.cancelWhenRequested(wait);

    token.cancel("the client was closed");

    assertThat(wait).isCancelled();
    assertThat(earlier).as("waited for no more").isNotDone();
  }

  @Test
  void endsAWaitThatBeginsAfterIt() {
    token.cancel("the client was closed");
    CompletableFuture<Void> wait = new CompletableFuture<>();

    token.cancelWhenRequested(wait);

    assertThat(wait).isCancelled();
  }

  @Test
  void keepsTheFirstReason() {
    assertThat(token.recordInterrupt()).isNull();
    assertThat(token.requestedReason()).isNull();

    token.cancel("the caller has cancelled it");
    token.cancel("the client was closed");

    assertThat(token.recordInterrupt()).isEqualTo("the caller has cancelled it");
    assertThat(token.requestedReason()).isEqualTo("the caller has cancelled it");
  }

  @Test
  void doesWhatIsToBeDone() {
    AtomicInteger done = new AtomicInteger();
    token.onCancelled(done::incrementAndGet);

    token.cancel("the client was closed");

    assertThat(done).hasValue(1);
  }

  @Test
  void anInterruptOfTheThreadIsAReasonThatNobodyHasRequested() {
    Thread.currentThread().interrupt();
    try {
      assertThat(token.requestedReason()).isNull();
      assertThat(token.recordInterrupt()).isEqualTo("the calling thread was interrupted");
    } finally {
      assertThat(Thread.interrupted()).as("the flag is left").isTrue();
    }
    assertThat(token.recordInterrupt()).as("stays the reason").isNotNull();
  }
}
