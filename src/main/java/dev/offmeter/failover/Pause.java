// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * For how long one endpoint is left alone, and why: its pause, and beyond it for as long as there
 * is evidence that it is not back. Changed under its breaker's lock; read by any thread.
 */
final class Pause {
  private final Time time;
  private final WayBack wayBack;
  private final AtomicInteger inARow = new AtomicInteger();
  private volatile Judgement.Health why = Judgement.Health.UNTOUCHED;
  private volatile boolean namedByServer;
  private volatile long ends;
  private volatile long shutUntil;

  Pause(Time time, WayBack wayBack) {
    this.time = time;
    this.wayBack = wayBack;
    this.ends = time.nanos();
    this.shutUntil = ends;
  }

  /** It is down once more. */
  void begin(Judgement.Health why, Optional<Duration> asked) {
    begin(why, asked, wayBack.pause(why, inARow.incrementAndGet(), asked));
  }

  /** The same, for something that may be over soon. */
  void beginShort(Judgement.Health why) {
    begin(why, Optional.empty(), wayBack.soon(inARow.incrementAndGet()));
  }

  private void begin(Judgement.Health why, Optional<Duration> asked, Duration length) {
    ends = time.nanos() + length.toNanos();
    shutUntil = ends;
    this.why = why;
    namedByServer = why == Judgement.Health.COOLS_DOWN && asked.isPresent();
  }

  /** Its model is loaded, which ends in its own time. */
  void beginLoad() {
    why = Judgement.Health.WARMS;
    namedByServer = false;
    shutUntil = time.nanos() + Warmth.LOAD.multipliedBy(2).toNanos();
  }

  /** A load has mended nothing: it is down for what it was down for before. */
  void goOnFor(Judgement.Health before) {
    why = before;
  }

  /** There is evidence that it is not back. */
  void holdUntil(long nanos) {
    if (nanos - shutUntil > 0) {
      shutUntil = nanos;
    }
  }

  /** There is none any more: the pause alone counts. */
  void letGo() {
    shutUntil = ends;
  }

  /** A person says that it is repaired: it is as if it had not been down before. */
  void end() {
    ends = time.nanos();
    shutUntil = ends;
    namedByServer = false;
    forget();
  }

  /** A call was served. */
  void forget() {
    // Read first: most calls are served by what was up all the time, on many threads.
    if (inARow.get() != 0) {
      inARow.set(0);
    }
  }

  /** Whether it is left alone now. */
  boolean isOn() {
    return shutUntil - time.nanos() > 0;
  }

  /** How long it will still be left alone. */
  Duration left() {
    return Duration.ofNanos(Math.max(0, shutUntil - time.nanos()));
  }

  /** Whether it is evidence that keeps it shut, and not the pause. */
  boolean isHeld() {
    return shutUntil - ends > 0;
  }

  /** What has failed at its trial before is not believed before its pause is over. */
  boolean mayEnd() {
    return (isFirst() && !namedByServer) || ends - time.nanos() <= 0;
  }

  /** Whether no trial has failed since it was up last. */
  boolean isFirst() {
    return inARow.get() <= 1;
  }

  /** How many trials have failed since it was up last. */
  int trialsFailed() {
    return Math.max(0, inARow.get() - 1);
  }

  /** What kind of failure it was. */
  Judgement.Health why() {
    return why;
  }

  /** Whether the server has named its length. */
  boolean isNamedByServer() {
    return namedByServer;
  }
}
