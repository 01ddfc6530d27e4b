// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.random;

import dev.offmeter.ChatEvent;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Flow;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;

/** A subscriber that wants a little at a time, late, and may cancel or throw. */
final class RandomSubscriber implements Flow.Subscriber<ChatEvent> {
  private final Random random;
  private final ScheduledExecutorService others;
  private final Consumer<ChatEvent> events;
  private final Consumer<String> wrong;
  private final boolean throwing;
  private final AtomicBoolean inside = new AtomicBoolean();
  private final CompletableFuture<Void> end = new CompletableFuture<>();
  private final CompletableFuture<Flow.Subscription> subscription = new CompletableFuture<>();
  private volatile boolean told;
  private volatile boolean cancelled;

  /** Thrown on purpose. */
  static final class SubscriberFailure extends RuntimeException {
    private static final long serialVersionUID = 1L;
  }

  RandomSubscriber(
      Random random,
      ScheduledExecutorService others,
      Consumer<ChatEvent> events,
      Consumer<String> wrong) {
    this.random = random;
    this.others = others;
    this.events = events;
    this.wrong = wrong;
    this.throwing = random.nextInt(10) == 0;
  }

  /** Completes with the last signal, or when it is cancelled. */
  CompletableFuture<Void> end() {
    return end;
  }

  boolean isCancelled() {
    return cancelled;
  }

  void cancel() {
    cancelled = true;
    subscription.join().cancel();
    end.complete(null);
  }

  private void signal(Runnable action) {
    wrong.accept(inside.getAndSet(true) ? "two signals at once" : "");
    wrong.accept(told ? "a signal after the last" : "");
    try {
      action.run();
    } finally {
      inside.set(false);
    }
  }

  @Override
  public void onSubscribe(Flow.Subscription subscription) {
    this.subscription.complete(subscription);
    subscription.request(1 + random.nextInt(3));
  }

  @Override
  public void onNext(ChatEvent event) {
    signal(
        () -> {
          events.accept(event);
          if (throwing && random.nextInt(4) == 0) {
            throw new SubscriberFailure();
          }
          if (random.nextInt(60) == 0) {
            cancel();
          }
        });
    int more = 1 + random.nextInt(2);
    if (random.nextInt(3) == 0) {
      others.schedule(
          () -> subscription.join().request(more), random.nextInt(5), TimeUnit.MILLISECONDS);
    } else {
      subscription.join().request(more);
    }
  }

  @Override
  public void onError(Throwable thrown) {
    signal(() -> told = true);
    end.completeExceptionally(thrown);
  }

  @Override
  public void onComplete() {
    signal(() -> told = true);
    end.complete(null);
  }
}
