// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import dev.offmeter.ChatRequest;
import dev.offmeter.FailureKind;
import dev.offmeter.endpoint.Checkup;
import dev.offmeter.endpoint.EndpointSpec;
import dev.offmeter.wire.Failure;
import dev.offmeter.wire.ForeignCode;
import dev.offmeter.wire.Vitals;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Whether the model of one endpoint is wedged: its server answers every health check, and no call.
 * Ollama's engine can be left so by a stream that was cancelled, and stays so until the model is
 * unloaded. A call without a byte is explained by a load, a queue in which others are served or a
 * prompt that is long for this server. Two in a row that nothing explains, the second begun when
 * the first was over, are one wedge. Safe for use by many threads; nothing here waits.
 */
final class Wedge {
  private static final Logger LOG = LoggerFactory.getLogger("dev.offmeter");

  /** A server that has the model in memory is done with loading it so soon. */
  private static final long AT_ONCE = Duration.ofSeconds(2).toNanos();

  /** No limit that is less tells a slow server from one that hangs. */
  private static final long LONG = Duration.ofSeconds(5).toNanos();

  private static final Duration UNLOADING = Duration.ofSeconds(10);

  /** What is wrong, and what else might be. */
  static final String HANGS =
      "the model hangs until it is unloaded, or another client keeps it busy";

  private static final String WHY =
      "two calls in a row got no byte, though its health checks are well and its model is in"
          + " memory: "
          + HANGS;

  private final EndpointSpec spec;
  private final Probes probes;
  private final Health health;
  private final Activity activity;
  private final Time time;
  private final ReentrantLock lock = new ReentrantLock();

  /** Whether there is a first call that nothing explains, and when it was. Under the lock. */
  private boolean suspected;

  private long firstBegan;
  private long firstEnded;

  private volatile boolean wedged;
  private volatile long wedgedAt;

  /** Whether it was asked to unload the model. Under the lock. */
  private boolean unloaded;

  private long unloadedAt;

  Wedge(EndpointSpec spec, Probes probes, Health health, Activity activity, Time time) {
    this.spec = spec;
    this.probes = probes;
    this.health = health;
    this.activity = activity;
    this.time = time;
  }

  /** Whether it was found to be wedged, and nobody has been served since. */
  boolean isWedged() {
    return wedged && !activity.hasServedSince(wedgedAt);
  }

  /**
   * An attempt that got no byte in all its time.
   *
   * @param began when it was sent, over the connection that it had at last
   * @param ended when it was given up
   * @param onNew whether no router can have forgotten that connection
   */
  record Silence(long began, long ended, boolean onNew) {}

  /**
   * What an attempt without a byte is to be weighed as.
   *
   * @param began when it was sent, over the connection that it had at last
   * @param onNew whether that was a new one
   * @return null if it is explained already
   */
  @Nullable Silence silence(ChatRequest request, long began, boolean onNew) {
    long now = time.nanos();
    // Of a server that has never answered nobody knows how slow it is.
    long atLeast = health.resends().hasAnswered() ? halfTheLimit() : wholeLimit();
    boolean odd =
        now - began >= atLeast
            && !activity.hasServedSince(began)
            && !health.isBehindAnother(began)
            && health.resends().isLongSilence(request, began);
    // Where only a token tells of a load, that token finds out for itself.
    boolean byToken = probes.can(Checkup.Kind.ONE_TOKEN) && health.warmth().costsToken();
    return odd && health.isProbed() && !byToken ? new Silence(began, now, onNew) : null;
  }

  /** A caller in a greater hurry tells nothing, as with all other limits. */
  private long halfTheLimit() {
    return Math.max(AT_ONCE, spec.limits().firstToken().toNanos() / 2);
  }

  private long wholeLimit() {
    return Math.max(LONG, spec.limits().firstToken().toNanos());
  }

  /**
   * Weighs an attempt without a byte.
   *
   * @param look a health check after it
   * @param load the load that it led to; null if there is none
   */
  void weigh(Silence silence, Looks.Look look, @Nullable CompletableFuture<Vitals> load) {
    if (look.isOfNothing()) {
      return;
    }
    if (look.sign() != Vitals.Sign.READY || look.failure() != null) {
      forget();
    } else if (load != null) {
      long since = time.nanos();
      CompletableFuture<Void> unused =
          load.thenAccept(loaded -> weigh(silence, loaded, time.nanos() - since));
    } else if (!probes.can(Checkup.Kind.LOAD)) {
      suspect(silence);
    }
  }

  /** A list may have a model that is still being loaded; a load that is over at once is proof. */
  private void weigh(Silence silence, Vitals loaded, long took) {
    if (loaded.sign() == Vitals.Sign.READY && took <= AT_ONCE) {
      suspect(silence);
    } else if (!loaded.equals(Probes.NOTHING)) {
      forget();
    }
  }

  private void forget() {
    lock.lock();
    try {
      suspected = false;
    } finally {
      lock.unlock();
    }
    wedged = false;
  }

  private void suspect(Silence silence) {
    boolean second;
    lock.lock();
    try {
      boolean first = !suspected || activity.hasServedSince(firstBegan);
      second = !first && silence.onNew() && silence.began() - firstEnded >= 0;
      if (first) {
        suspected = true;
        firstBegan = silence.began();
        firstEnded = silence.ended();
      }
    } finally {
      lock.unlock();
    }
    if (second && !activity.hasServedSince(silence.began())) {
      isFound();
    }
  }

  private void isFound() {
    wedgedAt = time.nanos();
    wedged = true;
    health.downFor(Failure.of(FailureKind.WEDGED, WHY));
    if (spec.unloadWhenWedged() && mayUnload()) {
      unload();
    }
  }

  /** Once, until it has served somebody again. */
  private boolean mayUnload() {
    lock.lock();
    try {
      boolean again = unloaded && !activity.hasServedSince(unloadedAt);
      unloaded = true;
      unloadedAt = again ? unloadedAt : time.nanos();
      return !again;
    } finally {
      lock.unlock();
    }
  }

  /** That it is gone is seen by the next health check, which has it loaded anew. */
  private void unload() {
    ForeignCode.ignore(
        () -> LOG.warn("endpoint {} is asked to unload its model, which is wedged", spec.name()));
    probes.ask(Checkup.Kind.UNLOAD, UNLOADING, this::onUnloaded);
  }

  private void onUnloaded(Vitals unloaded) {
    Failure failure = unloaded.failure();
    if (unloaded.sign() != Vitals.Sign.READY && failure != null) {
      ForeignCode.ignore(
          () ->
              LOG.warn(
                  "endpoint {} has not unloaded its model: {} {}",
                  spec.name(),
                  failure.kind(),
                  failure.message()));
    }
  }
}
