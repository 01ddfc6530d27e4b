// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.circuit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.offmeter.observe.EndpointChange;
import dev.offmeter.observe.EndpointState;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Changes are told in order, by one thread at a time, and nobody waits for another's telling. */
@Timeout(20)
class SerialEventDispatcherTest {
  private final List<String> told = new CopyOnWriteArrayList<>();
  private volatile Consumer<String> whileTelling = message -> {};
  private final SerialEventDispatcher events =
      new SerialEventDispatcher(
          change -> {
            whileTelling.accept(change.message());
            told.add(change.message());
          });

  private static EndpointChange change(String message) {
    return new EndpointChange(
        "home", "", EndpointState.UP, EndpointState.DOWN, null, message, Duration.ZERO);
  }

  private void enqueue(String... messages) {
    for (String message : messages) {
      events.enqueue(change(message));
    }
  }

  @Test
  void nothingIsToldBeforeItIsDelivered() {
    enqueue("one", "two");
    assertThat(told).isEmpty();

    events.deliver();

    assertThat(told).containsExactly("one", "two");
    events.deliver();
    assertThat(told).hasSize(2);
  }

  @Test
  void whatAListenerBringsAboutIsToldAfterWhatItIsBeingTold() {
    whileTelling =
        message -> {
          if (message.equals("one")) {
            enqueue("of the listener");
            events.deliver();
          }
        };
    enqueue("one", "two");

    events.deliver();

    assertThat(told).containsExactly("one", "two", "of the listener");
  }

  @Test
  void whoFindsAnotherTellingLeavesItsChangeToIt() throws Exception {
    CountDownLatch telling = new CountDownLatch(1);
    CountDownLatch released = new CountDownLatch(1);
    whileTelling =
        message -> {
          if (message.equals("slow")) {
            telling.countDown();
            awaitUninterrupted(released);
          }
        };
    enqueue("slow");
    CompletableFuture<Void> teller = CompletableFuture.runAsync(events::deliver);
    telling.await();

    enqueue("quick");
    events.deliver();
    events.deliverAfter(() -> told.add("done before it is told"));

    assertThat(told).containsExactly("done before it is told");
    released.countDown();
    teller.get();
    assertThat(told).containsExactly("done before it is told", "slow", "quick");
  }

  @Test
  void whatComesFirstIsDoneBeforeAnybodyIsTold() {
    enqueue("one");

    events.deliverAfter(() -> told.add("first"));

    assertThat(told).containsExactly("first", "one");
  }

  @Test
  void aListenerThatThrowsKeepsNobodyFromTellingTheRest() {
    whileTelling =
        message -> {
          if (message.equals("bad")) {
            throw new IllegalStateException("of the listener");
          }
        };
    enqueue("bad", "good");
    assertThatThrownBy(events::deliver).hasMessage("of the listener");

    CompletableFuture.runAsync(events::deliver).join();

    assertThat(told).containsExactly("good");
  }

  private static void awaitUninterrupted(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }
}
