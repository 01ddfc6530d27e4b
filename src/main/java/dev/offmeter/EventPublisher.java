// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import dev.offmeter.failover.StreamedCall;
import java.util.Objects;
import java.util.concurrent.Executor;
import java.util.concurrent.Flow;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;

/** Streams as a cold publisher: each subscriber gets a call of its own. */
final class EventPublisher implements Flow.Publisher<ChatEvent> {
  private final Supplier<StreamedCall> calls;
  private final Executor workers;

  /** Each call from {@code calls}, read by {@code workers}. */
  EventPublisher(Supplier<StreamedCall> calls, Executor workers) {
    this.calls = calls;
    this.workers = workers;
  }

  @Override
  public void subscribe(Flow.Subscriber<? super ChatEvent> subscriber) {
    Objects.requireNonNull(subscriber, "subscriber");
    StreamedCall call;
    try {
      call = calls.get();
    } catch (IllegalStateException e) {
      subscriber.onSubscribe(Refused.INSTANCE);
      subscriber.onError(e);
      return;
    }
    Feed feed = new Feed(subscriber, call, workers);
    boolean subscribed = false;
    try {
      subscriber.onSubscribe(feed);
      subscribed = true;
    } finally {
      if (!subscribed) {
        call.close();
      }
    }
    feed.begin();
  }

  /** The rules want a subscription even where there is nothing to subscribe to. */
  private enum Refused implements Flow.Subscription {
    INSTANCE;

    @Override
    public void request(long n) {}

    @Override
    public void cancel() {}
  }

  /** One subscription. A worker is busy with it only while there is demand. */
  private static final class Feed implements Flow.Subscription, Runnable {
    private final Flow.Subscriber<? super ChatEvent> subscriber;
    private final StreamedCall call;
    private final Executor workers;
    private final AtomicLong demand = new AtomicLong();

    /** One of its own, until {@code onSubscribe} has returned: signals come one after the other. */
    private final AtomicInteger wakeUps = new AtomicInteger(1);

    private volatile boolean cancelled;
    private volatile boolean badDemand;
    private volatile boolean over;

    Feed(Flow.Subscriber<? super ChatEvent> subscriber, StreamedCall call, Executor workers) {
      this.subscriber = subscriber;
      this.call = call;
      this.workers = workers;
    }

    @Override
    public void request(long n) {
      if (n < 1) {
        badDemand = true;
        call.close();
      } else {
        demand.accumulateAndGet(n, (had, more) -> had + more < 0 ? Long.MAX_VALUE : had + more);
      }
      wake();
    }

    @Override
    public void cancel() {
      cancelled = true;
      call.close();
    }

    void begin() {
      if (wakeUps.decrementAndGet() > 0) {
        work();
      }
    }

    private void wake() {
      if (wakeUps.getAndIncrement() == 0) {
        work();
      }
    }

    private void work() {
      try {
        workers.execute(this);
      } catch (RejectedExecutionException e) {
        // The client is closed, and so is the call, which says so.
        run();
      }
    }

    @Override
    public void run() {
      int seen = wakeUps.get();
      do {
        try {
          feed();
        } catch (Throwable e) {
          fail(e);
        }
        seen = wakeUps.addAndGet(-seen);
      } while (seen != 0);
    }

    private void feed() {
      while (!over && !cancelled && (badDemand || demand.get() > 0)) {
        if (badDemand) {
          throw tooLittle();
        }
        ChatEvent event = call.next();
        if (event == null || cancelled) {
          return;
        }
        demand.decrementAndGet();
        subscriber.onNext(event);
        if (event instanceof ChatEvent.Completed && !cancelled) {
          over = true;
          subscriber.onComplete();
        }
      }
    }

    private void fail(Throwable thrown) {
      call.close();
      if (!over && !cancelled) {
        over = true;
        boolean own = badDemand && thrown instanceof LlmException;
        subscriber.onError(own ? tooLittle() : thrown);
      }
    }

    private static IllegalArgumentException tooLittle() {
      return new IllegalArgumentException(
          "demand must be at least 1, by rule 3.9 of Reactive Streams");
    }
  }
}
