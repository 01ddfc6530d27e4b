// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import dev.offmeter.FailureKind;
import dev.offmeter.endpoint.Checkup;
import dev.offmeter.wire.Failure;
import dev.offmeter.wire.Vitals;
import java.time.Duration;
import java.util.EnumSet;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Looks at one endpoint: whether it lives, and whether its model is there. One at a time: whoever
 * wants to know meanwhile shares it, and it is judged once, whatever the number. Safe for use by
 * many threads; nothing here waits.
 */
final class Looks {
  /** How long a server may take to say that it lives. */
  static final Duration LIMIT = Duration.ofSeconds(2);

  private static final Set<FailureKind> UNMISTAKABLE =
      EnumSet.of(
          FailureKind.CONNECTION_REFUSED,
          FailureKind.UNKNOWN_HOST,
          FailureKind.TLS_FAILED,
          FailureKind.TUNNEL_DOWN);

  private static final Set<Vitals.Sign> ALIVE =
      EnumSet.of(Vitals.Sign.READY, Vitals.Sign.COLD, Vitals.Sign.FOREIGN);

  /** So soon after one look there is nothing new to see. */
  private static final long RECENT = Duration.ofSeconds(1).toNanos();

  /** A server that has sent a piece so lately answers its calls. */
  static final long LATELY = Duration.ofSeconds(5).toNanos();

  private final Probes probes;
  private final Activity activity;
  private final Silences silences;
  private final Time time;
  private final ReentrantLock lock = new ReentrantLock();
  private @Nullable CompletableFuture<Look> underWay;
  private volatile long lastBegan;
  private volatile @Nullable Failure otherwise;
  private volatile boolean foundWell;
  private volatile long lastFoundWell;
  private volatile boolean foundReady;
  private volatile long lastFoundReady;

  Looks(Probes probes, Activity activity, Time time) {
    this.probes = probes;
    this.activity = activity;
    this.silences = new Silences(activity);
    this.time = time;
    this.lastBegan = time.nanos() - RECENT;
  }

  /** What a look that finds nobody is worth against a server that was thought to be up. */
  enum Worth {
    /** Calls that are being answered outweigh it, or there have been too few like it. */
    NOTHING,
    /** A second one has to say the same. */
    HALF,
    /** The server is taken for dead. */
    ALL
  }

  /** What one look has shown. */
  final class Look {
    private final Vitals vitals;
    private final long began;
    private @Nullable Worth worth;

    private Look(Vitals vitals, long began) {
      this.vitals = vitals;
      this.began = began;
    }

    Vitals.Sign sign() {
      return vitals.sign();
    }

    /** What is wrong; null if it is well. */
    @Nullable Failure failure() {
      return vitals.failure();
    }

    /** Whether nobody was asked: the client was closed. */
    boolean isOfNothing() {
      return vitals.equals(Probes.NOTHING);
    }

    /** Why it is taken for dead; null if it is not. */
    @Nullable Failure death() {
      return sign() == Vitals.Sign.DEAD ? failure() : null;
    }

    /** Whether the server is well, but its list has no such model. */
    boolean isOfUnlistedModel() {
      Failure failure = failure();
      return sign() == Vitals.Sign.READY
          && failure != null
          && failure.kind() == FailureKind.MODEL_NOT_FOUND;
    }

    /** Whether the server itself has replied, and is not busy with a load. */
    boolean isOfServer() {
      Failure failure = failure();
      boolean otherwise = sign() == Vitals.Sign.UNKNOWN && failure != null && failure.status() > 0;
      return sign() == Vitals.Sign.READY || sign() == Vitals.Sign.FOREIGN || otherwise;
    }

    /** Whether the server has replied, and does not say that it is not ready. */
    boolean isAlive() {
      return ALIVE.contains(sign());
    }

    /** Whether nothing at all speaks against a call. */
    boolean isWell() {
      return sign() == Vitals.Sign.READY && failure() == null;
    }

    /** Whether it began when what came then was not known yet. */
    boolean beganBefore(long nanos) {
      return began - nanos < 0;
    }

    /** Whether it has been heard of since, whatever this look says. */
    boolean isContradicted() {
      Failure failure = failure();
      return failure != null && !isUnmistakable(failure) && activity.hasServedSince(began);
    }

    /** What it is worth, if it has found nobody. */
    Worth worth() {
      if (worth == null) {
        Failure death = death();
        worth = death == null ? Worth.NOTHING : judged(death);
      }
      return worth;
    }

    private Worth judged(Failure death) {
      if (Silences.isSilent(death)) {
        boolean enough = silences.areEnough(time.nanos());
        return enough && !isContradicted() ? Worth.ALL : Worth.NOTHING;
      }
      if (isUnmistakable(death)) {
        return activity.hasServedSince(began - LATELY) ? Worth.HALF : Worth.ALL;
      }
      return isContradicted() ? Worth.NOTHING : Worth.HALF;
    }

    /** Whether nobody is there now either, and nobody was served in between. */
    boolean confirms(Look first) {
      return death() != null && !activity.hasServedSince(first.began);
    }
  }

  /** Whether it says that nobody is there, and no proxy is between that might be wrong. */
  static boolean isUnmistakable(Failure failure) {
    return UNMISTAKABLE.contains(failure.kind());
  }

  /** Whether a look has found the server well since. */
  boolean haveFoundItWellSince(long then) {
    return foundWell && lastFoundWell - then > 0;
  }

  /** Whether a look has found the server well, and its model in memory, since. */
  boolean haveFoundItReadySince(long then) {
    return foundReady && lastFoundReady - then > 0;
  }

  /** How the model was in memory at the last look, if not as it is asked for; null if unknown. */
  @Nullable Failure otherwise() {
    return otherwise;
  }

  /** Whether a look has begun so lately that there is no need for another. */
  boolean isRecent(long now) {
    return now - lastBegan < RECENT;
  }

  /**
   * Looks, or joins the look that is under way.
   *
   * @param then runs on a thread of the client's own, one after the other with what others want
   * @return what {@code then} gives
   */
  <T> CompletableFuture<T> look(Function<Look, CompletableFuture<T>> then) {
    CompletableFuture<T> result;
    boolean begins = false;
    lock.lock();
    try {
      CompletableFuture<Look> shared = underWay;
      if (shared == null) {
        shared = new CompletableFuture<>();
        underWay = shared;
        begins = true;
      }
      // Before it can be over: a clock's thread must not be the one that goes on.
      result = shared.thenCompose(then);
    } finally {
      lock.unlock();
    }
    if (begins) {
      begin();
    }
    return result;
  }

  private void begin() {
    long now = time.nanos();
    lastBegan = now;
    probes.ask(Checkup.Kind.ALIVE, LIMIT, vitals -> lives(vitals, now));
  }

  private void lives(Vitals vitals, long began) {
    if (vitals.sign() == Vitals.Sign.READY && probes.can(Checkup.Kind.RESIDENT)) {
      probes.ask(
          Checkup.Kind.RESIDENT, LIMIT, resident -> seen(new Look(ofResidence(resident), began)));
    } else {
      seen(new Look(vitals, began));
    }
  }

  /** It lives; where nothing can be learnt of the model, that has to do. */
  private static Vitals ofResidence(Vitals vitals) {
    return switch (vitals.sign()) {
      case READY, COLD -> vitals;
      case DEAD, NOT_READY -> new Vitals(Vitals.Sign.NOT_READY, vitals.failure());
      case REFUSED, FOREIGN, UNKNOWN -> Vitals.READY;
    };
  }

  private void seen(Look look) {
    if (!look.isOfNothing()) {
      activity.ask();
      Failure note = look.failure();
      boolean cold = note != null && note.kind() == FailureKind.MODEL_COLD;
      otherwise = cold && look.sign() == Vitals.Sign.READY ? note : null;
    }
    if (look.isOfServer()) {
      foundWell = true;
      lastFoundWell = time.nanos();
    }
    if (look.sign() == Vitals.Sign.READY) {
      foundReady = true;
      lastFoundReady = time.nanos();
    }
    if (ALIVE.contains(look.sign())) {
      silences.wellAgain(time.nanos());
    }
    CompletableFuture<Look> over;
    lock.lock();
    try {
      over = underWay;
      underWay = null;
    } finally {
      lock.unlock();
    }
    if (over != null) {
      over.complete(look);
    }
  }
}
