// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import dev.offmeter.FailureKind;
import dev.offmeter.endpoint.Checkup;
import dev.offmeter.endpoint.EndpointSpec;
import dev.offmeter.wire.Failure;
import dev.offmeter.wire.ForeignCode;
import dev.offmeter.wire.Vitals;
import java.lang.ref.WeakReference;
import java.time.Duration;
import java.util.EnumSet;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Whether a server has its model in memory, and getting it there without a caller who waits. A
 * server that loads on demand aborts the load when the request that began it is given up, so that a
 * limit shorter than the load would never see an answer: the load has a request of its own. Safe
 * for use by many threads.
 */
final class Warmth {
  private static final Logger LOG = LoggerFactory.getLogger("dev.offmeter");

  /** Ollama itself gives up a load that makes no progress for 5 min (OLLAMA_LOAD_TIMEOUT). */
  static final Duration LOAD = Duration.ofMinutes(10);

  /** Loading a model that is loaded takes no longer than this. */
  private static final Duration AT_ONCE = Duration.ofSeconds(2);

  /** The server may keep a model longer than is known here. */
  private static final long AGAIN = Duration.ofSeconds(30).toNanos();

  /** So long after a load that was refused none is tried. */
  private static final long REFUSED = Duration.ofMinutes(10).toNanos();

  /** After a second load in vain; it doubles with each further one. */
  private static final long IN_VAIN = Duration.ofSeconds(10).toNanos();

  private static final int MOST_DOUBLINGS = 6;

  /**
   * So long after a load that a full queue refused another is asked for; twice as long each time.
   */
  private static final long BUSY = Duration.ofSeconds(1).toNanos();

  private static final int MOST_BUSY_DOUBLINGS = 3;

  /** That is {@link #LOAD} in all, near enough. */
  private static final int MOST_TIMES_BUSY = 75;

  private static final Set<FailureKind> REFUSALS =
      EnumSet.of(FailureKind.PATH_NOT_FOUND, FailureKind.BAD_REQUEST);

  /** What a call would be told in the same words. */
  private static final Set<FailureKind> WRONG_SETTINGS =
      EnumSet.of(FailureKind.MODEL_NOT_FOUND, FailureKind.OPTION_REJECTED);

  /** A proxy may let calls through, and nothing else. */
  private static final Set<Vitals.Sign> UNCLEAR =
      EnumSet.of(Vitals.Sign.REFUSED, Vitals.Sign.FOREIGN, Vitals.Sign.UNKNOWN);

  private static final long HOLD_AT_LEAST = Duration.ofSeconds(5).toNanos();
  private static final long HOLD_AT_MOST = Duration.ofMinutes(2).toNanos();

  /** After a reply that something on the way has spoiled. */
  private static final long SOON = Duration.ofSeconds(1).toNanos();

  private static final long UNKNOWN = 0;

  private final EndpointSpec spec;
  private final Probes probes;
  private final Health health;
  private final Breaker breaker;
  private final Latencies latencies;
  private final Activity activity;
  private final Rate rate;
  private final Time time;

  /** How the model is loaded; changes once at most. */
  private volatile Checkup.Kind kind;

  private final AtomicInteger inVain = new AtomicInteger();
  private final AtomicBoolean told = new AtomicBoolean();
  private final AtomicBoolean toldOfEviction = new AtomicBoolean();
  private final Evictions evictions = new Evictions();
  private final AtomicBoolean kept = new AtomicBoolean();
  private volatile boolean closed;
  private volatile @Nullable Future<?> next;
  private volatile @Nullable Future<?> watch;
  private volatile @Nullable Future<?> busyAgain;
  private volatile @Nullable Future<?> repetition;
  private volatile long loadNanos = UNKNOWN;
  private volatile long loadedAt;
  private volatile long seenAt;
  private volatile boolean dropped;
  private volatile boolean everLoaded;
  private volatile long mayLoadFrom;
  private volatile int timesBusy;
  private final AtomicBoolean watched = new AtomicBoolean();
  private final ReentrantLock lock = new ReentrantLock();
  private @Nullable Load loading;

  Warmth(
      EndpointSpec spec,
      Probes probes,
      Health health,
      Latencies latencies,
      Activity activity,
      Rate rate,
      Time time) {
    this.spec = spec;
    this.probes = probes;
    this.health = health;
    this.breaker = health.breaker();
    this.latencies = latencies;
    this.activity = activity;
    this.rate = rate;
    this.time = time;
    this.kind = probes.can(Checkup.Kind.LOAD) ? Checkup.Kind.LOAD : Checkup.Kind.ONE_TOKEN;
    this.loadedAt = time.nanos();
    this.seenAt = loadedAt;
    this.mayLoadFrom = loadedAt;
  }

  /** How long the last load took, in words. */
  String lastTime() {
    return "the last load took " + Duration.ofNanos(loadNanos).toMillis() + " ms";
  }

  /** How many nanoseconds the last load took; 0 if that is unknown. */
  long lastLoad() {
    return loadNanos;
  }

  /** How many nanoseconds nearly every answer takes. */
  long usualAnswer() {
    return latencies.total95();
  }

  /** Whether a call that has to wait for a load would miss its limits; false if that is unknown. */
  boolean takesTooLong() {
    return loadNanos != UNKNOWN
        && (loadNanos > spec.limits().firstToken().toNanos()
            || loadNanos + latencies.total95() > spec.limits().attempt().toNanos());
  }

  /**
   * A call is about to go there. If the server has dropped the model, it is not the one to wait.
   */
  void wanted() {
    keepWarm();
    boolean gone = dropped && usedAt() - seenAt < 0;
    if ((gone || isDueToBeDropped()) && breaker.isOpenToCalls()) {
      warm(
          Failure.of(
              FailureKind.MODEL_COLD, "the server has dropped the model, unused; " + lastTime()));
    }
  }

  /**
   * Loads the model while callers use other endpoints.
   *
   * @param why what they are told
   */
  void warm(Failure why) {
    warm(why, wasLoadedLately());
  }

  private boolean wasLoadedLately() {
    return everLoaded && time.nanos() - usedAt() - spec.residence().toNanos() < 0;
  }

  /**
   * The same.
   *
   * @param again whether it is cold although it was loaded a short while ago
   */
  void warm(Failure why, boolean again) {
    noteIfPushedOut();
    if (canLoad() && health.warms(why, again)) {
      CompletableFuture<Vitals> unused = load();
    }
  }

  /** The model is found not to be in memory. A server that was not there has lost it by that. */
  void noteIfPushedOut() {
    boolean restarted = breaker.isAbsent() && !breaker.isOpenToCalls();
    boolean pushedOut = !restarted && !breaker.isWarming() && wasLoadedLately();
    if (pushedOut && evictions.onGone(time.nanos())) {
      leaveItToCalls();
    }
  }

  /** From now on calls load it, and none is to be kept away because its model was cold. */
  private void leaveItToCalls() {
    breaker.endBackoffOfColdModel();
    if (toldOfEviction.compareAndSet(false, true)) {
      ForeignCode.ignore(
          () ->
              LOG.warn(
                  "endpoint {} has lost its model soon after a load, again and again: another model, or"
                      + " this one with another num_ctx, pushes it out of the server's memory. It is no"
                      + " longer loaded in the background, but by calls alone, for 10 min each time. Raise"
                      + " OLLAMA_MAX_LOADED_MODELS as far as the models fit, or ask that server for one"
                      + " model with one num_ctx; see docs/troubleshooting.md#{}; said once",
                  spec.name(),
                  FailureKind.MODEL_COLD.anchor()));
    }
  }

  /** Whether the model can be loaded beforehand. */
  boolean canLoad() {
    return probes.can(kind) && time.nanos() - mayLoadFrom >= 0 && !isLeftToCalls();
  }

  /** Whether loading it in the background would only push out what pushes it out. */
  boolean isLeftToCalls() {
    return evictions.leaveItToCalls(time.nanos());
  }

  /**
   * Whether a load is what tells that the server is back: a token is worth it if it loads at all.
   */
  boolean canConfirm() {
    return canLoad() && (!costsToken() || loadNanos != UNKNOWN);
  }

  /** Whether only a token can have the model loaded. */
  boolean costsToken() {
    return kind == Checkup.Kind.ONE_TOKEN;
  }

  /**
   * Whether an attempt that got no byte may have waited for a load. Where only a token can tell,
   * one is not asked for if others were served meanwhile, or if there was hardly time for a byte.
   *
   * @param since when the attempt was begun
   */
  boolean mayBeCold(long since) {
    if (!costsToken()) {
      return probes.can(kind);
    }
    long enough = Math.min(AT_ONCE.toNanos(), spec.limits().firstToken().toNanos());
    return canLoad() && time.nanos() - since >= enough && !activity.hasServedSince(since);
  }

  /**
   * An attempt got no byte in all its time. What a load that is over at once costs is nothing.
   *
   * @return the load that finds out; null if there is none
   */
  @Nullable CompletableFuture<Vitals> looksCold(Vitals.Sign sign) {
    return looksCold(sign, false);
  }

  private @Nullable CompletableFuture<Vitals> looksCold(Vitals.Sign sign, boolean alone) {
    if (sign == Vitals.Sign.COLD) {
      warm(Failure.of(FailureKind.MODEL_COLD, "the model is not in memory"));
    } else if (sign == Vitals.Sign.READY && canLoad()) {
      long since = time.nanos();
      CompletableFuture<Vitals> load = loadOrWarm(alone);
      CompletableFuture<Void> unused =
          load.thenAccept(found -> foundByToken(found, time.nanos() - since));
      return load;
    }
    return null;
  }

  /** A token costs a little: so long as they find no model to be loaded, they get rarer. */
  private void foundByToken(Vitals found, long took) {
    if (!costsToken() || isRefusal(found)) {
      return;
    }
    if (found.sign() == Vitals.Sign.READY && took > AT_ONCE.toNanos()) {
      inVain.set(0);
      return;
    }
    int before = inVain.getAndIncrement();
    long pause = before == 0 ? 0 : IN_VAIN << Math.min(before - 1, MOST_DOUBLINGS);
    mayLoadFrom = time.nanos() + Math.max(pause, took > AT_ONCE.toNanos() ? took : 0);
  }

  /**
   * Loads what the server lists: Ollama may list a model that is still being loaded, by a call or
   * by somebody else, so that only a load tells. If that is not over at once, nobody is to wait for
   * it.
   */
  CompletableFuture<Vitals> loadOrWarm() {
    return loadOrWarm(false);
  }

  /**
   * The same.
   *
   * @param alone whether nothing but the load says that the model may not be there, so that a
   *     second request has to say the same
   */
  private CompletableFuture<Vitals> loadOrWarm(boolean alone) {
    boolean again = wasLoadedLately();
    Load load = begin();
    awaitLate(load, time.nanos(), again, alone);
    return load.over();
  }

  private void awaitLate(Load load, long since, boolean again, boolean alone) {
    Runnable late =
        () -> {
          if (!isUnderWay(load) || activity.hasServedSince(since)) {
            return;
          }
          if (alone && load.isAskedOnce()) {
            askBeside(load);
            awaitLate(load, since, again, false);
          } else {
            warm(whyLate(), again);
          }
        };
    Late told = new Late(probes, time, time.nanos() + AT_ONCE.toNanos(), late);
    Future<?> clock = time.after(AT_ONCE.toNanos(), told);
    CompletableFuture<Void> unused = load.over().thenRun(() -> cancel(clock));
  }

  private Failure whyLate() {
    Failure otherwise = health.loadedOtherwise();
    return otherwise != null
        ? otherwise
        : Failure.of(FailureKind.MODEL_COLD, "the model is still being loaded");
  }

  /** A clock's thread tells nobody. One that is late itself has found nothing out. */
  private record Late(Probes probes, Time time, long due, Runnable found) implements ScheduledTask {
    @Override
    public Purpose purpose() {
      return Purpose.LOAD_LIMIT;
    }

    @Override
    public void run() {
      if (!OwnPause.isLate(due, time.nanos())) {
        probes.aside(found);
      }
    }
  }

  /**
   * Loads it, or joins the load that is under way.
   *
   * @return completed, never exceptionally, when that is over, and what follows from it done
   */
  CompletableFuture<Vitals> load() {
    return begin().over();
  }

  private Load begin() {
    Load begun = new Load(time.nanos());
    lock.lock();
    try {
      if (loading != null) {
        return loading;
      }
      loading = begun;
    } finally {
      lock.unlock();
    }
    ask(begun);
    return begun;
  }

  private void ask(Load load) {
    try {
      countToken(time.nanos());
      load.onAsk(time.nanos());
      probes.askBeside(kind, LOAD, vitals -> ended(load, vitals));
    } catch (Failure e) {
      isOver(load, Vitals.of(Vitals.Sign.REFUSED, e));
    }
  }

  /** Once more, if a rate leaves room for that. */
  private void askBeside(Load load) {
    long left = LOAD.toNanos() - (time.nanos() - load.since());
    try {
      countToken(time.nanos());
      load.onAsk(time.nanos());
      probes.askBeside(kind, Duration.ofNanos(left), vitals -> ended(load, vitals));
    } catch (Failure spent) {
      // The first one is awaited.
    }
  }

  private void ended(Load load, Vitals vitals) {
    switch (load.onReply(vitals, isSettled(vitals))) {
      case NOTHING -> {}
      case SPOILED -> repetition = after(SOON, Warmth::repeat);
      case SETTLES -> settled(load, vitals);
    }
  }

  /** Whether the server itself has said how it is with the model. */
  private static boolean isSettled(Vitals vitals) {
    Failure failure = vitals.failure();
    return vitals.sign() == Vitals.Sign.READY
        || isRefusal(vitals)
        || (failure != null && WRONG_SETTINGS.contains(failure.kind()));
  }

  /** Where a proxy lets nothing but OpenAI's API through to an Ollama, a token has to do. */
  private void settled(Load load, Vitals vitals) {
    if (!costsToken() && isRefusal(vitals) && probes.can(Checkup.Kind.ONE_TOKEN)) {
      kind = Checkup.Kind.ONE_TOKEN;
      ask(load);
    } else {
      isOver(load, vitals);
    }
  }

  private void repeat() {
    Load load = underWay();
    if (load != null && load.isToBeRepeated()) {
      ask(load);
    }
  }

  /** Ends the wait of those who wait for a load that is to be asked for once more. */
  private void leaveRepetition() {
    cancel(repetition);
    Load load = underWay();
    if (load != null && load.isToBeRepeated()) {
      isOver(load, Probes.NOTHING);
    }
  }

  /** A health check that finds the server well may show that the reply to a load is lost. */
  void onLook(Looks.Look look) {
    Load load = underWay();
    if (load == null || !look.isAlive()) {
      return;
    }
    boolean there = !costsToken() && look.isWell();
    if (load.isDueAgain(there, loadNanos, costsToken(), time.nanos())) {
      askBeside(load);
    }
  }

  private void countToken(long now) throws Failure {
    if (!costsToken()) {
      return;
    }
    rate.take(now);
    if (told.compareAndSet(false, true)) {
      ForeignCode.ignore(
          () ->
              LOG.info(
                  "endpoint {} is asked for one token in the background, so that it loads its"
                      + " model",
                  spec.name()));
    }
  }

  private boolean isUnderWay(Load load) {
    return underWay() == load;
  }

  private @Nullable Load underWay() {
    lock.lock();
    try {
      return loading;
    } finally {
      lock.unlock();
    }
  }

  private void isOver(Load load, Vitals vitals) {
    if (!load.end()) {
      return;
    }
    if (load.isAwaited()) {
      // What it was to bring about is done, or cannot be.
      probes.cancel(kind);
    }
    lock.lock();
    try {
      loading = null;
    } finally {
      lock.unlock();
    }
    try {
      loaded(vitals, load.took(AT_ONCE.toNanos(), time.nanos()));
    } finally {
      load.over().complete(vitals);
    }
  }

  private void loaded(Vitals vitals, long took) {
    Failure failure = vitals.failure();
    if (vitals.sign() == Vitals.Sign.READY) {
      if (took > AT_ONCE.toNanos()) {
        loadNanos = took;
      }
      onThere(took > AT_ONCE.toNanos());
      watchForTheDrop(spec.residence().toNanos());
    } else if (isRefusal(vitals)) {
      // Calls may be let through all the same: a proxy may know their path only.
      boolean ours = failure != null && failure.kind() == FailureKind.CLIENT_RATE_LIMITED;
      mayLoadFrom = time.nanos() + (ours ? AGAIN : REFUSED);
      breaker.warmed();
    } else if (failure != null && failure.kind() == FailureKind.SERVER_BUSY) {
      busy(failure);
    } else if (failure != null && !closed) {
      failed(failure, took);
    }
  }

  /** A call has its first piece: if the model was not in memory, it was the load. */
  void onServed() {
    if (breaker.isWarming()) {
      Load load = underWay();
      if (load == null) {
        onThere(true);
      } else {
        isOver(load, Vitals.READY);
      }
    } else if (!evictions.isThere()) {
      evictions.onThere(time.nanos(), true);
    }
  }

  private void onThere(boolean loaded) {
    evictions.onThere(time.nanos(), loaded);
    loadedAt = time.nanos();
    everLoaded = true;
    dropped = false;
    timesBusy = 0;
    cancel(busyAgain);
    health.onLoaded();
    breaker.warmed();
  }

  /** Its queue for loads is full of calls, which have it loaded, or of a load of another model. */
  private void busy(Failure failure) {
    if (closed || !breaker.isWarming()) {
      return;
    }
    int before = timesBusy;
    timesBusy = before + 1;
    if (costsToken() || before >= MOST_TIMES_BUSY) {
      timesBusy = 0;
      health.refusesLoad(failure);
    } else {
      cancel(busyAgain);
      busyAgain = after(BUSY << Math.min(before, MOST_BUSY_DOUBLINGS), Warmth::loadIfWarming);
    }
  }

  private void loadIfWarming() {
    if (breaker.isWarming()) {
      CompletableFuture<Vitals> unused = load();
    }
  }

  private void failed(Failure failure, long took) {
    boolean wrong = WRONG_SETTINGS.contains(failure.kind());
    if (breaker.isWarming() && !wrong) {
      health.down(ofServerThatIsWell(failure));
    } else if (breaker.isWarming() || (wrong && !costsToken() && !isServing(took))) {
      health.setAside(failure);
    }
  }

  /** Calls that are answered outweigh what a load is told. */
  private boolean isServing(long took) {
    return activity.hasServedSince(time.nanos() - took - Looks.LATELY);
  }

  /** Its health check is well all the while, and must not bring it back at once. */
  private Failure ofServerThatIsWell(Failure failure) {
    return costsToken() && failure.kind() == FailureKind.UNRESPONSIVE
        ? Failure.of(FailureKind.WEDGED, "no token in the background either: " + failure.message())
        : failure;
  }

  private static boolean isRefusal(Vitals vitals) {
    Failure failure = vitals.failure();
    return vitals.sign() == Vitals.Sign.REFUSED
        || (failure != null && REFUSALS.contains(failure.kind()));
  }

  /**
   * After an outage: loads the model, so that no call has to wait for it. A load that is refused
   * for what a call would be refused for sets the endpoint aside.
   *
   * @param certain whether it has to be there, or it is enough that nothing else is wrong
   * @param then if so
   * @return completed when that is done
   */
  CompletableFuture<Void> confirm(boolean certain, Runnable then) {
    return loadOrWarm()
        .thenAccept(
            vitals -> {
              boolean there = vitals.sign() == Vitals.Sign.READY;
              Failure failure = vitals.failure();
              if (!there && failure != null && WRONG_SETTINGS.contains(failure.kind())) {
                health.setAside(failure);
              } else if (there || (!certain && UNCLEAR.contains(vitals.sign()) && !closed)) {
                then.run();
              }
            });
  }

  /**
   * Loads the model after a look.
   *
   * @return completed when it is loaded, or cannot be
   */
  CompletableFuture<Vitals> warmUp(Vitals.Sign sign) {
    evictions.retry(time.nanos());
    keepWarm();
    if (canLoad() && sign == Vitals.Sign.COLD) {
      health.warms(Failure.of(FailureKind.MODEL_COLD, "the model is being loaded"), false);
      return load();
    }
    return canLoad() && sign == Vitals.Sign.READY
        ? loadOrWarm()
        : CompletableFuture.completedFuture(Probes.NOTHING);
  }

  /** From now on the model is held in memory, if that is wanted. */
  void keepWarm() {
    if (spec.keepWarm() && canLoad() && kept.compareAndSet(false, true)) {
      schedule();
    }
  }

  /** Twice in the time that the server would keep it. */
  private void schedule() {
    long half = Math.min(spec.residence().toNanos() / 2, HOLD_AT_MOST);
    next = after(Math.max(HOLD_AT_LEAST, half), Warmth::hold);
  }

  private @Nullable Future<?> after(long nanos, Consumer<Warmth> task) {
    Tick tick = new Tick(new WeakReference<>(this), task);
    return closed ? null : time.after(nanos, tick);
  }

  /** Does not keep a client alive that was dropped without being closed. */
  private record Tick(WeakReference<Warmth> warmth, Consumer<Warmth> task)
      implements ScheduledTask {
    @Override
    public Purpose purpose() {
      return Purpose.HEALTH_CHECK;
    }

    @Override
    public void run() {
      Warmth due = warmth.get();
      if (due != null) {
        task.accept(due);
      }
    }
  }

  /**
   * When a load takes too long for a call, it has to be known before the call that the server has
   * dropped the model: Ollama may list one that a call has it load like one that is loaded.
   */
  private void watchForTheDrop(long delay) {
    boolean shown = probes.can(Checkup.Kind.RESIDENT);
    if (shown && takesTooLong() && watched.compareAndSet(false, true)) {
      watch = after(delay, Warmth::lookForTheDrop);
    }
  }

  /** Its time has passed, and nobody has looked since. */
  private boolean isDueToBeDropped() {
    long due = usedAt() + spec.residence().toNanos();
    boolean known = probes.can(Checkup.Kind.RESIDENT);
    return known && time.nanos() - due > 0 && seenAt - due < 0 && takesTooLong();
  }

  private long usedAt() {
    return Math.max(activity.lastAnswer(), loadedAt);
  }

  private void lookForTheDrop() {
    watched.set(false);
    long left = usedAt() + spec.residence().plus(AT_ONCE).toNanos() - time.nanos();
    if (left > 0 || !breaker.isOpenToCalls()) {
      watchForTheDrop(left > 0 ? left : AGAIN);
    } else {
      probes.ask(Checkup.Kind.RESIDENT, Looks.LIMIT, this::foundIdle);
    }
  }

  private void foundIdle(Vitals vitals) {
    seenAt = time.nanos();
    dropped = vitals.sign() == Vitals.Sign.COLD;
    if (!dropped) {
      watchForTheDrop(AGAIN);
    }
  }

  /** A load of a model that is loaded only tells the server to keep it. */
  private void hold() {
    schedule();
    if (breaker.isOpenToCalls()) {
      health.look(this::found);
    }
  }

  private void found(Looks.Look look) {
    onLook(look);
    Failure death = look.death();
    if (death == null) {
      if (!look.isContradicted()) {
        CompletableFuture<Vitals> unused = looksCold(look.sign(), look.isWell());
      }
    } else if (!Silences.isSilent(death)) {
      CompletableFuture<Looks.Look> unused = health.ifDead(look, health::down);
    }
  }

  /** Nobody is there to load it. */
  void giveUp(Failure failure) {
    health.down(failure);
    probes.cancel(kind);
    leaveRepetition();
  }

  void close() {
    closed = true;
    cancel(next);
    cancel(watch);
    cancel(busyAgain);
    leaveRepetition();
  }

  private static void cancel(@Nullable Future<?> pending) {
    if (pending != null) {
      pending.cancel(false);
    }
  }
}
