// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import dev.offmeter.internal.UserCode;
import dev.offmeter.internal.failover.StreamingCall;
import dev.offmeter.internal.time.TimeSource;
import java.util.Objects;
import java.util.concurrent.Executor;
import java.util.concurrent.Flow;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Publishes streams as a cold publisher: each subscriber gets a call of its own. */
final class EventPublisher implements Flow.Publisher<ChatEvent> {
  private static final Logger LOG = LoggerFactory.getLogger("dev.offmeter");

  private final Supplier<StreamingCall> calls;
  private final Executor workers;
  private final TimeSource time;
  private final Supplier<LlmException> notStarted;

  /**
   * Creates a publisher of streams from {@code calls}, each read by one of the {@code workers}.
   *
   * @param notStarted the exception when no worker is available
   */
  EventPublisher(
      Supplier<StreamingCall> calls,
      Executor workers,
      TimeSource time,
      Supplier<LlmException> notStarted) {
    this.calls = calls;
    this.workers = workers;
    this.time = time;
    this.notStarted = notStarted;
  }

  @Override
  public void subscribe(Flow.Subscriber<? super ChatEvent> subscriber) {
    Objects.requireNonNull(subscriber, "subscriber");
    StreamingCall call;
    try {
      call = calls.get();
    } catch (IllegalStateException | LlmException e) {
      Throwable thrown = UserCode.run(() -> subscriber.onSubscribe(EmptySubscription.INSTANCE));
      signal(subscriber, thrown == null ? () -> subscriber.onError(e) : () -> {});
      return;
    }
    ChatSubscription feed = new ChatSubscription(subscriber, call);
    Throwable thrown = UserCode.run(() -> subscriber.onSubscribe(feed));
    if (thrown == null) {
      feed.begin();
    } else {
      // The rules of Reactive Streams regard the subscriber as cancelled then, and this method must
      // return normally.
      feed.cancel();
      logThrown(subscriber, thrown);
    }
  }

  /** Sends the last signal, after which nothing depends on what the subscriber throws. */
  private static void signal(Flow.Subscriber<?> subscriber, UserCode.Action signal) {
    Throwable thrown = UserCode.run(signal);
    if (thrown != null) {
      logThrown(subscriber, thrown);
    }
  }

  /** Logs the class only, because the message may hold what the subscriber was given. */
  private static void logThrown(Flow.Subscriber<?> subscriber, Throwable thrown) {
    UserCode.ignore(
        () ->
            LOG.warn(
                "subscriber {} threw {}, which is ignored",
                subscriber.getClass().getName(),
                thrown.getClass().getName()));
  }

  /**
   * A subscription without effect: the rules require one even where there is nothing to subscribe
   * to.
   */
  private enum EmptySubscription implements Flow.Subscription {
    INSTANCE;

    @Override
    public void request(long n) {}

    @Override
    public void cancel() {}
  }

  /** The subscription of one subscriber. It occupies a worker only while there is demand. */
  private final class ChatSubscription implements Flow.Subscription, Runnable {
    private final Flow.Subscriber<? super ChatEvent> subscriber;
    private final StreamingCall call;
    private final AtomicLong demand = new AtomicLong();

    /**
     * Starts at one, which is released when {@code onSubscribe} has returned: signals must be
     * serial, and demand from within it must not start a second thread.
     */
    private final AtomicInteger wakeUps = new AtomicInteger(1);

    private volatile boolean cancelled;
    private volatile boolean badDemand;
    private volatile boolean over;
    private volatile boolean withoutThread;

    ChatSubscription(Flow.Subscriber<? super ChatEvent> subscriber, StreamingCall call) {
      this.subscriber = subscriber;
      this.call = call;
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
      TaskHandoff.submit(
          workers,
          time,
          null,
          this,
          () -> {
            withoutThread = true;
            run();
          });
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
          throw nonPositiveDemand();
        }
        if (withoutThread) {
          throw notStarted.get();
        }
        ChatEvent event = call.next();
        if (event == null || cancelled) {
          return;
        }
        demand.decrementAndGet();
        subscriber.onNext(event);
        if (event instanceof ChatEvent.Completed && !cancelled) {
          over = true;
          signal(subscriber, subscriber::onComplete);
        }
      }
    }

    private void fail(Throwable thrown) {
      call.close();
      if (!over && !cancelled) {
        over = true;
        boolean own = badDemand && thrown instanceof LlmException;
        signal(subscriber, () -> subscriber.onError(own ? nonPositiveDemand() : thrown));
      }
    }

    private IllegalArgumentException nonPositiveDemand() {
      return new IllegalArgumentException(
          "demand must be at least 1, by rule 3.9 of Reactive Streams");
    }
  }
}
