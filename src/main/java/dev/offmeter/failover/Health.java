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
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * What is found out of one endpoint on the side: whether a silent one lives, whether one that was
 * down is back, whether its model is loaded. Safe for use by many threads; nothing here waits.
 *
 * <p>What is done about an endpoint that is down is in {@link Recovery}; about a cold model, in
 * {@link Warmth}.
 */
final class Health {
  /** Silence that gives no cause for doubt, however short the limits are. */
  private static final Duration DOUBT_AT_MOST = Duration.ofSeconds(5);

  private final Probes probes;
  private final Breaker breaker;
  private final Activity activity;
  private final Time time;
  private final Recovery recovery;
  private final Warmth warmth;
  private final Looks looks;
  private final Wedge wedge;
  private final Confirmation confirmation;
  private final Resends resends;
  private final LoadProgress progress;
  private final OllamaAdvice advice;
  private final SharedStalls stalls = new SharedStalls();
  private final Set<TimedAttempt> underWay = ConcurrentHashMap.newKeySet();

  Health(
      EndpointSpec spec,
      Probes probes,
      Breaker breaker,
      Activity activity,
      Latencies latencies,
      Rate rate,
      Time time,
      ProbePace pace) {
    this.probes = probes;
    this.breaker = breaker;
    this.activity = activity;
    this.looks = new Looks(probes, activity, time);
    this.confirmation = new Confirmation(looks, time);
    this.resends = new Resends(activity, time);
    this.progress = new LoadProgress(time.nanos());
    this.time = time;
    this.advice = new OllamaAdvice(spec.name(), probes);
    this.warmth = new Warmth(spec, probes, this, latencies, activity, rate, time);
    this.wedge = new Wedge(spec, probes, this, activity, time);
    this.recovery = new Recovery(this, breaker, time, pace);
  }

  /** Whether the endpoint can be asked how it is. */
  boolean isProbed() {
    return probes.can(Checkup.Kind.ALIVE);
  }

  /** How long an attempt is silent before it is doubted: a third of its limit, at most 5 s. */
  static long doubtAfter(Duration firstToken) {
    return Math.min(firstToken.toNanos() / 3, DOUBT_AT_MOST.toNanos());
  }

  /** An attempt is made. */
  void begins(TimedAttempt attempt) {
    underWay.add(attempt);
  }

  /** An attempt has ended. */
  void ends(TimedAttempt attempt) {
    underWay.remove(attempt);
  }

  /** Whether any attempt is under way there. */
  boolean isWaitedFor() {
    return !underWay.isEmpty();
  }

  /**
   * An attempt has been silent for so long that the endpoint may be dead.
   *
   * @param ofKept whether its kept connection may be to blame, though others are being served
   */
  void doubt(boolean ofKept) {
    long now = time.nanos();
    if (isProbed() && !looks.isRecent(now) && (ofKept || !activity.isLively(now))) {
      look(this::answersDoubt);
    }
  }

  private void answersDoubt(Looks.Look look) {
    warmth.onLook(look);
    if (look.sign() == Vitals.Sign.COLD && !look.isContradicted()) {
      warmth.noteIfPushedOut();
    }
    if (look.death() != null) {
      CompletableFuture<Looks.Look> unused = ifDead(look, this::diesOf);
    } else if (isToBeLoaded(look)) {
      goneCold(Failure.of(FailureKind.MODEL_COLD, cold(look.failure())));
    } else if (look.isOfServer() && underWay.stream().noneMatch(TimedAttempt::isSilentOnNew)) {
      // Where a new connection is silent too, the server is slow.
      underWay.forEach(TimedAttempt::onServerFoundWell);
    }
  }

  /** Whether a health check has found the server well since. */
  boolean isFoundWellSince(long then) {
    return looks.haveFoundItWellSince(then);
  }

  /**
   * Takes note of an attempt that has stalled.
   *
   * @param begun when it was made
   * @param since when its last piece came
   * @return whether it tells nothing new: all was well, and another has told the same
   */
  boolean noteStall(long begun, long since) {
    return looks.haveFoundItReadySince(since) && stalls.note(begun, time.nanos());
  }

  /** Why a load of a model that is listed takes long; null if it is only being loaded. */
  @Nullable Failure loadedOtherwise() {
    return looks.otherwise();
  }

  OllamaAdvice advice() {
    return advice;
  }

  Resends resends() {
    return resends;
  }

  /** Whether it can be loaded now or not: nobody is to wait for what comes too late. */
  private void goneCold(Failure failure) {
    warmth.warm(failure);
    if (!warmth.isLeftToCalls()) {
      freeWhoWaitInVain(failure);
    }
  }

  /**
   * The attempts that wait for a load are what the server loads its model for, and would abort it
   * by moving on: so only those do for whom it would come too late, as far as is known.
   */
  private void freeWhoWaitInVain(Failure failure) {
    long now = time.nanos();
    for (TimedAttempt attempt : underWay) {
      long left = progress.left(attempt.begun(), now, warmth.lastLoad());
      if (!attempt.outlasts(left, warmth.usualAnswer())) {
        attempt.evacuate(failure);
      }
    }
  }

  /** An attempt has ended without a byte. */
  void abandons(TimedAttempt attempt) {
    long begun = attempt.begun();
    boolean first = underWay.stream().noneMatch(other -> other.waitsLongerThan(begun));
    progress.onAbandoned(begun, time.nanos(), first);
  }

  /** The model is in memory. */
  void onLoaded() {
    progress.onLoaded();
  }

  /** An attempt has its first piece: there is no better proof that the model is in memory. */
  void onFirstPiece() {
    progress.onLoaded();
    warmth.onServed();
  }

  private boolean isToBeLoaded(Looks.Look look) {
    return look.sign() == Vitals.Sign.COLD && warmth.takesTooLong() && !look.isContradicted();
  }

  private void diesOf(Failure death) {
    Failure failure = Failure.of(FailureKind.UNRESPONSIVE, "silent, and " + deadTo(death));
    breaker.takeDown(failure, () -> endAll(failure, death));
  }

  private static String deadTo(Failure death) {
    return death.kind() == FailureKind.UNRESPONSIVE
        ? death.message()
        : "dead to a health check: " + death.kind() + ", " + death.message();
  }

  private String cold(@Nullable Failure found) {
    return (found == null ? "" : found.message() + "; ") + warmth.lastTime();
  }

  /** It is not there: who waits for the first piece of an answer moves on. */
  void down(Failure failure) {
    breaker.takeDown(failure, () -> evacuate(failure));
  }

  /** It has the wrong settings: who waits for the first piece of an answer moves on. */
  void setAside(Failure failure) {
    breaker.setAside(failure, () -> evacuate(failure));
  }

  /** Its model has to be loaded, which nobody else is to wait for; see {@link Breaker#warms}. */
  boolean warms(Failure why, boolean again) {
    return breaker.warms(why, again, () -> freeWhoWaitInVain(why));
  }

  /** It turns calls away, while those that it has taken are waiting in a load. */
  void refusesLoad(Failure failure) {
    breaker.takeDown(failure, () -> {});
  }

  Breaker breaker() {
    return breaker;
  }

  /**
   * An attempt got no byte in all its time, as is usual while a model is being loaded.
   *
   * @param since when it was begun
   * @param silence what it is weighed as if that is not the reason; null if there is another
   */
  void onNoByte(long since, Wedge.@Nullable Silence silence) {
    if (warmth.mayBeCold(since)) {
      look(
          look ->
              weigh(silence, look, look.isContradicted() ? null : warmth.looksCold(look.sign())));
    } else if (silence != null) {
      look(look -> weigh(silence, look, null));
    }
  }

  private void weigh(
      Wedge.@Nullable Silence silence, Looks.Look look, @Nullable CompletableFuture<Vitals> load) {
    if (silence != null) {
      wedge.weigh(silence, look, load);
    }
  }

  Wedge wedge() {
    return wedge;
  }

  /** Whether an attempt is under way that was made before then: the server may work on that one. */
  boolean isBehindAnother(long then) {
    return underWay.stream().anyMatch(other -> other.isOlderThan(then));
  }

  /** Whether its model is wedged, as far as a health check since then does not say otherwise. */
  boolean isWedged(long since) {
    return wedge.isWedged() && looks.haveFoundItReadySince(since);
  }

  /** It is down, or has been, for this reason: nobody is to wait there. */
  void downFor(Failure failure) {
    breaker.takeDownFor(failure, () -> evacuate(failure));
  }

  /** Everybody who waits for the first piece of an answer moves on. */
  void evacuate(Failure failure) {
    for (TimedAttempt attempt : underWay) {
      attempt.evacuate(failure);
    }
  }

  /**
   * A health check has found the node dead: everybody there moves on, in the middle of an answer
   * too.
   *
   * @param failure what those are told who wait for the first piece
   */
  void endAll(Failure failure, Failure death) {
    boolean certain = !Silences.isSilent(death);
    Failure begun =
        Failure.of(
            FailureKind.UNRESPONSIVE, "silent in the middle of its answer, and " + deadTo(death));
    for (TimedAttempt attempt : underWay) {
      attempt.onDeath(failure, begun, certain);
    }
  }

  /** Whether it lives, and whether its model is there. */
  void look(Consumer<Looks.Look> then) {
    CompletableFuture<@Nullable Void> unused =
        looks.look(
            look -> {
              then.accept(look);
              return CompletableFuture.completedFuture(null);
            });
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
    advice.askOnce();
    return looks
        .look(look -> ifDead(look, this::down))
        .thenCompose(look -> warmth.warmUp(look.sign()));
  }

  /**
   * Has a health check judged that may have found nobody.
   *
   * @param then is told why the server is taken for dead, if it is
   * @return completed with the last health check that was needed for that
   */
  CompletableFuture<Looks.Look> ifDead(Looks.Look look, Consumer<Failure> then) {
    return confirmation
        .settle(look)
        .thenApply(
            settled -> {
              Failure death = settled.death();
              if (death != null) {
                then.accept(death);
              }
              return settled.look();
            });
  }

  /**
   * Asks at once whether the endpoint is repaired, as a person says, and lets the next call try it
   * if nothing speaks against that. Where it cannot be asked, the next call finds out.
   *
   * @return completed, never exceptionally, when that is decided
   */
  CompletableFuture<?> recheck() {
    if (!isProbed()) {
      breaker.endBackoff();
      return CompletableFuture.completedFuture(null);
    }
    long said = time.nanos();
    return looks
        .look(CompletableFuture::completedFuture)
        // One that was under way may have seen it as it was before.
        .thenCompose(look -> look.beganBefore(said) ? looks.look(this::recheck) : recheck(look));
  }

  private CompletableFuture<Void> recheck(Looks.Look look) {
    return confirmation.settle(look).thenCompose(settled -> decide(settled.look()));
  }

  private CompletableFuture<Void> decide(Looks.Look look) {
    boolean cold = look.sign() == Vitals.Sign.COLD && warmth.canLoad();
    boolean ill = look.death() != null || look.sign() == Vitals.Sign.NOT_READY;
    if (!breaker.isOpenToCalls() && cold) {
      return warmth.confirm(true, breaker::endBackoff);
    }
    if (!ill) {
      breaker.endBackoff();
    }
    return CompletableFuture.completedFuture(null);
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
    confirmation.close();
  }
}
