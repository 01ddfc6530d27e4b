// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import dev.offmeter.Attempt;
import dev.offmeter.ChatRequest;
import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.UserCode;
import dev.offmeter.internal.health.HealthMonitor;
import dev.offmeter.internal.health.LatencyWindow;
import dev.offmeter.internal.health.ResendPolicy;
import dev.offmeter.internal.health.RunningAttempt;
import dev.offmeter.internal.health.WedgedModelDetector;
import dev.offmeter.internal.http.AttemptTimeouts;
import dev.offmeter.internal.http.Exchange;
import dev.offmeter.internal.http.ExchangeListener;
import dev.offmeter.internal.http.ExchangeResult;
import dev.offmeter.internal.http.PartialAnswer;
import dev.offmeter.internal.time.CancellationToken;
import dev.offmeter.internal.time.ProcessPauseDetector;
import dev.offmeter.internal.time.TimeSource;
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
final class TimedAttempt implements ExchangeListener, RunningAttempt {
  private static final long NEVER = Duration.ofDays(365).toNanos();

  /** Failures that come without a byte while a model is being loaded. */
  private static final Set<FailureKind> BEFORE_FIRST_BYTE =
      EnumSet.of(
          FailureKind.FIRST_TOKEN_TIMEOUT,
          FailureKind.ATTEMPT_TIMEOUT,
          FailureKind.DEADLINE_SHARE_EXCEEDED,
          FailureKind.DEADLINE_EXCEEDED,
          FailureKind.GATEWAY_TIMEOUT);

  /** Failures that a pause of this process brings about, and not the endpoint. */
  private static final Set<FailureKind> CAUSED_BY_PAUSES =
      EnumSet.of(
          FailureKind.CONNECT_TIMEOUT,
          FailureKind.FIRST_TOKEN_TIMEOUT,
          FailureKind.STALLED,
          FailureKind.ATTEMPT_TIMEOUT,
          FailureKind.CONNECTION_LOST,
          FailureKind.TRUNCATED);

  /** An answer that was coming, and came no more. */
  private static final Set<FailureKind> MID_ANSWER =
      EnumSet.of(FailureKind.STALLED, FailureKind.TRUNCATED);

  /** So many show whether there is time between them. */
  private static final int MANY_PIECES = 16;

  /** So soon after a piece its server was alive. */
  private static final long FRESH = Duration.ofSeconds(1).toNanos();

  private static final long LATE = Duration.ofSeconds(1).toNanos();

  private static final String BUFFERED =
      "a proxy or tunnel may hold the answer back until it is whole";

  private static final Set<FailureKind> EXCUSES =
      EnumSet.of(
          FailureKind.OVERLOADED,
          FailureKind.DEADLINE_SHARE_EXCEEDED,
          FailureKind.DEADLINE_EXCEEDED);

  /** So many attempts' limits may be waited in vain before an excuse is none any more. */
  private static final int MAX_FRUITLESS_WAITS = 2;

  /** More of them for answers that were coming: two long ones in a row are no sign of death. */
  private static final int MAX_FRUITLESS_WAITS_WHEN_SLOW = 4;

  /**
   * How long a server may take, once the text is whole, to count its tokens and to end its reply.
   * Some leave it open for ever.
   */
  private static final long TRAILER_TIMEOUT = Duration.ofSeconds(1).toNanos();

  /** What comes sooner had come before, while its reader rested: no sign that the node lives. */
  private static final long SOCKET_READ = Duration.ofMillis(1).toNanos();

  private final GuardedEndpoint endpoint;
  private final TimeSource time;
  private final AttemptTimeouts timeouts;
  private final Exchange exchange;
  private final CancellationToken token;
  private final CompletableFuture<ExchangeResult> outcome = new CompletableFuture<>();

  /**
   * What the time limiter guards. It is completed when the attempt has ended, however it has: the
   * limiter of Resilience4j 2.4.0 leaves its timer running after a failure.
   */
  private final CompletableFuture<@Nullable Void> timeLimit = new CompletableFuture<>();

  private final Deadline deadline;
  private final int piecesBeforeFirst;
  private long start;

  /** How crowded the endpoint was when it began. Of the reading thread. */
  private AdaptiveConcurrencyLimit.EntrySnapshot entry;

  private final long silenceThreshold;

  /** The same for an answer that has begun: before the stall limit ends it. */
  private final long silenceThresholdMidAnswer;

  private final long share;
  private final boolean hasMoreEndpoints;

  /** When a deadline that was set has passed. */
  private final long deadlineEnds;

  private volatile long shareEnds;

  /** When the delivery must be over, its reader's pauses so far not counted. */
  private volatile long streamEnds;

  private final @Nullable HedgeController hedge;
  private volatile long silenceCheckAt;
  private volatile long silenceCheckedAt;
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
  private volatile boolean readerIdle;
  private volatile long readerWaitingSince;
  private volatile @Nullable Future<?> watch;
  private volatile @Nullable Future<?> trailerTimeout;
  private volatile boolean textEnded;
  private volatile long textEndedAt;
  private final ThroughputMonitor throughput;
  private int pieces;

  /** Whether it is counted among the answers that are coming. Of the reading thread. */
  private boolean countedAsComing;

  /** Whether it is counted among the streams that go on. Of the reading thread. */
  private boolean countedAsStream;

  private boolean running;
  private final ChatRequest request;
  private volatile boolean reusedConnection;
  private volatile long connectedAt;
  private volatile boolean resent;
  private volatile boolean replied;
  private volatile long resentAt;
  private final ProcessPauseDetector processPause;
  private volatile long limitDue;

  /** Until when it may run although the limiter's time is over; {@link #NEVER} while it is not. */
  private volatile long attemptEnds;

  /**
   * An attempt.
   *
   * @param share nanoseconds that the call's deadline leaves it
   * @param piecesBeforeFirst with how many pieces it begins to be delivered; {@code MAX_VALUE} for
   *     never
   * @param hedge is told that it is silent
   */
  TimedAttempt(
      GuardedEndpoint endpoint,
      TimeSource time,
      ChatRequest request,
      CancellationToken token,
      Deadline deadline,
      long share,
      int piecesBeforeFirst,
      @Nullable HedgeController hedge) {
    this.endpoint = endpoint;
    this.time = time;
    this.timeouts = endpoint.config().timeouts();
    this.token = token;
    this.deadline = deadline;
    this.share = share;
    this.piecesBeforeFirst = Math.max(1, piecesBeforeFirst);
    this.throughput = new ThroughputMonitor(timeouts.minimumRate());
    this.start = time.nanos();
    this.shareEnds = start + share;
    this.streamEnds = start + NEVER;
    this.silenceThreshold =
        endpoint.health().isProbed()
            ? HealthMonitor.silenceThreshold(timeouts.firstToken())
            : NEVER;
    this.silenceThresholdMidAnswer = Math.min(silenceThreshold, timeouts.stall().toNanos() / 2);
    this.silenceCheckAt = start + silenceThreshold;
    this.silenceCheckedAt = start;
    this.hedge = hedge;
    this.hedgeAt = start + (hedge == null ? NEVER : hedge.delay());
    long left = deadline.remaining();
    this.hasMoreEndpoints = left > share;
    this.deadlineEnds = start + left;
    this.request = request;
    this.processPause = new ProcessPauseDetector(start);
    this.attemptEnds = start + NEVER;
    this.lastPiece = start;
    this.readerWaitingSince = start;
    this.entry = endpoint.adaptiveLimit().snapshot(start);
    this.exchange = endpoint.exchangeFactory().open(request, this);
  }

  /**
   * Reads on.
   *
   * @return the whole answer; null while there is more to come
   */
  @Nullable ExchangeResult next() throws AttemptException {
    if (!running) {
      running = true;
      resetClocks(time.nanos());
      startClocks();
    }
    onReaderWaiting();
    try {
      ExchangeResult answer = throughput.isEnabled() && begun ? nextMeasured() : exchange.next();
      if (answer != null) {
        outcome.complete(answer);
        endpoint.activity().onAnswer(time.nanos());
        if (!delivering) {
          endpoint.onServed(entry, time.nanos());
        }
        endpoint.activity().onServed(ResendPolicy.length(request));
      }
    } catch (AttemptException e) {
      if (!outcome.isDone()) {
        processPause.detect(time.nanos());
      }
      outcome.completeExceptionally(e);
    }
    return outcome.isDone() ? finish() : null;
  }

  /**
   * A listener has heard of the attempt since it was made. The time that took is the caller's, of
   * whose deadline it is taken; no clock of the endpoint's runs for it.
   */
  private void resetClocks(long now) {
    start = now;
    entry = endpoint.adaptiveLimit().snapshot(now);
    lastPiece = now;
    silenceCheckAt = now + silenceThreshold;
    hedgeAt = now + (hedge == null ? NEVER : hedge.delay());
    if (!deadline.isSet()) {
      shareEnds = now + share;
    }
  }

  private @Nullable ExchangeResult nextMeasured() throws AttemptException {
    long since = time.nanos();
    int before = pieces;
    ExchangeResult answer = exchange.next();
    if (answer == null
        && !textEnded
        && throughput.recordAndTestSlow(time.nanos() - since, pieces - before)) {
      outcome.completeExceptionally(
          timeoutFailure(FailureKind.STALLED, "fewer than " + throughput));
    }
    return answer;
  }

  /** The reader wants the next piece. What brings none is no progress, and moves no clock. */
  private void onReaderWaiting() {
    if (readerIdle) {
      long now = time.nanos();
      readerWaitingSince = now;
      // Its pause began with the last piece, near enough: so no piece costs a further look.
      long ends = streamEnds + now - lastPiece;
      streamEnds = ends;
      readerIdle = false;
      if (now - ends >= 0 && !textEnded) {
        outcome.completeExceptionally(streamTimeoutFailure());
      }
    }
  }

  /** The reader has a piece and takes his time. */
  void onReaderIdle() {
    readerIdle = delivering;
  }

  @SuppressWarnings("FutureReturnValueIgnored") // What depends on the outcome returns with it.
  private void startClocks() throws AttemptException {
    outcome.whenComplete((answer, failure) -> onEnded(failure));
    timeLimit.whenComplete((ended, late) -> onTimeLimit(late));
    limitDue = time.nanos() + timeouts.attempt().toNanos();
    token.cancelWhenRequested(outcome);
    endpoint.health().addWaiter(this);
    Throwable unable =
        UserCode.run(
            () -> {
              endpoint.timeLimiter().executeCompletionStage(time.timer(), () -> timeLimit);
              scheduleWatch(time.nanos());
            });
    // A function is the last resort, and runs without a clock rather than not at all.
    if (unable != null && !endpoint.config().isLocal()) {
      throw AttemptException.of(FailureKind.INTERNAL, "no clock for it: " + UserCode.NO_THREAD);
    }
  }

  /** What has come so far. */
  PartialAnswer partialAnswer() {
    return exchange.partialAnswer();
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
    if (countedAsComing) {
      countedAsComing = false;
      endpoint.adaptiveLimit().onAnswerEnded();
    }
    if (countedAsStream) {
      countedAsStream = false;
      endpoint.adaptiveLimit().onStreamEnded();
    }
    exchange.close(deadline.remaining());
    deadline.endDelivery();
  }

  private void onTimeLimit(@Nullable Throwable late) {
    if (late != null && textEnded) {
      exchange.cancel();
    } else if (late != null && !tryExtend(late)) {
      outcome.completeExceptionally(late);
    }
  }

  /** Whether it has had less time than its limit, because this process stood still meanwhile. */
  private boolean tryExtend(Throwable late) {
    long now = time.nanos();
    if (!(late instanceof TimeoutException)
        || !(processPause.detect(now, limitDue) || processPause.hasPaused())) {
      return false;
    }
    attemptEnds = processPause.extend(limitDue + processPause.lostNanos());
    Future<?> pending = watch;
    if (pending != null) {
      pending.cancel(false);
    }
    scheduleWatch(now);
    return true;
  }

  private void onEnded(@Nullable Throwable failure) {
    timeLimit.complete(null);
    Future<?> pending = watch;
    if (pending != null) {
      pending.cancel(false);
    }
    cancelTrailerTimeout();
    endpoint.health().removeWaiter(this);
    if (failure != null) {
      exchange.cancel();
      if (!begun && !replied) {
        endpoint.health().onAttemptAbandoned(this);
      }
      if (!begun && isTimeout(failure)) {
        if (resent) {
          endpoint.health().resendPolicy().onOutcome(false);
        }
        endpoint.health().onNoFirstByte(start, silentAttempt());
      }
    }
  }

  private static boolean isTimeout(Throwable failure) {
    return failure instanceof TimeoutException
        || (failure instanceof AttemptException known && BEFORE_FIRST_BYTE.contains(known.kind()));
  }

  /**
   * {@inheritDoc}
   *
   * <p>Then the kept one is to blame, which a router has forgotten: see {@link ResendPolicy}.
   */
  @Override
  public void onServerHealthy() {
    long now = time.nanos();
    if (isConnectionSuspect() && tryTakeRequest(now)) {
      resentAt = now;
      silenceCheckAt = now + silenceThreshold;
      resent = exchange.resend();
    }
  }

  /** Whether the silence may be its kept connection's and not the server's. */
  private boolean isConnectionSuspect() {
    boolean silent = reusedConnection && !begun && !resent;
    return silent && endpoint.health().resendPolicy().isDue(request, start, silenceThreshold / 2);
  }

  /** A request within a rate costs one more. */
  private boolean tryTakeRequest(long now) {
    try {
      endpoint.rateLimiter().take(now);
      return true;
    } catch (AttemptException spent) {
      return false;
    }
  }

  @Override
  public long startedAt() {
    return start;
  }

  @Override
  public boolean isWaitingLongerThan(long then) {
    return !begun && isOlderThan(then);
  }

  @Override
  public boolean canOutlast(long load, long answer) {
    if (load == 0) {
      return true;
    }
    long loaded = time.nanos() + load;
    long firstTokenEnds = start + processPause.lostNanos() + timeouts.firstToken().toNanos();
    // The limit of a stream ends with its first piece.
    long whole = loaded + (piecesBeforeFirst < Integer.MAX_VALUE ? 0 : answer);
    long attempt = start + processPause.lostNanos() + timeouts.attempt().toNanos();
    return loaded - firstTokenEnds < 0 && whole - earlier(attempt, shareEnds) < 0;
  }

  /** Since when the connection that is used now has been. */
  private long sentAt() {
    return resent ? resentAt : start;
  }

  /** A pause of this process explains it. */
  private WedgedModelDetector.@Nullable SilentAttempt silentAttempt() {
    return processPause.hasPaused()
        ? null
        : endpoint.health().wedgeDetector().silentAttempt(request, sentAt(), isOnNewConnection());
  }

  private boolean isOnNewConnection() {
    return resent || (connected && !reusedConnection);
  }

  @Override
  public boolean isSilentOnNewConnection() {
    return isOnNewConnection() && !begun && time.nanos() - sentAt() >= silenceThreshold / 2;
  }

  @Override
  public void failOver(AttemptException failure) {
    if (!begun) {
      outcome.completeExceptionally(failure);
    }
  }

  /**
   * {@inheritDoc}
   *
   * <p>An answer that has begun ends too, if its reader waits for it in vain: what was sent before
   * may still lie in the socket, and a server that is being replaced takes no new connection but
   * ends what it has begun.
   */
  @Override
  public void onUnreachable(AttemptException waited, AttemptException begun, boolean certain) {
    if (!this.begun) {
      outcome.completeExceptionally(waited);
    } else if (!readerIdle
        && !textEnded
        && isSilentFor(certain ? FRESH : silenceThresholdMidAnswer)) {
      outcome.completeExceptionally(begun);
    }
  }

  private boolean isSilentFor(long nanos) {
    return time.nanos() - silentSince() >= nanos;
  }

  private ExchangeResult finish() throws AttemptException {
    end();
    String cancelled = token.reason();
    if (cancelled != null) {
      throw AttemptException.of(FailureKind.CANCELLED, cancelled);
    }
    try {
      return outcome.getNow(null);
    } catch (CancellationException e) {
      throw AttemptException.of(FailureKind.CANCELLED, "cancelled");
    } catch (CompletionException e) {
      throw refine(
          e.getCause() instanceof AttemptException failure
              ? failure
              : timeLimitFailure(e.getCause()));
    }
  }

  private AttemptException refine(AttemptException failure) {
    if (failure.kind() == FailureKind.OVERLOADED && !delivering) {
      endpoint.adaptiveLimit().onOverloaded(entry, begun);
    }
    boolean ofTime = CAUSED_BY_PAUSES.contains(failure.kind());
    if (!ofTime && !EXCUSES.contains(failure.kind())) {
      return failure;
    }
    boolean headless = failure.status() == 0 && (replied || begun) && !endpoint.config().isLocal();
    AttemptException told = headless ? failure.withStatus(200) : failure;
    if (!ofTime) {
      return told;
    }
    if (MID_ANSWER.contains(failure.kind())) {
      // Those that idle beside it lead the same way.
      endpoint.exchangeFactory().dropIdleConnections();
    }
    if (resent) {
      told = told.withMessage(told.message() + " (sent once more, over a new connection)");
    } else if (exchange.isConnectionSuspect()) {
      return told.asBlameless();
    }
    if (told.kind() == FailureKind.STALLED && endpoint.health().recordStall(start, lastPiece)) {
      return told.asBlameless();
    }
    if (!begun && BEFORE_FIRST_BYTE.contains(told.kind()) && endpoint.health().isWedged(start)) {
      return told.withKind(FailureKind.WEDGED)
          .withMessage(told.message() + "; " + WedgedModelDetector.HANGS);
    }
    return processPause.hasPaused()
        ? told.withMessage(told.message() + " (this process stood still meanwhile)").asBlameless()
        : told;
  }

  private AttemptException timeLimitFailure(@Nullable Throwable cause) {
    return cause instanceof TimeoutException
        ? timeoutFailure(FailureKind.ATTEMPT_TIMEOUT, timeoutMessage() + text(timeouts.attempt()))
        : AttemptException.of(FailureKind.INTERNAL, Objects.toString(cause));
  }

  /**
   * Looks again when the next clock may run out, so that pieces need not touch the timer. A clock
   * that may yet begin runs out no sooner than its own length from now.
   */
  private void scheduleWatch(long now) {
    long wait = Math.max(0, Math.min(dueAt() - now, shortestClock()));
    wait = Math.min(wait, ProcessPauseDetector.TICK);
    processPause.expect(now + wait);
    watch = time.timer().schedule(this::onWatch, wait, TimeUnit.NANOSECONDS);
    if (outcome.isDone()) {
      onEnded(null);
    }
  }

  private long shortestClock() {
    long stall = timeouts.stall().toNanos();
    if (hasMoreEndpoints && piecesBeforeFirst < Integer.MAX_VALUE) {
      // Their patience is shorter than the stall limit, and not known before the delivery begins.
      stall = Math.min(stall, Math.max(SOCKET_READ, share / 8));
    }
    if (piecesBeforeFirst < Integer.MAX_VALUE) {
      stall = Math.min(stall, timeouts.stream().toNanos());
    }
    stall = Math.min(stall, silenceThresholdMidAnswer);
    // One that has no byte yet may be sent again, over a new connection.
    return begun ? stall : Math.min(stall, timeouts.connect().toNanos());
  }

  private void onWatch() {
    long now = time.nanos();
    if (processPause.detect(now)) {
      silenceCheckAt = now + silenceThreshold;
      silenceCheckedAt = now;
    } else if (clockDueAt() - now <= 0) {
      onTimeout(now);
      return;
    }
    try {
      reportSilence(now);
    } finally {
      scheduleWatch(now);
    }
  }

  private void onTimeout(long now) {
    if (textEnded) {
      exchange.cancel();
    } else {
      outcome.completeExceptionally(timeoutFailure(now));
    }
  }

  private void reportSilence(long now) {
    if (hedge != null && hedgeDueAt() - now <= 0) {
      hedgeAt = start + NEVER;
      hedge.start();
    }
    if (silenceCheckDueAt() - now <= 0) {
      silenceCheckAt = now + silenceThreshold;
      silenceCheckedAt = now;
      endpoint.health().onSilence(isConnectionSuspect());
    }
  }

  private long dueAt() {
    return earlier(clockDueAt(), earlier(silenceCheckDueAt(), hedgeDueAt()));
  }

  private long hedgeDueAt() {
    return begun ? start + NEVER : hedgeAt;
  }

  /** While it is being connected, that has a clock of its own. */
  private long silenceCheckDueAt() {
    if (begun) {
      return midAnswerCheckDueAt();
    }
    return isConnecting() ? start + NEVER : silenceCheckAt;
  }

  /** A reader's pause is no silence, and neither is what was asked about a moment ago. */
  private long midAnswerCheckDueAt() {
    long since = silentSince();
    long from = silenceCheckedAt - since > 0 ? silenceCheckedAt : since;
    return readerIdle || textEnded ? start + NEVER : from + silenceThresholdMidAnswer;
  }

  private long clockDueAt() {
    long delivery = readerIdle ? start + NEVER : streamEnds;
    long ofAttempt = earlier(phaseDueAt(), attemptDueAt());
    return earlier(ofAttempt, earlier(shareDueAt(), processPause.extend(delivery)));
  }

  /** A deadline that somebody has set goes on in a pause of this process; all others do not. */
  private long shareDueAt() {
    return processPause.extend(deadline.isSet() ? shareEnds : shareEnds + processPause.lostNanos());
  }

  private long attemptDueAt() {
    return delivering ? start + NEVER : attemptEnds;
  }

  private static long earlier(long one, long other) {
    return one - other < 0 ? one : other;
  }

  private long phaseDueAt() {
    if (begun) {
      return stallDueAt();
    }
    long firstToken = start + processPause.lostNanos() + firstTokenLimit();
    return isConnecting() ? Math.min(firstToken, connectDueAt()) : firstToken;
  }

  private long stallDueAt() {
    if (readerIdle) {
      return start + NEVER;
    }
    long silentSince = silentSince();
    return silentSince + Math.min(timeouts.stall().toNanos(), patience(silentSince));
  }

  /** Since when the node, and nobody else, has been waited for. */
  private long silentSince() {
    if (!begun) {
      return start;
    }
    return processPause.silentSince(
        readerWaitingSince - lastPiece > 0 ? readerWaitingSince : lastPiece);
  }

  /** While others are still to come, a silence may take half of the time that is left. */
  private long patience(long silentSince) {
    return delivering && hasMoreEndpoints ? Math.max(0, shareEnds - silentSince) / 2 : NEVER;
  }

  private boolean isConnecting() {
    return connecting && !connected;
  }

  private long connectDueAt() {
    return processPause.extend(connectingSince + timeouts.connect().toNanos());
  }

  /** Where the first token has no limit of its own, the time limiter's is enough. */
  private long firstTokenLimit() {
    boolean own = timeouts.firstToken().compareTo(timeouts.attempt()) < 0;
    return own ? timeouts.firstToken().toNanos() : NEVER;
  }

  private AttemptException timeoutFailure(long now) {
    if (now - shareDueAt() >= 0) {
      return shareExceededFailure(now);
    }
    if (now - processPause.extend(streamEnds) >= 0) {
      return streamTimeoutFailure();
    }
    if (now - attemptDueAt() >= 0) {
      return timeLimitFailure(new TimeoutException());
    }
    if (begun) {
      return stallFailure(now);
    }
    return isConnecting() && now - connectDueAt() >= 0
        ? AttemptException.of(
            FailureKind.CONNECT_TIMEOUT, "no connection in " + text(timeouts.connect()))
        : timeoutFailure(
            FailureKind.FIRST_TOKEN_TIMEOUT, "no first token in " + text(timeouts.firstToken()));
  }

  private AttemptException stallFailure(long now) {
    String what = "nothing more in ";
    return now - silentSince() >= timeouts.stall().toNanos()
        ? timeoutFailure(FailureKind.STALLED, what + text(timeouts.stall()))
        : failureUnlessExcused(
            FailureKind.STALLED,
            FailureKind.DEADLINE_SHARE_EXCEEDED,
            what + text(Duration.ofNanos(now - silentSince())) + ", half of what the deadline left",
            "");
  }

  /** An answer may be long; that says nothing against the endpoint. */
  private AttemptException streamTimeoutFailure() {
    return AttemptException.of(
        FailureKind.DEADLINE_SHARE_EXCEEDED,
        "no complete answer in " + text(timeouts.stream()) + " of delivery, the streamTimeout");
  }

  private AttemptException shareExceededFailure(long now) {
    if (!deadline.isSet() && share >= timeouts.attempt().toNanos()) {
      return timeLimitFailure(new TimeoutException());
    }
    boolean over = isDeadlineOver(now);
    FailureKind excuse = over ? FailureKind.DEADLINE_EXCEEDED : FailureKind.DEADLINE_SHARE_EXCEEDED;
    String what =
        over
            ? timeoutMessage() + Deadline.text(now - start) + ", and the deadline has passed"
            : timeoutMessage() + Deadline.text(shareEnds - start) + ", its share of the deadline";
    if (delivering) {
      // The time was the caller's to set; only a silence in it is the node's.
      return readerIdle
          ? AttemptException.of(excuse, what)
          : failureUnlessExcused(FailureKind.STALLED, excuse, what, "");
    }
    return deadline.isExcuse(share, timeouts.attempt())
        ? failureUnlessExcused(FailureKind.ATTEMPT_TIMEOUT, excuse, what, "")
        : timeoutFailure(FailureKind.ATTEMPT_TIMEOUT, what);
  }

  /** Whether nobody else has any time either. */
  private boolean isDeadlineOver(long now) {
    return deadline.isSet() ? now - deadlineEnds >= 0 : !hasMoreEndpoints;
  }

  private String timeoutMessage() {
    return piecesBeforeFirst < Integer.MAX_VALUE && !begun
        ? "no first token in "
        : "no complete answer in ";
  }

  private AttemptException timeoutFailure(FailureKind kind, String what) {
    if (processPause.hasPaused()) {
      return AttemptException.of(kind, what);
    }
    if (kind == FailureKind.ATTEMPT_TIMEOUT && isSlow()) {
      return slowFailure(what);
    }
    // A node that answers others is not dead: it works through a queue.
    boolean queuedTooLong = queued && kind == FailureKind.ATTEMPT_TIMEOUT;
    return queuedTooLong || endpoint.activity().isServingOthers(time.nanos(), lastPiece)
        ? failureUnlessExcused(
            kind, FailureKind.OVERLOADED, what, ", while other calls there were being answered")
        : AttemptException.of(kind, what + hints());
  }

  /** What else is known of a server that is silent. */
  private String hints() {
    if (endpoint.config().isLocal()) {
      return "";
    }
    if (begun) {
      return endpoint.health().isFoundHealthySince(silentSince())
          ? ", though it answers health checks: its model hangs, or its connection was forgotten on"
              + " the way"
          : "";
    }
    if (replied) {
      return ", though the head of its reply had come: " + BUFFERED;
    }
    if (endpoint.activity().isBuffered()) {
      return "; its last answer came late and all at once: " + BUFFERED;
    }
    return endpoint.health().isFoundHealthySince(start)
        ? ", though it answers health checks: it is busy, it loads its model, or " + BUFFERED
        : "";
  }

  private boolean isSlow() {
    return !queued && (begun ? isComingSteadily() : endpoint.activity().isBuffered());
  }

  /** An excuse is good until it has gone on for long and nobody has got an answer. */
  private AttemptException failureUnlessExcused(
      FailureKind kind, FailureKind excuse, String what, String why) {
    long since = delivering ? silentSince() : start;
    return endpoint.activity().addFruitlessWait(since, time.nanos(), MAX_FRUITLESS_WAITS)
        ? AttemptException.of(kind, what + ", and no other call there got one for long")
        : AttemptException.of(excuse, what + why);
  }

  /** Whether the pieces came steadily until now. */
  private boolean isComingSteadily() {
    long meanGap = (lastPiece - firstPiece) / Math.max(1, pieces - 1);
    long allowed = Math.max(timeouts.attempt().toNanos() / 4, 3 * meanGap);
    return pieces > 1 && time.nanos() - lastPiece < allowed;
  }

  /** Slow is not dead: calls with shorter answers would have theirs in time. */
  private AttemptException slowFailure(String what) {
    String coming =
        what + (begun ? ", though it was coming: " + pieces + " pieces" + speedText() : hints());
    return endpoint.activity().addFruitlessWait(start, time.nanos(), MAX_FRUITLESS_WAITS_WHEN_SLOW)
        ? AttemptException.of(
            FailureKind.ATTEMPT_TIMEOUT,
            coming + ", and no call there has got a whole answer for long")
        : AttemptException.of(
                FailureKind.ATTEMPT_TIMEOUT,
                coming + "; a longer timeout (with a firstTokenTimeout) or a stream would have it")
            .asBlameless();
  }

  private String speedText() {
    double seconds = (lastPiece - firstPiece) / 1e9;
    return seconds > 0 ? String.format(Locale.ROOT, ", %.1f a second", (pieces - 1) / seconds) : "";
  }

  private static String text(Duration duration) {
    return duration.toMillis() + " ms";
  }

  @Override
  public void onConnecting() {
    connectingSince = time.nanos();
    connecting = true;
    connected = false;
    reusedConnection = false;
  }

  @Override
  public void onReply() {
    replied = true;
  }

  @Override
  public void onConnectionReused() {
    reusedConnection = true;
  }

  @Override
  public void onConnected() {
    connectedAt = time.nanos();
    connected = true;
  }

  @Override
  public void onResend() throws AttemptException {
    endpoint.rateLimiter().take(time.nanos());
  }

  @Override
  public void onDelta() {
    long now = time.nanos();
    pieces++;
    boolean fresh = !delivering || now - silentSince() > SOCKET_READ;
    lastPiece = now;
    if (!begun) {
      queued = endpoint.activity().hasServedSince(start);
    }
    if (fresh) {
      endpoint.activity().onDelta(now);
    }
    if (fresh && delivering && now - firstPiece > timeouts.attempt().toNanos()) {
      // A long stream that goes on is as good as an answer, and may be the only one for long.
      endpoint.activity().onAnswer(now);
    }
    if (!begun) {
      if (resent) {
        endpoint.health().resendPolicy().onOutcome(now - resentAt < resentAt - start);
      }
      firstPiece = now;
      begun = true;
      countedAsComing = true;
      endpoint.onAnswerBegun(entry, now);
      endpoint.health().onFirstPiece();
    }
    if (pieces == piecesBeforeFirst) {
      beginDelivery();
    }
  }

  /** From here on no clock can take the answer back: it ends what is still awaited behind it. */
  @Override
  public void onTextEnded() {
    textEndedAt = time.nanos();
    textEnded = true;
    scheduleTrailerTimeout(trailerLimit());
  }

  private long trailerLimit() {
    return Math.min(TRAILER_TIMEOUT, timeouts.stall().toNanos());
  }

  private void scheduleTrailerTimeout(long nanos) {
    trailerTimeout = time.timer().schedule(this::onTrailerTimeout, nanos, TimeUnit.NANOSECONDS);
    if (outcome.isDone()) {
      cancelTrailerTimeout();
    }
  }

  /** The connection is given up with it, and the thread that reads returns what it has. */
  private void onTrailerTimeout() {
    long since = readerWaitingSince - textEndedAt > 0 ? readerWaitingSince : textEndedAt;
    long left = readerIdle ? trailerLimit() : since + trailerLimit() - time.nanos();
    if (left > 0) {
      scheduleTrailerTimeout(left);
    } else {
      exchange.cancel();
    }
  }

  private void cancelTrailerTimeout() {
    Future<?> awaited = trailerTimeout;
    if (awaited != null) {
      awaited.cancel(false);
    }
  }

  private void beginDelivery() {
    shareEnds = deadline.beginDelivery();
    streamEnds = lastPiece + timeouts.stream().toNanos();
    delivering = true;
    timeLimit.complete(null);
    countedAsStream = true;
    endpoint.adaptiveLimit().onStreamStarted();
    endpoint.onServed(entry, lastPiece);
  }

  /** How a failure of it reads. */
  Attempt toAttempt(AttemptException failure) {
    return CallRecorder.toAttempt(endpoint.config(), failure, Duration.ofNanos(elapsed()));
  }

  /** Nanoseconds from dispatch to now. */
  long elapsed() {
    return time.nanos() - start;
  }

  /** Adds its times to the endpoint's, unless they are its connection's or this process's. */
  void recordTimes(LatencyWindow latencies) {
    if (!processPause.hasPaused()) {
      latencies.add(firstPiece - sentAt(), time.nanos() - sentAt());
      if (pieces >= MANY_PIECES) {
        endpoint.activity().setBuffered(isBuffered());
      }
      if (connected) {
        endpoint.health().resendPolicy().onAnswer(firstPiece - connectedAt);
      }
    }
  }

  /** No model writes so fast that took so long to begin. */
  private boolean isBuffered() {
    long waited = firstPiece - sentAt();
    return waited >= LATE && lastPiece - firstPiece < waited / 100;
  }

  /** From dispatch to the first piece. */
  Duration timeToFirstPiece() {
    return Duration.ofNanos(firstPiece - start);
  }
}
