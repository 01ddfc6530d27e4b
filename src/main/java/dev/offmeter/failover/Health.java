// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import dev.offmeter.FailureKind;
import dev.offmeter.endpoint.Checkup;
import dev.offmeter.endpoint.EndpointSpec;
import dev.offmeter.observe.EndpointChange;
import dev.offmeter.wire.Failure;
import dev.offmeter.wire.Vitals;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * What is found out of one endpoint on the side: whether a silent one lives, whether one that was
 * down is back, whether its model is loaded. Safe for use by many threads; nothing here waits.
 *
 * <p>What is done about an endpoint that is down is in {@link Recovery}; about a cold model, in
 * {@link Warmth}.
 */
final class Health {
  /** How long a server may take to say that it lives. */
  static final Duration LOOK = Duration.ofSeconds(2);

  /** Silence that gives no cause for doubt, however short the limits are. */
  private static final Duration DOUBT_AT_MOST = Duration.ofSeconds(5);

  /** So soon after one look there is nothing new to see. */
  private static final long RECENT = Duration.ofSeconds(1).toNanos();

  private final Probes probes;
  private final Breaker breaker;
  private final Activity activity;
  private final Time time;
  private final Recovery recovery;
  private final Warmth warmth;
  private final Silences silences;
  private final Set<TimedAttempt> waiting = ConcurrentHashMap.newKeySet();
  private volatile long lastLook;

  Health(
      EndpointSpec spec,
      Probes probes,
      Breaker breaker,
      Activity activity,
      Latencies latencies,
      Time time,
      ProbePace pace) {
    this.probes = probes;
    this.breaker = breaker;
    this.activity = activity;
    this.silences = new Silences(activity);
    this.time = time;
    this.warmth = new Warmth(spec, probes, breaker, latencies, activity, this::look, time);
    this.recovery = new Recovery(this, breaker, time, pace);
    this.lastLook = time.nanos() - RECENT;
  }

  /** Whether the endpoint can be asked how it is. */
  boolean isProbed() {
    return probes.can(Checkup.Kind.ALIVE);
  }

  /** How long an attempt is silent before it is doubted: a third of its limit, at most 5 s. */
  static long doubtAfter(Duration firstToken) {
    return Math.min(firstToken.toNanos() / 3, DOUBT_AT_MOST.toNanos());
  }

  /** An attempt waits for its first piece. */
  void waits(TimedAttempt attempt) {
    waiting.add(attempt);
  }

  /** It has its first piece, or has ended. */
  void waitsNoLonger(TimedAttempt attempt) {
    waiting.remove(attempt);
  }

  /** Whether any attempt waits for its first piece. */
  boolean isWaitedFor() {
    return !waiting.isEmpty();
  }

  /** An attempt has been silent for so long that the endpoint may be dead. */
  void doubt() {
    long now = time.nanos();
    if (isProbed() && now - lastLook >= RECENT && !activity.isLively(now)) {
      CompletableFuture<Void> unused = look().thenAccept(vitals -> answersDoubt(now, vitals));
    }
  }

  private void answersDoubt(long asked, Vitals vitals) {
    Failure failure = vitals.failure();
    if (failure != null && vitals.sign() == Vitals.Sign.DEAD && isBelieved(failure, asked)) {
      dead(failure);
    } else if (vitals.sign() == Vitals.Sign.COLD && warmth.takesTooLong()) {
      goneCold(failure);
    }
  }

  private boolean isBelieved(Failure failure, long asked) {
    return !Silences.isSilent(failure)
        || (!activity.hasServedSince(asked) && silences.areEnough(time.nanos()));
  }

  /** Whether it has been heard of since, whatever a look says that began then. */
  boolean isContradicted(Failure failure, long asked) {
    return Silences.isSilent(failure) && activity.hasServedSince(asked);
  }

  /** Ends the attempts that wait for a server that is not there. */
  private void dead(Failure found) {
    String how = ": " + found.kind() + ", " + found.message();
    Failure failure =
        Failure.of(FailureKind.UNRESPONSIVE, "silent, and dead to a health check" + how);
    breaker.takeDown(failure);
    evacuate(failure);
  }

  private void goneCold(@Nullable Failure found) {
    Failure failure = Failure.of(FailureKind.MODEL_COLD, cold(found));
    warmth.warm(failure);
    evacuate(failure);
  }

  private String cold(@Nullable Failure found) {
    return (found == null ? "" : found.message() + "; ") + warmth.lastTime();
  }

  /** An attempt got no byte in all its time, as is usual while a model is being loaded. */
  void looksCold() {
    if (probes.can(Checkup.Kind.LOAD)) {
      CompletableFuture<Void> unused = look().thenAccept(warmth::looksCold);
    }
  }

  /** Everybody who waits for the first piece of an answer moves on. */
  void evacuate(Failure failure) {
    for (TimedAttempt attempt : waiting) {
      attempt.evacuate(failure);
    }
  }

  /** Whether it lives, and whether its model is there. */
  CompletableFuture<Vitals> look() {
    lastLook = time.nanos();
    return probes
        .ask(Checkup.Kind.ALIVE, LOOK)
        .thenCompose(
            alive ->
                alive.sign() == Vitals.Sign.READY && probes.can(Checkup.Kind.RESIDENT)
                    ? probes.ask(Checkup.Kind.RESIDENT, LOOK).thenApply(Health::ofResidence)
                    : CompletableFuture.completedFuture(alive))
        .thenApply(this::heard);
  }

  private Vitals heard(Vitals vitals) {
    if (vitals.sign() == Vitals.Sign.READY || vitals.sign() == Vitals.Sign.COLD) {
      silences.wellAgain(time.nanos());
    }
    return vitals;
  }

  /** It lives; where nothing can be learnt of the model, that has to do. */
  private static Vitals ofResidence(Vitals vitals) {
    return switch (vitals.sign()) {
      case READY, COLD -> vitals;
      case DEAD, NOT_READY -> new Vitals(Vitals.Sign.NOT_READY, vitals.failure());
      case REFUSED, UNKNOWN -> Vitals.READY;
    };
  }

  /** The state has changed. */
  void changed(EndpointChange change) {
    if (isProbed()) {
      recovery.changed(change);
    }
  }

  /**
   * Makes sure that the model is loaded.
   *
   * @return completed, never exceptionally, when it is, or cannot be
   */
  CompletableFuture<?> warmUp() {
    if (!isProbed()) {
      return CompletableFuture.completedFuture(null);
    }
    return look()
        .thenCompose(
            vitals -> {
              Failure failure = vitals.failure();
              if (vitals.sign() == Vitals.Sign.DEAD && failure != null) {
                breaker.takeDown(failure);
              }
              return warmth.warmUp(vitals);
            });
  }

  Warmth warmth() {
    return warmth;
  }

  Recovery recovery() {
    return recovery;
  }

  /** Nothing is asked any more. */
  void close() {
    recovery.close();
    warmth.close();
    probes.close();
  }
}
