// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import dev.offmeter.Attempt;
import dev.offmeter.ChatRequest;
import dev.offmeter.FailureKind;
import dev.offmeter.endpoint.Answer;
import dev.offmeter.endpoint.Exchange;
import dev.offmeter.endpoint.Heard;
import dev.offmeter.endpoint.Limits;
import dev.offmeter.endpoint.Progress;
import dev.offmeter.wire.Failure;
import dev.offmeter.wire.ForeignCode;
import java.time.Duration;
import java.util.EnumSet;
import java.util.Locale;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * One exchange under its clocks. It is read on the caller's own thread; the clocks run on the
 * timer's and end it by failing {@link #outcome}, which cancels the exchange and so closes its
 * connection. Whichever comes first, the answer, a failure, a clock or the caller's change of mind,
 * is the outcome; what comes later changes nothing.
 *
 * <p>While a stream is delivered, the attempt's own limit is no longer in force, and the stall
 * clock runs only while its reader waits: a reader who takes his time is no fault of the node.
 */
final class TimedAttempt implements Progress {
  private static final long FAR = Duration.ofDays(365).toNanos();

  /** Failures that come without a byte while a model is being loaded. */
  private static final Set<FailureKind> WITHOUT_A_BYTE =
      EnumSet.of(
          FailureKind.FIRST_TOKEN_TIMEOUT,
          FailureKind.ATTEMPT_TIMEOUT,
          FailureKind.DEADLINE_SHARE_EXCEEDED,
          FailureKind.DEADLINE_EXCEEDED,
          FailureKind.GATEWAY_TIMEOUT);

  /** Failures that a pause of this process brings about, and not the endpoint. */
  private static final Set<FailureKind> OF_TIME =
      EnumSet.of(
          FailureKind.CONNECT_TIMEOUT,
          FailureKind.FIRST_TOKEN_TIMEOUT,
          FailureKind.STALLED,
          FailureKind.ATTEMPT_TIMEOUT,
          FailureKind.CONNECTION_LOST,
          FailureKind.TRUNCATED);

  /** An answer that was coming, and came no more. */
  private static final Set<FailureKind> BROKEN_OFF =
      EnumSet.of(FailureKind.STALLED, FailureKind.TRUNCATED);

  /** So many show whether there is time between them. */
  private static final int MANY_PIECES = 16;

  /** So soon after a piece its server was alive. */
  private static final long FRESH = Duration.ofSeconds(1).toNanos();

  private static final long LATE = Duration.ofSeconds(1).toNanos();

  private static final String HELD_BACK =
      "a proxy or tunnel may hold the answer back until it is whole";

  private static final Set<FailureKind> EXCUSES =
      EnumSet.of(
          FailureKind.OVERLOADED,
          FailureKind.DEADLINE_SHARE_EXCEEDED,
          FailureKind.DEADLINE_EXCEEDED);

  /** So many attempts' limits may be waited in vain before an excuse is none any more. */
  private static final int PATIENCE = 2;

  /** More of them for answers that were coming: two long ones in a row are no sign of death. */
  private static final int PATIENCE_WITH_THE_SLOW = 4;

  /**
   * How long a server may take, once the text is whole, to count its tokens and to end its reply.
   * Some leave it open for ever.
   */
  private static final long GRACE = Duration.ofSeconds(1).toNanos();

  /** What comes sooner had come before, while its reader rested: no sign that the node lives. */
  private static final long SOCKET_READ = Duration.ofMillis(1).toNanos();

  private final Gate gate;
  private final Time time;
  private final Limits limits;
  private final Exchange exchange;
  private final Cancellation cancellation;
  private final CompletableFuture<Answer> outcome = new CompletableFuture<>();

  /**
   * What the time limiter guards. It is completed when the attempt has ended, however it has: the
   * limiter of Resilience4j 2.4.0 leaves its timer running after a failure.
   */
  private final CompletableFuture<@Nullable Void> limit = new CompletableFuture<>();

  private final Deadline deadline;
  private final int showsFrom;
  private long start;

  /** How crowded the endpoint was when it began. Of the reading thread. */
  private AdaptiveLimit.Entry entry;

  private final long doubtAfter;

  /** The same for an answer that has begun: before the stall limit ends it. */
  private final long doubtAfterPiece;

  private final long share;
  private final boolean othersToCome;

  /** When a deadline that was set has passed. */
  private final long deadlineEnds;

  private volatile long shareEnds;

  /** When the delivery must be over, its reader's pauses so far not counted. */
  private volatile long streamEnds;

  private final @Nullable Hedge hedge;
  private volatile long doubtAt;
  private volatile long doubtedAt;
  private volatile long hedgeAt;
  private volatile boolean connecting;
  private volatile boolean connected;
  private volatile long connectingSince;
  private volatile boolean begun;

  /** Others were served before it had its first piece. */
  private volatile boolean queued;

  private volatile boolean delivering;
  private volatile long lastPiece;
  private volatile long firstPiece;
  private volatile boolean resting;
  private volatile long readingSince;
  private volatile @Nullable Future<?> watch;
  private volatile @Nullable Future<?> rest;
  private volatile boolean textEnded;
  private volatile long textEndedAt;
  private final Pace pace;
  private int pieces;

  /** Whether it is counted among the answers that are coming. Of the reading thread. */
  private boolean coming;

  /** Whether it is counted among the streams that go on. Of the reading thread. */
  private boolean streams;

  private boolean running;
  private final ChatRequest request;
  private volatile boolean kept;
  private volatile long connectedAt;
  private volatile boolean resent;
  private volatile boolean replied;
  private volatile long resentAt;
  private final OwnPause pause;
  private volatile long limitDue;

  /** Until when it may run although the limiter's time is over; {@link #FAR} while it is not. */
  private volatile long attemptEnds;

  /**
   * An attempt.
   *
   * @param share nanoseconds that the call's deadline leaves it
   * @param showsFrom with how many pieces it begins to be delivered; {@code MAX_VALUE} for never
   * @param hedge is told that it is silent
   */
  TimedAttempt(
      Gate gate,
      Time time,
      ChatRequest request,
      Cancellation cancellation,
      Deadline deadline,
      long share,
      int showsFrom,
      @Nullable Hedge hedge) {
    this.gate = gate;
    this.time = time;
    this.limits = gate.spec().limits();
    this.cancellation = cancellation;
    this.deadline = deadline;
    this.share = share;
    this.showsFrom = Math.max(1, showsFrom);
    this.pace = new Pace(limits.minimumRate());
    this.start = time.nanos();
    this.shareEnds = start + share;
    this.streamEnds = start + FAR;
    this.doubtAfter = gate.health().isProbed() ? Health.doubtAfter(limits.firstToken()) : FAR;
    this.doubtAfterPiece = Math.min(doubtAfter, limits.stall().toNanos() / 2);
    this.doubtAt = start + doubtAfter;
    this.doubtedAt = start;
    this.hedge = hedge;
    this.hedgeAt = start + (hedge == null ? FAR : hedge.after());
    long left = deadline.left();
    this.othersToCome = left > share;
    this.deadlineEnds = start + left;
    this.request = request;
    this.pause = new OwnPause(start);
    this.attemptEnds = start + FAR;
    this.lastPiece = start;
    this.readingSince = start;
    this.entry = gate.adaptive().enter(start);
    this.exchange = gate.opener().open(request, this);
  }

  /**
   * Reads on.
   *
   * @return the whole answer; null while there is more to come
   */
  @Nullable Answer next() throws Failure {
    if (!running) {
      running = true;
      begin(time.nanos());
      startClocks();
    }
    reads();
    try {
      Answer answer = pace.isMeasured() && begun ? measured() : exchange.next();
      if (answer != null) {
        outcome.complete(answer);
        gate.activity().answered(time.nanos());
        if (!delivering) {
          gate.onServed(entry, time.nanos());
        }
        gate.activity().served(Resends.length(request));
      }
    } catch (Failure e) {
      if (!outcome.isDone()) {
        pause.note(time.nanos());
      }
      outcome.completeExceptionally(e);
    }
    return outcome.isDone() ? settled() : null;
  }

  /**
   * A listener has heard of the attempt since it was made. The time that took is the caller's, of
   * whose deadline it is taken; no clock of the endpoint's runs for it.
   */
  private void begin(long now) {
    start = now;
    entry = gate.adaptive().enter(now);
    lastPiece = now;
    doubtAt = now + doubtAfter;
    hedgeAt = now + (hedge == null ? FAR : hedge.after());
    if (!deadline.isSet()) {
      shareEnds = now + share;
    }
  }

  private @Nullable Answer measured() throws Failure {
    long since = time.nanos();
    int before = pieces;
    Answer answer = exchange.next();
    if (answer == null && !textEnded && pace.isTooSlow(time.nanos() - since, pieces - before)) {
      outcome.completeExceptionally(overdue(FailureKind.STALLED, "fewer than " + pace));
    }
    return answer;
  }

  /** The reader wants the next piece. What brings none is no progress, and moves no clock. */
  private void reads() {
    if (resting) {
      long now = time.nanos();
      readingSince = now;
      // Its pause began with the last piece, near enough: so no piece costs a further look.
      long ends = streamEnds + now - lastPiece;
      streamEnds = ends;
      resting = false;
      if (now - ends >= 0 && !textEnded) {
        outcome.completeExceptionally(streamSpent());
      }
    }
  }

  /** The reader has a piece and takes his time. */
  void rests() {
    resting = delivering;
  }

  @SuppressWarnings("FutureReturnValueIgnored") // What depends on the outcome returns with it.
  private void startClocks() throws Failure {
    outcome.whenComplete((answer, failure) -> stop(failure));
    limit.whenComplete((ended, late) -> passOn(late));
    limitDue = time.nanos() + limits.attempt().toNanos();
    cancellation.waitsFor(outcome);
    gate.health().begins(this);
    Throwable unable =
        ForeignCode.run(
            () -> {
              gate.timeLimiter().executeCompletionStage(time.timer(), () -> limit);
              watchNext(time.nanos());
            });
    // A function is the last resort, and runs without a clock rather than not at all.
    if (unable != null && !gate.spec().isLocal()) {
      throw Failure.of(FailureKind.INTERNAL, "no clock for it: " + ForeignCode.NO_THREAD);
    }
  }

  /** What has come so far. */
  Heard heard() {
    return exchange.heard();
  }

  /** Whether a reader is shown it while it comes. */
  boolean isDelivering() {
    return delivering;
  }

  /** How many pieces that was. */
  int pieces() {
    return pieces;
  }

  /** Ends it, if it has not ended yet, and lets go of all that it holds. */
  void end() {
    outcome.cancel(false);
    if (coming) {
      coming = false;
      gate.adaptive().onEnded();
    }
    if (streams) {
      streams = false;
      gate.adaptive().onStreamEnds();
    }
    exchange.close(deadline.left());
    deadline.deliveryEnds();
  }

  private void passOn(@Nullable Throwable late) {
    if (late != null && textEnded) {
      exchange.cancel();
    } else if (late != null && !isReprieved(late)) {
      outcome.completeExceptionally(late);
    }
  }

  /** Whether it has had less time than its limit, because this process stood still meanwhile. */
  private boolean isReprieved(Throwable late) {
    long now = time.nanos();
    if (!(late instanceof TimeoutException) || !(pause.note(now, limitDue) || pause.isNoted())) {
      return false;
    }
    attemptEnds = pause.reprieve(limitDue + pause.lost());
    Future<?> pending = watch;
    if (pending != null) {
      pending.cancel(false);
    }
    watchNext(now);
    return true;
  }

  private void stop(@Nullable Throwable failure) {
    limit.complete(null);
    Future<?> pending = watch;
    if (pending != null) {
      pending.cancel(false);
    }
    dropRest();
    gate.health().ends(this);
    if (failure != null) {
      exchange.cancel();
      if (!begun && !replied) {
        gate.health().abandons(this);
      }
      if (!begun && isOutOfTime(failure)) {
        if (resent) {
          gate.health().resends().onOutcome(false);
        }
        gate.health().onNoByte(start, silence());
      }
    }
  }

  private static boolean isOutOfTime(Throwable failure) {
    return failure instanceof TimeoutException
        || (failure instanceof Failure known && WITHOUT_A_BYTE.contains(known.kind()));
  }

  /**
   * A health check over a new connection was answered, while this attempt may have been silent for
   * long on a kept one. Then the kept one is to blame, which a router has forgotten: see {@link
   * Resends}.
   */
  void onServerFoundWell() {
    long now = time.nanos();
    if (isSuspect() && hasRoomForAnother(now)) {
      resentAt = now;
      doubtAt = now + doubtAfter;
      resent = exchange.resend();
    }
  }

  /** Whether the silence may be its kept connection's and not the server's. */
  private boolean isSuspect() {
    boolean silent = kept && !begun && !resent;
    return silent && gate.health().resends().isDue(request, start, doubtAfter / 2);
  }

  /** A request within a rate costs one more. */
  private boolean hasRoomForAnother(long now) {
    try {
      gate.rate().take(now);
      return true;
    } catch (Failure spent) {
      return false;
    }
  }

  /** When it was made. */
  long begun() {
    return start;
  }

  /** Whether it has no first piece, and was made before that. */
  boolean waitsLongerThan(long begun) {
    return !this.begun && isOlderThan(begun);
  }

  /**
   * Whether it may yet have an answer.
   *
   * @param load nanoseconds until the model is loaded
   * @param answer how long an answer takes then
   */
  boolean outlasts(long load, long answer) {
    if (load == 0) {
      return true;
    }
    long loaded = time.nanos() + load;
    long firstTokenEnds = start + pause.lost() + limits.firstToken().toNanos();
    // The limit of a stream ends with its first piece.
    long whole = loaded + (showsFrom < Integer.MAX_VALUE ? 0 : answer);
    long attempt = start + pause.lost() + limits.attempt().toNanos();
    return loaded - firstTokenEnds < 0 && whole - earlier(attempt, shareEnds) < 0;
  }

  /** Whether it was made before then. */
  boolean isOlderThan(long then) {
    return start - then < 0;
  }

  /** Since when the connection that is used now has been. */
  private long sentAt() {
    return resent ? resentAt : start;
  }

  /** A pause of this process explains it. */
  private Wedge.@Nullable Silence silence() {
    return pause.isNoted() ? null : gate.health().wedge().silence(request, sentAt(), isOnNew());
  }

  private boolean isOnNew() {
    return resent || (connected && !kept);
  }

  /** Whether it has been silent for long, and over a new connection. */
  boolean isSilentOnNew() {
    return isOnNew() && !begun && time.nanos() - sentAt() >= doubtAfter / 2;
  }

  /** The endpoint is not to be waited for: it ends, if no piece of its answer has come. */
  void evacuate(Failure failure) {
    if (!begun) {
      outcome.completeExceptionally(failure);
    }
  }

  /**
   * The node is dead. An answer that has begun ends too, if its reader waits for it in vain: what
   * was sent before may still lie in the socket, and a server that is being replaced takes no new
   * connection but ends what it has begun.
   *
   * @param waited how it ends where no piece has come
   * @param begun how it ends where one has
   * @param certain whether somebody said so, where a health check may have been lost
   */
  void onDeath(Failure waited, Failure begun, boolean certain) {
    if (!this.begun) {
      outcome.completeExceptionally(waited);
    } else if (!resting && !textEnded && isSilentFor(certain ? FRESH : doubtAfterPiece)) {
      outcome.completeExceptionally(begun);
    }
  }

  private boolean isSilentFor(long nanos) {
    return time.nanos() - silentSince() >= nanos;
  }

  private Answer settled() throws Failure {
    end();
    String cancelled = cancellation.reason();
    if (cancelled != null) {
      throw Failure.of(FailureKind.CANCELLED, cancelled);
    }
    try {
      return outcome.getNow(null);
    } catch (CancellationException e) {
      throw Failure.of(FailureKind.CANCELLED, "cancelled");
    } catch (CompletionException e) {
      throw judged(e.getCause() instanceof Failure failure ? failure : late(e.getCause()));
    }
  }

  private Failure judged(Failure failure) {
    if (failure.kind() == FailureKind.OVERLOADED && !delivering) {
      gate.adaptive().onOverloaded(entry, begun);
    }
    boolean ofTime = OF_TIME.contains(failure.kind());
    if (!ofTime && !EXCUSES.contains(failure.kind())) {
      return failure;
    }
    boolean headless = failure.status() == 0 && (replied || begun) && !gate.spec().isLocal();
    Failure told = headless ? failure.withStatus(200) : failure;
    if (!ofTime) {
      return told;
    }
    if (BROKEN_OFF.contains(failure.kind())) {
      // Those that idle beside it lead the same way.
      gate.opener().dropIdleConnections();
    }
    if (resent) {
      told = told.withMessage(told.message() + " (sent once more, over a new connection)");
    } else if (exchange.sharesFate()) {
      return told.asBlameless();
    }
    if (told.kind() == FailureKind.STALLED && gate.health().noteStall(start, lastPiece)) {
      return told.asBlameless();
    }
    if (!begun && WITHOUT_A_BYTE.contains(told.kind()) && gate.health().isWedged(start)) {
      return told.withKind(FailureKind.WEDGED).withMessage(told.message() + "; " + Wedge.HANGS);
    }
    return pause.isNoted()
        ? told.withMessage(told.message() + " (this process stood still meanwhile)").asBlameless()
        : told;
  }

  private Failure late(@Nullable Throwable cause) {
    return cause instanceof TimeoutException
        ? overdue(FailureKind.ATTEMPT_TIMEOUT, what() + text(limits.attempt()))
        : Failure.of(FailureKind.INTERNAL, Objects.toString(cause));
  }

  /**
   * Looks again when the next clock may run out, so that pieces need not touch the timer. A clock
   * that may yet begin runs out no sooner than its own length from now.
   */
  private void watchNext(long now) {
    long wait = Math.max(0, Math.min(dueAt() - now, soonest()));
    wait = Math.min(wait, OwnPause.BEAT);
    pause.expect(now + wait);
    watch = time.timer().schedule(this::watch, wait, TimeUnit.NANOSECONDS);
    if (outcome.isDone()) {
      stop(null);
    }
  }

  private long soonest() {
    long stall = limits.stall().toNanos();
    if (othersToCome && showsFrom < Integer.MAX_VALUE) {
      // Their patience is shorter than the stall limit, and not known before the delivery begins.
      stall = Math.min(stall, Math.max(SOCKET_READ, share / 8));
    }
    if (showsFrom < Integer.MAX_VALUE) {
      stall = Math.min(stall, limits.stream().toNanos());
    }
    stall = Math.min(stall, doubtAfterPiece);
    // One that has no byte yet may be sent again, over a new connection.
    return begun ? stall : Math.min(stall, limits.connect().toNanos());
  }

  private void watch() {
    long now = time.nanos();
    if (pause.note(now)) {
      doubtAt = now + doubtAfter;
      doubtedAt = now;
    } else if (clockDueAt() - now <= 0) {
      runsOut(now);
      return;
    }
    try {
      tellOfSilence(now);
    } finally {
      watchNext(now);
    }
  }

  private void runsOut(long now) {
    if (textEnded) {
      exchange.cancel();
    } else {
      outcome.completeExceptionally(overdue(now));
    }
  }

  private void tellOfSilence(long now) {
    if (hedge != null && hedgeDueAt() - now <= 0) {
      hedgeAt = start + FAR;
      hedge.silent();
    }
    if (doubtDueAt() - now <= 0) {
      doubtAt = now + doubtAfter;
      doubtedAt = now;
      gate.health().doubt(isSuspect());
    }
  }

  private long dueAt() {
    return earlier(clockDueAt(), earlier(doubtDueAt(), hedgeDueAt()));
  }

  private long hedgeDueAt() {
    return begun ? start + FAR : hedgeAt;
  }

  /** While it is being connected, that has a clock of its own. */
  private long doubtDueAt() {
    if (begun) {
      return doubtOfRestDueAt();
    }
    return isConnecting() ? start + FAR : doubtAt;
  }

  /** A reader's pause is no silence, and neither is what was asked about a moment ago. */
  private long doubtOfRestDueAt() {
    long since = silentSince();
    long from = doubtedAt - since > 0 ? doubtedAt : since;
    return resting || textEnded ? start + FAR : from + doubtAfterPiece;
  }

  private long clockDueAt() {
    long delivery = resting ? start + FAR : streamEnds;
    long ofAttempt = earlier(phaseDueAt(), attemptDueAt());
    return earlier(ofAttempt, earlier(shareDueAt(), pause.reprieve(delivery)));
  }

  /** A deadline that somebody has set goes on in a pause of this process; all others do not. */
  private long shareDueAt() {
    return pause.reprieve(deadline.isSet() ? shareEnds : shareEnds + pause.lost());
  }

  private long attemptDueAt() {
    return delivering ? start + FAR : attemptEnds;
  }

  private static long earlier(long one, long other) {
    return one - other < 0 ? one : other;
  }

  private long phaseDueAt() {
    if (begun) {
      return stallDueAt();
    }
    long firstToken = start + pause.lost() + firstTokenLimit();
    return isConnecting() ? Math.min(firstToken, connectDueAt()) : firstToken;
  }

  private long stallDueAt() {
    if (resting) {
      return start + FAR;
    }
    long silentSince = silentSince();
    return silentSince + Math.min(limits.stall().toNanos(), patience(silentSince));
  }

  /** Since when the node, and nobody else, has been waited for. */
  private long silentSince() {
    if (!begun) {
      return start;
    }
    return pause.silentSince(readingSince - lastPiece > 0 ? readingSince : lastPiece);
  }

  /** While others are still to come, a silence may take half of the time that is left. */
  private long patience(long silentSince) {
    return delivering && othersToCome ? Math.max(0, shareEnds - silentSince) / 2 : FAR;
  }

  private boolean isConnecting() {
    return connecting && !connected;
  }

  private long connectDueAt() {
    return pause.reprieve(connectingSince + limits.connect().toNanos());
  }

  /** Where the first token has no limit of its own, the time limiter's is enough. */
  private long firstTokenLimit() {
    boolean own = limits.firstToken().compareTo(limits.attempt()) < 0;
    return own ? limits.firstToken().toNanos() : FAR;
  }

  private Failure overdue(long now) {
    if (now - shareDueAt() >= 0) {
      return shareSpent(now);
    }
    if (now - pause.reprieve(streamEnds) >= 0) {
      return streamSpent();
    }
    if (now - attemptDueAt() >= 0) {
      return late(new TimeoutException());
    }
    if (begun) {
      return stalled(now);
    }
    return isConnecting() && now - connectDueAt() >= 0
        ? Failure.of(FailureKind.CONNECT_TIMEOUT, "no connection in " + text(limits.connect()))
        : overdue(
            FailureKind.FIRST_TOKEN_TIMEOUT, "no first token in " + text(limits.firstToken()));
  }

  private Failure stalled(long now) {
    String what = "nothing more in ";
    return now - silentSince() >= limits.stall().toNanos()
        ? overdue(FailureKind.STALLED, what + text(limits.stall()))
        : unless(
            FailureKind.STALLED,
            FailureKind.DEADLINE_SHARE_EXCEEDED,
            what + text(Duration.ofNanos(now - silentSince())) + ", half of what the deadline left",
            "");
  }

  /** An answer may be long; that says nothing against the endpoint. */
  private Failure streamSpent() {
    return Failure.of(
        FailureKind.DEADLINE_SHARE_EXCEEDED,
        "no complete answer in " + text(limits.stream()) + " of delivery, the streamTimeout");
  }

  private Failure shareSpent(long now) {
    if (!deadline.isSet() && share >= limits.attempt().toNanos()) {
      return late(new TimeoutException());
    }
    boolean over = isDeadlineOver(now);
    FailureKind excuse = over ? FailureKind.DEADLINE_EXCEEDED : FailureKind.DEADLINE_SHARE_EXCEEDED;
    String what =
        over
            ? what() + Deadline.text(now - start) + ", and the deadline has passed"
            : what() + Deadline.text(shareEnds - start) + ", its share of the deadline";
    if (delivering) {
      // The time was the caller's to set; only a silence in it is the node's.
      return resting ? Failure.of(excuse, what) : unless(FailureKind.STALLED, excuse, what, "");
    }
    return deadline.excuses(share, limits.attempt())
        ? unless(FailureKind.ATTEMPT_TIMEOUT, excuse, what, "")
        : overdue(FailureKind.ATTEMPT_TIMEOUT, what);
  }

  /** Whether nobody else has any time either. */
  private boolean isDeadlineOver(long now) {
    return deadline.isSet() ? now - deadlineEnds >= 0 : !othersToCome;
  }

  private String what() {
    return showsFrom < Integer.MAX_VALUE && !begun
        ? "no first token in "
        : "no complete answer in ";
  }

  private Failure overdue(FailureKind kind, String what) {
    if (pause.isNoted()) {
      return Failure.of(kind, what);
    }
    if (kind == FailureKind.ATTEMPT_TIMEOUT && isSlow()) {
      return slow(what);
    }
    // A node that answers others is not dead: it works through a queue.
    boolean queuedTooLong = queued && kind == FailureKind.ATTEMPT_TIMEOUT;
    return queuedTooLong || gate.activity().servesOthers(time.nanos(), lastPiece)
        ? unless(
            kind, FailureKind.OVERLOADED, what, ", while other calls there were being answered")
        : Failure.of(kind, what + signs());
  }

  /** What else is known of a server that is silent. */
  private String signs() {
    if (gate.spec().isLocal()) {
      return "";
    }
    if (begun) {
      return gate.health().isFoundWellSince(silentSince())
          ? ", though it answers health checks: its model hangs, or its connection was forgotten on"
              + " the way"
          : "";
    }
    if (replied) {
      return ", though the head of its reply had come: " + HELD_BACK;
    }
    if (gate.activity().isHeldBack()) {
      return "; its last answer came late and all at once: " + HELD_BACK;
    }
    return gate.health().isFoundWellSince(start)
        ? ", though it answers health checks: it is busy, it loads its model, or " + HELD_BACK
        : "";
  }

  private boolean isSlow() {
    return !queued && (begun ? isComing() : gate.activity().isHeldBack());
  }

  /** An excuse is good until it has gone on for long and nobody has got an answer. */
  private Failure unless(FailureKind kind, FailureKind excuse, String what, String why) {
    long since = delivering ? silentSince() : start;
    return gate.activity().waitedInVain(since, time.nanos(), PATIENCE)
        ? Failure.of(kind, what + ", and no other call there got one for long")
        : Failure.of(excuse, what + why);
  }

  /** Whether the pieces came steadily until now. */
  private boolean isComing() {
    long meanGap = (lastPiece - firstPiece) / Math.max(1, pieces - 1);
    long allowed = Math.max(limits.attempt().toNanos() / 4, 3 * meanGap);
    return pieces > 1 && time.nanos() - lastPiece < allowed;
  }

  /** Slow is not dead: calls with shorter answers would have theirs in time. */
  private Failure slow(String what) {
    String coming =
        what + (begun ? ", though it was coming: " + pieces + " pieces" + rate() : signs());
    return gate.activity().waitedInVain(start, time.nanos(), PATIENCE_WITH_THE_SLOW)
        ? Failure.of(
            FailureKind.ATTEMPT_TIMEOUT,
            coming + ", and no call there has got a whole answer for long")
        : Failure.of(
                FailureKind.ATTEMPT_TIMEOUT,
                coming + "; a longer timeout (with a firstTokenTimeout) or a stream would have it")
            .asBlameless();
  }

  private String rate() {
    double seconds = (lastPiece - firstPiece) / 1e9;
    return seconds > 0 ? String.format(Locale.ROOT, ", %.1f a second", (pieces - 1) / seconds) : "";
  }

  private static String text(Duration duration) {
    return duration.toMillis() + " ms";
  }

  @Override
  public void connecting() {
    connectingSince = time.nanos();
    connecting = true;
    connected = false;
    kept = false;
  }

  @Override
  public void replied() {
    replied = true;
  }

  @Override
  public void reused() {
    kept = true;
  }

  @Override
  public void connected() {
    connectedAt = time.nanos();
    connected = true;
  }

  @Override
  public void askingAgain() throws Failure {
    gate.rate().take(time.nanos());
  }

  @Override
  public void piece() {
    long now = time.nanos();
    pieces++;
    boolean fresh = !delivering || now - silentSince() > SOCKET_READ;
    lastPiece = now;
    if (!begun) {
      queued = gate.activity().hasServedSince(start);
    }
    if (fresh) {
      gate.activity().piece(now);
    }
    if (fresh && delivering && now - firstPiece > limits.attempt().toNanos()) {
      // A long stream that goes on is as good as an answer, and may be the only one for long.
      gate.activity().answered(now);
    }
    if (!begun) {
      if (resent) {
        gate.health().resends().onOutcome(now - resentAt < resentAt - start);
      }
      firstPiece = now;
      begun = true;
      coming = true;
      gate.onBegun(entry, now);
      gate.health().onFirstPiece();
    }
    if (pieces == showsFrom) {
      deliveryBegins();
    }
  }

  /** From here on no clock can take the answer back: it ends what is still awaited behind it. */
  @Override
  public void onTextEnded() {
    textEndedAt = time.nanos();
    textEnded = true;
    awaitRest(grace());
  }

  private long grace() {
    return Math.min(GRACE, limits.stall().toNanos());
  }

  private void awaitRest(long nanos) {
    rest = time.timer().schedule(this::leaveRest, nanos, TimeUnit.NANOSECONDS);
    if (outcome.isDone()) {
      dropRest();
    }
  }

  /** The connection is given up with it, and the thread that reads returns what it has. */
  private void leaveRest() {
    long since = readingSince - textEndedAt > 0 ? readingSince : textEndedAt;
    long left = resting ? grace() : since + grace() - time.nanos();
    if (left > 0) {
      awaitRest(left);
    } else {
      exchange.cancel();
    }
  }

  private void dropRest() {
    Future<?> awaited = rest;
    if (awaited != null) {
      awaited.cancel(false);
    }
  }

  private void deliveryBegins() {
    shareEnds = deadline.deliveryBegins();
    streamEnds = lastPiece + limits.stream().toNanos();
    delivering = true;
    limit.complete(null);
    streams = true;
    gate.adaptive().onStreamBegins();
    gate.onServed(entry, lastPiece);
  }

  /** How a failure of it reads. */
  Attempt told(Failure failure) {
    return Story.attempt(gate.spec(), failure, Duration.ofNanos(elapsed()));
  }

  /** Nanoseconds from dispatch to now. */
  long elapsed() {
    return time.nanos() - start;
  }

  /** Adds its times to the endpoint's, unless they are its connection's or this process's. */
  void measure(Latencies latencies) {
    if (!pause.isNoted()) {
      latencies.add(firstPiece - sentAt(), time.nanos() - sentAt());
      if (pieces >= MANY_PIECES) {
        gate.activity().cameAtOnce(isAtOnce());
      }
      if (connected) {
        gate.health().resends().onAnswer(firstPiece - connectedAt);
      }
    }
  }

  /** No model writes so fast that took so long to begin. */
  private boolean isAtOnce() {
    long waited = firstPiece - sentAt();
    return waited >= LATE && lastPiece - firstPiece < waited / 100;
  }

  /** From dispatch to the first piece. */
  Duration timeToFirstPiece() {
    return Duration.ofNanos(firstPiece - start);
  }
}
