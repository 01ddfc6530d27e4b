// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import dev.offmeter.FailureKind;
import dev.offmeter.endpoint.Checkup;
import dev.offmeter.endpoint.EndpointSpec;
import dev.offmeter.wire.Failure;
import dev.offmeter.wire.Vitals;
import java.lang.ref.WeakReference;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Whether a server has its model in memory, and getting it there without a caller who waits. A
 * server that loads on demand aborts the load when the request that began it is given up, so that a
 * limit shorter than the load would never see an answer: the load has a request of its own. Safe
 * for use by many threads.
 */
final class Warmth {
  /** Ollama itself gives up a load that makes no progress for 5 min (OLLAMA_LOAD_TIMEOUT). */
  static final Duration LOAD = Duration.ofMinutes(10);

  /** Loading a model that is loaded takes no longer than this. */
  private static final Duration AT_ONCE = Duration.ofSeconds(2);

  /** The server may keep a model longer than is known here. */
  private static final long AGAIN = Duration.ofSeconds(30).toNanos();

  /** So long after a load that was refused none is tried. */
  private static final long REFUSED = Duration.ofMinutes(10).toNanos();

  private static final long HOLD_AT_LEAST = Duration.ofSeconds(5).toNanos();
  private static final long HOLD_AT_MOST = Duration.ofMinutes(2).toNanos();

  private static final long UNKNOWN = 0;

  private final EndpointSpec spec;
  private final Probes probes;
  private final Breaker breaker;
  private final Latencies latencies;
  private final Activity activity;
  private final Supplier<CompletableFuture<Vitals>> look;
  private final Time time;
  private final AtomicBoolean kept = new AtomicBoolean();
  private volatile boolean closed;
  private volatile @Nullable Future<?> next;
  private volatile @Nullable Future<?> watch;
  private volatile long loadNanos = UNKNOWN;
  private volatile long loadedAt;
  private volatile long seenAt;
  private volatile boolean dropped;
  private volatile boolean everLoaded;
  private volatile long mayLoadFrom;
  private volatile long loadBegun;
  private final AtomicBoolean watched = new AtomicBoolean();

  Warmth(
      EndpointSpec spec,
      Probes probes,
      Breaker breaker,
      Latencies latencies,
      Activity activity,
      Supplier<CompletableFuture<Vitals>> look,
      Time time) {
    this.look = look;
    this.spec = spec;
    this.probes = probes;
    this.breaker = breaker;
    this.latencies = latencies;
    this.activity = activity;
    this.time = time;
    this.loadedAt = time.nanos();
    this.seenAt = loadedAt;
    this.loadBegun = loadedAt;
    this.mayLoadFrom = loadedAt;
  }

  /** How long the last load took, in words. */
  String lastTime() {
    return "the last load took " + Duration.ofNanos(loadNanos).toMillis() + " ms";
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
    boolean idle = time.nanos() - usedAt() - spec.residence().toNanos() >= 0;
    warm(why, everLoaded && !idle);
  }

  /**
   * The same.
   *
   * @param again whether it is cold although it was loaded a short while ago
   */
  void warm(Failure why, boolean again) {
    if (canLoad() && breaker.warms(why, again)) {
      CompletableFuture<Void> unused = load();
    }
  }

  /** Whether the model can be loaded beforehand. */
  boolean canLoad() {
    return probes.can(Checkup.Kind.LOAD) && time.nanos() - mayLoadFrom >= 0;
  }

  /** An attempt got no byte in all its time. What a load that is over at once costs is nothing. */
  void looksCold(Vitals vitals) {
    switch (vitals.sign()) {
      case COLD -> warm(Failure.of(FailureKind.MODEL_COLD, "the model is not in memory"));
      case READY -> {
        if (canLoad()) {
          loadOrWarm();
        }
      }
      default -> {
        // Whatever is wrong, it is not the model.
      }
    }
  }

  /** Ollama lists a model that is still being loaded, so that only a load tells. */
  private void loadOrWarm() {
    CompletableFuture<Void> load = load();
    Failure why = Failure.of(FailureKind.MODEL_COLD, "the model is still being loaded");
    Future<?> clock =
        time.timer()
            .schedule(
                () -> {
                  if (probes.isAsking(Checkup.Kind.LOAD)) {
                    warm(why);
                  }
                },
                AT_ONCE.toNanos(),
                TimeUnit.NANOSECONDS);
    CompletableFuture<Void> unused = load.thenRun(() -> clock.cancel(false));
  }

  /**
   * Loads it, or joins the load that is under way.
   *
   * @return completed when that is over, and what follows from it done
   */
  CompletableFuture<Void> load() {
    if (!probes.isAsking(Checkup.Kind.LOAD)) {
      loadBegun = time.nanos();
    }
    return probes.ask(Checkup.Kind.LOAD, LOAD).thenAccept(this::loaded);
  }

  private void loaded(Vitals vitals) {
    Failure failure = vitals.failure();
    long took = time.nanos() - loadBegun;
    if (vitals.sign() == Vitals.Sign.READY) {
      loadedAt = time.nanos();
      everLoaded = true;
      dropped = false;
      if (took > AT_ONCE.toNanos()) {
        loadNanos = took;
      }
      breaker.warmed();
      watchForTheDrop(spec.residence().toNanos());
    } else if (failure != null && isRefusal(vitals.sign(), failure)) {
      // Calls may be let through all the same: a proxy may know their path only.
      mayLoadFrom = time.nanos() + REFUSED;
      breaker.warmed();
    } else if (breaker.isWarming() && failure != null && !closed) {
      breaker.takeDown(failure);
    }
  }

  private static boolean isRefusal(Vitals.Sign sign, Failure failure) {
    return sign == Vitals.Sign.REFUSED
        || failure.kind() == FailureKind.WRONG_PATH
        || failure.kind() == FailureKind.BAD_REQUEST;
  }

  /**
   * Loads the model after a look.
   *
   * @return completed when it is loaded, or cannot be
   */
  CompletableFuture<?> warmUp(Vitals vitals) {
    keepWarm();
    if (canLoad() && vitals.sign() == Vitals.Sign.COLD) {
      breaker.warms(Failure.of(FailureKind.MODEL_COLD, "the model is being loaded"), false);
      return load();
    }
    return canLoad() && vitals.sign() == Vitals.Sign.READY
        ? load()
        : CompletableFuture.completedFuture(null);
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
    return closed ? null : time.timer().schedule(tick, nanos, TimeUnit.NANOSECONDS);
  }

  /** Does not keep a client alive that was dropped without being closed. */
  private record Tick(WeakReference<Warmth> warmth, Consumer<Warmth> task) implements Runnable {
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
   * dropped the model: Ollama lists one that a call has it load like one that is loaded.
   */
  private void watchForTheDrop(long delay) {
    if (takesTooLong() && watched.compareAndSet(false, true)) {
      watch = after(delay, Warmth::lookForTheDrop);
    }
  }

  /** Its time has passed, and nobody has looked since. */
  private boolean isDueToBeDropped() {
    long due = usedAt() + spec.residence().toNanos();
    return time.nanos() - due > 0 && seenAt - due < 0 && takesTooLong();
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
      CompletableFuture<Void> unused =
          probes.ask(Checkup.Kind.RESIDENT, Health.LOOK).thenAccept(this::foundIdle);
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
      CompletableFuture<Void> unused = look.get().thenAccept(this::found);
    }
  }

  private void found(Vitals vitals) {
    Failure failure = vitals.failure();
    if (vitals.sign() != Vitals.Sign.DEAD || failure == null) {
      looksCold(vitals);
    } else if (!Silences.isSilent(failure)) {
      breaker.takeDown(failure);
    }
  }

  /** Nobody is there to load it. */
  void giveUp(Failure failure) {
    breaker.takeDown(failure);
    probes.cancel(Checkup.Kind.LOAD);
  }

  void close() {
    closed = true;
    cancel(next);
    cancel(watch);
  }

  private static void cancel(@Nullable Future<?> pending) {
    if (pending != null) {
      pending.cancel(false);
    }
  }
}
