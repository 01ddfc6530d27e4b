// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.testkit;

import dev.offmeter.LlmClient;
import dev.offmeter.internal.time.TimeSource;
import dev.offmeter.observe.LlmListener;
import java.time.Duration;
import java.time.Instant;
import java.util.Objects;
import java.util.concurrent.ScheduledExecutorService;

/**
 * The time of clients in a test, which stands still until the test moves it: a timeout of 15 s, a
 * back-off or a deadline passes at once, and never sooner because the machine is busy.
 *
 * <pre>{@code
 * ManualClock clock = new ManualClock();
 * LlmClient client = clock.drive(LlmClient.builder().endpoint(...)).build();
 * var draft = client.chatAsync("Draft a reminder.");
 * node.awaitRequest(1);
 * clock.advance(Duration.ofSeconds(15));
 * }</pre>
 *
 * <p>Wait until a call has reached the endpoint, as here, before you move the time over one of its
 * limits: what has not begun cannot be late. Safe for use by many threads.
 */
public final class ManualClock {
  private final ManualTimer timer;
  private final Handover handover = new Handover();
  private final Instant start;

  /** Creates a clock that stands at noon of some day, UTC. */
  public ManualClock() {
    this(Instant.parse("2026-01-05T12:00:00Z"));
  }

  /** Creates a clock that stands at a moment, which budgets and prices by the day ask for. */
  public ManualClock(Instant start) {
    this.start = Objects.requireNonNull(start, "start");
    this.timer = new ManualTimer();
  }

  /** Lets the client that is built, and those that are built from it, take their time from here. */
  public LlmClient.Builder drive(LlmClient.Builder builder) {
    return builder.listener(handover);
  }

  /**
   * Moves the time on, and runs what falls due meanwhile, each at its own moment, on this thread.
   *
   * @param duration not negative
   */
  public void advance(Duration duration) {
    Objects.requireNonNull(duration, "duration");
    if (duration.isNegative()) {
      throw new IllegalArgumentException("duration must not be negative, was " + duration);
    }
    timer.advance(duration.toNanos());
  }

  /** Returns the time of day. */
  public Instant instant() {
    return start.plusNanos(timer.nanos());
  }

  long nanos() {
    return timer.nanos();
  }

  /** Reaches the client as a listener, which hears nothing. */
  private final class Handover implements LlmListener, TimeSource {
    @Override
    public long nanos() {
      return timer.nanos();
    }

    @Override
    public Instant instant() {
      return ManualClock.this.instant();
    }

    @Override
    public ScheduledExecutorService timer() {
      return timer;
    }

    /** Keeps what is due: another client may have it. */
    @Override
    public void close() {}
  }
}
