// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import dev.offmeter.Attempt;
import dev.offmeter.ChatResponse;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmException;
import dev.offmeter.endpoint.Answer;
import dev.offmeter.wire.Failure;
import dev.offmeter.wire.ForeignCode;
import java.time.Duration;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * One call's stay at one endpoint, from when it was let in until it leaves: one attempt, and the
 * retries that the endpoint allows and the deadline leaves room for. Whatever happens, it must
 * {@link #leave()}.
 */
final class Visit {
  private final OneCall call;
  private final Gate gate;
  private final Breaker.Permit permit;
  private final Share share;
  private final Cancellation lane;
  private final long entered;
  private final Wanted wanted;
  private @Nullable Failure before;
  private int retry = 1;
  private boolean left;
  private boolean announced;
  private @Nullable TimedAttempt attempt;
  private @Nullable Paused paused;

  Visit(OneCall call, Gate gate, Breaker.Permit permit, Share share, Cancellation lane) {
    this.call = call;
    this.gate = gate;
    this.permit = permit;
    this.share = share;
    this.lane = lane;
    this.wanted = new Wanted(gate.spec().defaults().apply(call.request()), call.acceptance());
    this.entered = call.time().nanos();
  }

  /** Tells of the attempt before it is made, once. */
  void announce() {
    if (!announced) {
      announced = true;
      call.story().asks(gate.spec());
    }
  }

  /** Whether it can be ended by this. */
  boolean isIn(Cancellation lane) {
    return this.lane == lane;
  }

  /** Whether the call has moved on. */
  boolean isOver() {
    return left;
  }

  /**
   * Reads on.
   *
   * @return the answer; null while there is more to come, or when this visit is over without one
   */
  @Nullable ChatResponse step() {
    try {
      if (paused != null && !isLetInAgain(paused)) {
        return null;
      }
      TimedAttempt asked = attempt == null ? ask() : attempt;
      Answer answer = asked.next();
      call.audience().hears(asked);
      if (asked.isDelivering()) {
        // How long its reader takes says nothing of the endpoint.
        permit.letOthersTry();
      }
      return answer == null ? null : answered(asked, answer);
    } catch (Failure failure) {
      failed(failure);
      return null;
    } catch (LlmException e) {
      throw e;
    } catch (LinkageError e) {
      failed(Unlinked.failure(e));
      return null;
    } catch (Throwable e) {
      failed(Failure.of(FailureKind.INTERNAL, ForeignCode.described(e)));
      return null;
    }
  }

  private TimedAttempt ask() throws Failure {
    checkTime();
    gate.rate().take(call.time().nanos());
    if (permit.isTrial()) {
      // One that has idled through an outage may lead nowhere, and the trial would fail for that.
      gate.opener().dropIdleConnections();
    }
    // Made before the listener hears of it, so that its share covers the listener too.
    TimedAttempt asked = call.attempt(gate, wanted.request(), share.left(), lane);
    announce();
    announced = false;
    attempt = asked;
    // Whoever was told may have taken the time.
    checkTime();
    return asked;
  }

  private void checkTime() throws Failure {
    if (share.isSliver()) {
      throw Failure.of(FailureKind.DEADLINE_EXCEEDED, leaves(share.left()));
    }
  }

  private static String leaves(long nanos) {
    return nanos <= 0
        ? "the deadline left no time for it"
        : "the deadline left it " + Deadline.text(nanos) + ", too little to ask";
  }

  private @Nullable ChatResponse answered(TimedAttempt asked, Answer answer) throws Failure {
    ChatResponse response =
        call.story()
            .response(
                gate.spec(),
                answer,
                asked.elapsed(),
                asked.timeToFirstPiece(),
                call.deadline().elapsed());
    gate.refusals().onAnswer();
    gate.cutPrompts().onAnswer(wanted.request(), answer.usage());
    wanted.check(response);
    ChatResponse told = call.story().answered(gate.spec(), response);
    asked.measure(gate.latencies());
    permit.answered(call.time().nanos() - entered);
    leave();
    gate.health().advice().askOnce();
    return told;
  }

  /** What becomes of the call, and of the endpoint, when an attempt has failed. */
  private void failed(Failure failure) {
    boolean asked = attempt != null;
    // A retry that was not made says nothing: what there was before it does.
    Failure blamed = asked || before == null ? failure : before;
    before = blamed;
    Attempt told = tell(failure);
    boolean stops = stops(failure);
    boolean goesOn = !stops && call.audience().mayStartAgain(told);
    if (goesOn && asked && (isMended(failure) || isRetried(failure))) {
      return;
    }
    Failure streak = asked ? gate.refusals().onFailure(blamed, call.request()) : null;
    if (streak == null) {
      permit.failed(blamed, call.time().nanos() - entered);
    } else {
      permit.refused(streak);
    }
    leave();
    if (stops) {
      throw refused(failure);
    }
    if (!goesOn) {
      throw call.story().cut(failure.message(), call.audience().shown());
    }
  }

  /** Another call may have found out meanwhile that the endpoint is down. */
  private boolean isMended(Failure failure) {
    return permit.isCurrent() && !share.isSliver() && wanted.isMended(failure);
  }

  private boolean stops(Failure failure) {
    boolean filtered = failure.kind() == FailureKind.CONTENT_FILTERED;
    return Judgement.of(failure.kind()).next() == Judgement.Next.STOP
        && !(filtered && call.request().continueWhenFiltered());
  }

  private LlmException refused(Failure failure) {
    if (failure.kind() != FailureKind.CONTENT_FILTERED) {
      return call.story().stopped(failure.message());
    }
    String why = "endpoint '" + gate.spec().name() + "' refuses: " + failure.message();
    String shown = call.audience().shown();
    return shown.isEmpty() ? call.story().stopped(why) : call.story().cut(why, shown);
  }

  /** It was let in, and there is no thread that could ask. */
  void abandon() {
    tell(Failure.of(FailureKind.INTERNAL, ForeignCode.NO_THREAD));
    leave();
  }

  /** Nobody reads on. */
  void giveUp(String why) {
    if (attempt != null) {
      tell(Failure.of(FailureKind.CANCELLED, why));
    }
  }

  private Attempt tell(Failure failure) {
    TimedAttempt ended = attempt;
    if (ended == null) {
      return announced
          ? call.story().failed(gate.spec(), failure, 0)
          : call.story().skips(gate.spec(), failure);
    }
    ended.end();
    attempt = null;
    return call.story().failed(gate.spec(), failure, ended.elapsed());
  }

  private boolean isRetried(Failure failure) {
    if (!permit.isCurrent()) {
      return false;
    }
    if (Judgement.of(failure.kind()).health() == Judgement.Health.COOLS_DOWN) {
      // Others must know at once, even if this call waits for the end of it.
      permit.failed(failure, call.time().nanos() - entered);
    }
    Optional<Duration> pause = call.retries().pause(gate, failure, retry, share.leftToWait());
    if (pause.isEmpty()) {
      return false;
    }
    retry++;
    paused = new Paused(failure, pause.get());
    return true;
  }

  /** After a failure that is to be retried: how long to wait first. */
  private record Paused(Failure failure, Duration pause) {}

  /**
   * Waits for the retry, in a step of its own, so that a reader hears of the failure before. The
   * endpoint may have gone down meanwhile, or be on trial with another call.
   */
  private boolean isLetInAgain(Paused before) {
    paused = null;
    call.deadline().waits();
    call.retries().sleep(before.pause(), lane);
    call.stopIfCancelled(lane);
    try {
      permit.renew();
      return true;
    } catch (Failure refusal) {
      permit.failed(before.failure(), call.time().nanos() - entered);
      leave();
      return false;
    }
  }

  /** The reader has what has come so far, and takes his time. */
  void rests() {
    if (attempt != null) {
      attempt.rests();
    }
  }

  /** Gives back what this visit holds, once. */
  void leave() {
    if (left) {
      return;
    }
    left = true;
    call.wasAt(gate, call.time().nanos() - entered);
    try {
      if (attempt != null) {
        attempt.end();
      }
    } finally {
      permit.release();
      call.line().placeFreed(gate);
    }
  }
}
