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
import dev.offmeter.internal.meter.AttemptBill;
import dev.offmeter.internal.time.CancellationToken;
import dev.offmeter.internal.time.TimeSource;
import java.time.Duration;
import java.util.EnumSet;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * One exchange under its {@linkplain AttemptClocks clocks}. It is read on the caller's own thread;
 * the clocks run on the timer's and end it by failing {@link #outcome}, which cancels the exchange
 * and so closes its connection. Whichever comes first, the answer, a failure, a clock or the
 * caller's change of mind, is the outcome; what comes later changes nothing.
 */
final class TimedAttempt implements ExchangeListener, RunningAttempt, AttemptClocks.Alarm {
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

  /** The least number of pieces that shows whether there is time between them. */
  private static final int MANY_PIECES = 16;

  /**
   * Nanoseconds since the last piece after which a refused health check ends an answer; a fresher
   * piece is the better evidence.
   */
  private static final long MIN_SILENCE_OF_DEAD_SERVER = Duration.ofSeconds(1).toNanos();

  /**
   * Nanoseconds to the first piece from which on an answer whose pieces then come all at once was
   * held back on the way; a short answer of a quick model comes at once too.
   */
  private static final long MIN_WAIT_OF_BUFFERED_ANSWER = Duration.ofSeconds(1).toNanos();

  /** Failures of an attempt that ran out of time while its endpoint may be healthy. */
  private static final Set<FailureKind> EXCUSED_TIMEOUTS =
      EnumSet.of(
          FailureKind.OVERLOADED,
          FailureKind.DEADLINE_SHARE_EXCEEDED,
          FailureKind.DEADLINE_EXCEEDED);

  private final GuardedEndpoint endpoint;
  private final TimeSource time;
  private final ChatRequest request;
  private final Exchange exchange;
  private final CancellationToken token;
  private final Deadline deadline;
  private final AttemptClocks clocks;
  private final ThroughputMonitor throughput;
  private final @Nullable HedgeController hedge;
  private final int piecesBeforeFirst;

  /** Completed once, by whichever thread comes first. */
  private final CompletableFuture<ExchangeResult> outcome = new CompletableFuture<>();

  // Owned by the thread that reads; the timer's looks at the number of pieces for its messages.

  private boolean running;
  private int pieces;

  /** The calls served and begun at the endpoint when the attempt began. */
  private AdaptiveConcurrencyLimit.EntrySnapshot entry;

  /** True while the attempt counts among the answers that are coming. */
  private boolean countedAsComing;

  /** True while the attempt counts among the streams that are being delivered. */
  private boolean countedAsStream;

  // Written by the thread that reads, or by the one of the exchange that connects; read by the
  // timer's and those of health checks.

  /** True if other calls were served before this attempt had its first piece. */
  private volatile boolean queued;

  private volatile boolean reusedConnection;
  private volatile long connectedAt;
  private volatile boolean replied;

  /** The bill of its failure, made by whichever thread ends it first. */
  private final AtomicReference<@Nullable AttemptBill> failureBill = new AtomicReference<>();

  // Written by the thread of a health check, which holds the endpoint's list of waiting attempts.

  private volatile boolean resent;
  private volatile boolean givenUp;
  private volatile long resentAt;

  /**
   * An attempt.
   *
   * @param share nanoseconds that the call's deadline leaves it
   * @param piecesBeforeFirst with how many pieces it begins to be delivered; {@code MAX_VALUE} for
   *     never
   * @param hedge is reported that it is silent
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
    AttemptTimeouts timeouts = endpoint.config().timeouts();
    this.endpoint = endpoint;
    this.time = time;
    this.request = request;
    this.token = token;
    this.deadline = deadline;
    this.hedge = hedge;
    this.piecesBeforeFirst = Math.max(1, piecesBeforeFirst);
    this.throughput = new ThroughputMonitor(timeouts.minimumRate());
    this.clocks =
        new AttemptClocks(
            time,
            timeouts,
            deadline,
            share,
            piecesBeforeFirst < Integer.MAX_VALUE,
            endpoint.health().isProbed()
                ? HealthMonitor.silenceThreshold(timeouts.firstToken())
                : AttemptClocks.FAR_AHEAD,
            hedge == null ? AttemptClocks.FAR_AHEAD : hedge.delay(),
            this);
    this.entry = endpoint.adaptiveLimit().snapshot(clocks.startedAt());
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
      long now = time.nanos();
      clocks.reset(now);
      entry = endpoint.adaptiveLimit().snapshot(now);
      startClocks();
    }
    if (clocks.onReaderWaiting()) {
      outcome.completeExceptionally(classifier().deliveryTooLong());
    }
    try {
      ExchangeResult answer =
          throughput.isEnabled() && clocks.hasBegun() ? nextMeasured() : exchange.next();
      if (answer != null) {
        outcome.complete(answer);
        endpoint.activity().onAnswer(time.nanos());
        if (!clocks.isDelivering()) {
          endpoint.onServed(entry, time.nanos());
        }
        endpoint.activity().onServed(ResendPolicy.length(request));
      }
    } catch (AttemptException e) {
      if (!outcome.isDone()) {
        clocks.detectPause();
      }
      outcome.completeExceptionally(e);
    }
    return outcome.isDone() ? finish() : null;
  }

  private @Nullable ExchangeResult nextMeasured() throws AttemptException {
    long since = time.nanos();
    int before = pieces;
    ExchangeResult answer = exchange.next();
    throughput.record(time.nanos() - since, pieces - before);
    if (answer == null && !clocks.hasTextEnded() && throughput.isTooSlow()) {
      outcome.completeExceptionally(classifier().tooSlow(throughput));
    }
    return answer;
  }

  private TimeoutClassifier classifier() {
    return new TimeoutClassifier(endpoint, clocks, deadline, time.nanos(), pieces, queued, replied);
  }

  /** Called when the reader has a piece and takes time for it. */
  void onReaderIdle() {
    clocks.onReaderIdle();
  }

  @SuppressWarnings("FutureReturnValueIgnored") // What depends on the outcome returns with it.
  private void startClocks() throws AttemptException {
    // Added before anything can end it: what ends it takes it away again.
    endpoint.health().addAttempt(this);
    outcome.whenComplete((answer, failure) -> onEnded(failure));
    token.cancelWhenRequested(outcome);
    Throwable unable = clocks.start(endpoint.timeLimiter());
    // A function is the last resort, and runs without a clock rather than not at all.
    if (unable != null && !endpoint.config().isLocal()) {
      throw AttemptException.of(FailureKind.INTERNAL, "no clock for it: " + UserCode.NO_THREAD);
    }
  }

  /** Returns the part of the answer that has come so far. */
  PartialAnswer partialAnswer() {
    return exchange.partialAnswer();
  }

  /** Returns whether the answer is being delivered to a reader while it comes. */
  boolean isDelivering() {
    return clocks.isDelivering();
  }

  /** Returns how many pieces have come. */
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

  @Override
  public boolean isOver() {
    return outcome.isDone();
  }

  @Override
  public void onLimitPassed(long now) {
    outcome.completeExceptionally(classifier().limitPassed());
  }

  @Override
  public void onTimeLimit(Throwable late) {
    outcome.completeExceptionally(late);
  }

  /** Gives up the connection; the thread that reads returns what it has. */
  @Override
  public void onTrailerOverdue() {
    exchange.cancel();
  }

  @Override
  public void onSilence() {
    endpoint.health().onSilence(isConnectionSuspect());
  }

  @Override
  public void onHedgeDue() {
    if (hedge != null) {
      hedge.start();
    }
  }

  /** Runs once, on the thread that found the outcome. */
  private void onEnded(@Nullable Throwable failure) {
    clocks.stop();
    endpoint.health().removeAttempt(this);
    if (failure == null) {
      return;
    }
    exchange.cancel();
    boolean begun = clocks.hasBegun();
    if (!begun && !replied) {
      endpoint.health().onAttemptAbandoned(this);
    }
    if (!begun && isTimeout(failure)) {
      if (resent) {
        endpoint.health().resendPolicy().onOutcome(false);
      }
      endpoint.health().onNoFirstByte(clocks.startedAt(), silentAttempt());
    }
  }

  private static boolean isTimeout(Throwable failure) {
    return failure instanceof TimeoutException
        || (failure instanceof AttemptException known && BEFORE_FIRST_BYTE.contains(known.kind()));
  }

  /**
   * {@inheritDoc}
   *
   * <p>Then a pooled connection that a router has forgotten is to blame: see {@link ResendPolicy}.
   */
  @Override
  public void onServerHealthy() {
    long now = time.nanos();
    if (isConnectionSuspect() && tryTakeRequest(now)) {
      resentAt = now;
      clocks.onResent(now);
      resent = exchange.resend();
    }
  }

  /** Returns whether the pooled connection, and not the server, may be the cause of the silence. */
  private boolean isConnectionSuspect() {
    boolean silent = reusedConnection && !clocks.hasBegun() && !resent;
    return silent
        && endpoint
            .health()
            .resendPolicy()
            .isDue(request, clocks.startedAt(), clocks.silenceThreshold() / 2);
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
    return clocks.startedAt();
  }

  @Override
  public boolean isWaitingLongerThan(long then) {
    return !clocks.hasBegun() && isOlderThan(then);
  }

  @Override
  public boolean canOutlast(long load, long answer) {
    return load == 0 || clocks.canOutlast(load, answer);
  }

  /** Returns the time at which the request was sent over its last connection. */
  private long sentAt() {
    return resent ? resentAt : clocks.startedAt();
  }

  /**
   * Returns this attempt as a silent one; null where a pause of this process explains the silence.
   */
  private WedgedModelDetector.@Nullable SilentAttempt silentAttempt() {
    return clocks.hasPaused()
        ? null
        : endpoint.health().wedgeDetector().silentAttempt(request, sentAt(), isOnNewConnection());
  }

  private boolean isOnNewConnection() {
    return resent || (clocks.isConnected() && !reusedConnection);
  }

  @Override
  public boolean isSilentOnNewConnection() {
    return isOnNewConnection()
        && !clocks.hasBegun()
        && time.nanos() - sentAt() >= clocks.silenceThreshold() / 2;
  }

  @Override
  public void failIfSilent(AttemptException failure) {
    if (!clocks.hasBegun()) {
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
  public void onUnreachable(
      AttemptException ifWaiting, AttemptException ifAnswering, boolean certain) {
    if (!clocks.hasBegun()) {
      outcome.completeExceptionally(ifWaiting);
    } else if (!clocks.isReaderIdle() && !clocks.hasTextEnded()) {
      long silent = time.nanos() - clocks.silentSince();
      if (silent >= (certain ? MIN_SILENCE_OF_DEAD_SERVER : clocks.silenceThresholdMidAnswer())) {
        outcome.completeExceptionally(ifAnswering);
      }
    }
  }

  private ExchangeResult finish() throws AttemptException {
    end();
    String cancelled = token.recordInterrupt();
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
              : classifier().ofTimeLimiter(e.getCause()));
    }
  }

  private AttemptException refine(AttemptException failure) {
    if (failure.kind() == FailureKind.OVERLOADED && !clocks.isDelivering()) {
      endpoint.adaptiveLimit().onOverloaded(entry, clocks.hasBegun());
    }
    boolean ofTime = CAUSED_BY_PAUSES.contains(failure.kind());
    if (!ofTime && !EXCUSED_TIMEOUTS.contains(failure.kind())) {
      return failure;
    }
    boolean lacksStatus =
        failure.status() == 0 && (replied || clocks.hasBegun()) && !endpoint.config().isLocal();
    AttemptException reported = lacksStatus ? failure.withStatus(200) : failure;
    if (!ofTime) {
      return reported;
    }
    if (MID_ANSWER.contains(failure.kind())) {
      // Connections that idle beside this one run through the same router or tunnel.
      endpoint.exchangeFactory().dropIdleConnections();
    }
    if (resent) {
      reported =
          reported.withMessage(reported.message() + " (sent once more, over a new connection)");
    } else if (exchange.isConnectionSuspect()) {
      return reported.asBlameless();
    }
    if (reported.kind() == FailureKind.STALLED
        && endpoint.health().recordStall(clocks.startedAt(), clocks.lastPiece())) {
      return reported.asBlameless();
    }
    if (!clocks.hasBegun()
        && BEFORE_FIRST_BYTE.contains(reported.kind())
        && endpoint.health().isWedged(clocks.startedAt())) {
      return reported
          .withKind(FailureKind.WEDGED)
          .withMessage(reported.message() + "; " + WedgedModelDetector.HANGS);
    }
    return clocks.hasPaused()
        ? reported
            .withMessage(reported.message() + " (this process stood still meanwhile)")
            .asBlameless()
        : reported;
  }

  @Override
  public void onConnecting() {
    reusedConnection = false;
    clocks.onConnecting();
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
    clocks.onConnected();
  }

  @Override
  public boolean isGivenUp() {
    return givenUp;
  }

  @Override
  public void onResend() throws AttemptException {
    endpoint.rateLimiter().take(time.nanos());
  }

  @Override
  public void onDelta() {
    long now = time.nanos();
    pieces++;
    boolean first = !clocks.hasBegun();
    boolean delivering = clocks.isDelivering();
    boolean fresh = !delivering || now - clocks.silentSince() > AttemptClocks.SOCKET_READ;
    if (first) {
      queued = endpoint.activity().hasServedSince(clocks.startedAt());
    }
    clocks.onPiece(now);
    if (fresh) {
      endpoint.activity().onPiece(now);
    }
    if (fresh
        && delivering
        && now - clocks.firstPiece() > endpoint.config().timeouts().attempt().toNanos()) {
      // A long stream that goes on is as good as an answer, and may be the only one for long.
      endpoint.activity().onAnswer(now);
    }
    if (first) {
      onFirstPiece(now);
    }
    if (pieces == piecesBeforeFirst) {
      beginDelivery(now);
    }
  }

  private void onFirstPiece(long now) {
    if (resent) {
      boolean sooner = now - resentAt < resentAt - clocks.startedAt();
      endpoint.health().resendPolicy().onOutcome(sooner);
    }
    countedAsComing = true;
    endpoint.onAnswerBegun(entry, now);
    endpoint.health().onFirstPiece();
  }

  private void beginDelivery(long now) {
    clocks.onDelivery();
    countedAsStream = true;
    endpoint.adaptiveLimit().onStreamStarted();
    endpoint.onServed(entry, now);
  }

  @Override
  public void onTextEnded() {
    clocks.onTextEnded();
  }

  /**
   * Returns what this attempt used and costs if it ends with this failure. The first bill stands:
   * the winner of a hedged call and the attempt's own thread must count the same.
   */
  AttemptBill bill(AttemptException failure) {
    AttemptBill before = failureBill.get();
    if (before != null) {
      return before;
    }
    // Set before the connection is checked: the thread that connects checks this once it has.
    givenUp = true;
    AttemptBill now =
        billing().ofFailure(failure, resent || clocks.isConnected(), pieces, elapsed());
    return failureBill.compareAndSet(null, now)
        ? now
        : Objects.requireNonNullElse(failureBill.get(), now);
  }

  /** Returns what this attempt used and costs with this answer. */
  AttemptBill bill(ExchangeResult answer) {
    return billing().ofAnswer(answer, pieces, elapsed());
  }

  private AttemptBilling billing() {
    return new AttemptBilling(endpoint.config(), request, exchange);
  }

  /** Returns the record of this attempt with this failure. */
  Attempt toAttempt(AttemptException failure) {
    return CallRecorder.toAttempt(endpoint.config(), failure, Duration.ofNanos(elapsed()));
  }

  /** Nanoseconds from dispatch to now. */
  long elapsed() {
    return clocks.elapsed();
  }

  /** Adds its times to the endpoint's, unless they are its connection's or this process's. */
  void recordTimes(LatencyWindow latencies) {
    if (!clocks.hasPaused()) {
      long waited = clocks.firstPiece() - sentAt();
      latencies.add(waited, time.nanos() - sentAt());
      if (pieces >= MANY_PIECES) {
        endpoint.activity().setBuffered(isBuffered());
      }
      if (clocks.isConnected()) {
        endpoint.health().resendPolicy().onAnswer(clocks.firstPiece() - connectedAt);
      }
      // A function has no queue, and an answer that was held back no first token to compare.
      if (!endpoint.config().isLocal() && !endpoint.activity().isBuffered()) {
        endpoint.queueDetector().onAnswer(waited, entry.inFlight());
      }
    }
  }

  /** Returns whether the pieces came at once after a long wait: no such model writes so fast. */
  private boolean isBuffered() {
    long waited = clocks.firstPiece() - sentAt();
    return waited >= MIN_WAIT_OF_BUFFERED_ANSWER
        && clocks.lastPiece() - clocks.firstPiece() < waited / 100;
  }

  /** Returns the time from dispatch to the first piece. */
  Duration timeToFirstPiece() {
    return Duration.ofNanos(clocks.firstPiece() - clocks.startedAt());
  }
}
