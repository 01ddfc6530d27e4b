// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmException;
import dev.offmeter.wire.Failure;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The loop: one call on its way through the endpoints, one step after the other. What a failure
 * does to the call is decided in {@link Visit}. Used by one thread at a time.
 */
final class OneCall {
  private final List<Gate> gates;
  private final Surroundings around;
  private final ChatRequest request;
  private final Deadline deadline;
  private final Cancellation cancellation;
  private final Story story;
  private final Audience audience;
  private final Acceptance acceptance;
  private final List<Gate> full = new ArrayList<>();
  private final LoadWait loadWait;
  private final @Nullable Hedge hedge;
  private int next;
  private @Nullable Visit visit;

  /** What all calls of a client share. */
  record Surroundings(Time time, Retries retries, WaitingLine line) {}

  OneCall(
      List<Gate> gates,
      Surroundings around,
      ChatRequest request,
      Deadline deadline,
      Cancellation cancellation,
      Story story,
      Audience audience,
      Acceptance acceptance,
      @Nullable Hedging hedging) {
    this.gates = gates;
    this.around = around;
    this.request = request;
    this.deadline = deadline;
    this.cancellation = cancellation;
    this.story = story;
    this.audience = audience;
    this.acceptance = acceptance;
    this.loadWait = new LoadWait(around, deadline, cancellation, story);
    this.hedge = hedging == null ? null : new Hedge(this, hedging, cancellation);
  }

  /** Runs to the answer. */
  ChatResponse run() {
    boolean answered = false;
    try {
      ChatResponse response = step();
      while (response == null) {
        response = step();
      }
      answered = true;
      return response;
    } catch (LlmException e) {
      ChatResponse other = hedge == null ? null : hedge.won(story.isAnswered());
      if (other == null) {
        throw e;
      }
      answered = true;
      return other;
    } finally {
      if (hedge != null) {
        hedge.end(answered);
      }
    }
  }

  /**
   * Asks the next endpoint, or reads on where one is being asked.
   *
   * @return the answer; null while there is more to be done
   */
  @Nullable ChatResponse step() {
    boolean wellEnded = false;
    try {
      ChatResponse response = null;
      if (visit == null || visit.isOver()) {
        response = hedge == null ? null : hedge.outcome(next < gates.size());
        response = response == null ? goOn() : response;
      }
      if (response == null && visit != null) {
        response = visit.step();
      }
      wellEnded = true;
      return response;
    } catch (LlmException e) {
      throw e;
    } catch (Throwable e) {
      throw story.brokenOff(e);
    } finally {
      if (!wellEnded) {
        leave();
      }
    }
  }

  /** Gives up what the call holds. */
  private void leave() {
    if (visit != null) {
      visit.leave();
    }
  }

  /** Its reader wants more. */
  void readerWaits() {
    deadline.readerWaits();
  }

  /** Its reader has an event, and takes his time. */
  void readerRests() {
    deadline.readerRests();
    if (visit != null) {
      visit.rests();
    }
  }

  /** Ends the call between two steps. */
  LlmException giveUp(String why) {
    try {
      if (visit != null && !visit.isOver()) {
        visit.giveUp(why);
      }
      return story.stopped(why);
    } finally {
      leave();
    }
  }

  /**
   * Goes to the next endpoint.
   *
   * @return the answer of the one beside the call, if there is no next and it has one
   */
  private @Nullable ChatResponse goOn() {
    Visit here = nextVisit();
    if (hedge != null && here != null && here.isIn(hedge.lane())) {
      here.announce();
      hedge.tries(here);
      here = nextVisit();
    }
    if (here == null) {
      return lastHope();
    }
    visit = here;
    if (hedge != null) {
      hedge.nextIsAsked();
    }
    return null;
  }

  private ChatResponse lastHope() {
    ChatResponse other = hedge == null ? null : hedge.outcome(false);
    if (other != null) {
      return other;
    }
    stopIfCancelled();
    throw story.exhausted(deadline.elapsed(), retryAfter(gates, request, around.time().nanos()));
  }

  /** When the first of the endpoints may be asked again that are left alone now. */
  static Optional<Duration> retryAfter(List<Gate> gates, ChatRequest request, long now) {
    return gates.stream()
        .filter(gate -> Clearance.permits(request, gate.spec()))
        .flatMap(gate -> gate.opensIn(now).stream())
        .min(Comparator.naturalOrder());
  }

  /** Whether there is a server still to come that may be asked beside the one that is. */
  boolean hasAnother() {
    for (Gate gate : gates.subList(next, gates.size())) {
      if (gate.spec().isLocal()) {
        // A function would always be first, and is the last resort.
        return false;
      }
      if (!gate.isShut() && Clearance.permits(request, gate.spec())) {
        return true;
      }
    }
    return false;
  }

  /**
   * Asks the next server beside the one that is being asked, while that is silent.
   *
   * @return its answer; null if it has none, or another came first
   */
  @Nullable ChatResponse askAnother(Cancellation own) {
    Visit other = null;
    while (other == null && hasAnother()) {
      other = knockInTurn(gates.get(next++), own);
    }
    return other == null ? null : finish(other);
  }

  /** The answer of one endpoint; null if it has none, or another came first. */
  static @Nullable ChatResponse finish(Visit visit) {
    try {
      ChatResponse response = null;
      while (response == null && !visit.isOver()) {
        response = visit.step();
      }
      return response;
    } finally {
      visit.leave();
    }
  }

  /** Null when there is no further endpoint. */
  private @Nullable Visit nextVisit() {
    while (next < gates.size()) {
      stopIfCancelled();
      Gate gate = gates.get(next);
      Visit loaded = gate.spec().isLastResort() ? waitForALoadBefore(next) : null;
      if (loaded != null) {
        return loaded;
      }
      next++;
      Visit visit = knockInTurn(gate, cancellation);
      if (visit != null) {
        return visit;
      }
    }
    return waitForAPlace();
  }

  /** A function is the last resort: a model that is loaded in time answers instead. */
  private @Nullable Visit waitForALoadBefore(int function) {
    List<Gate> before = gates.subList(0, function);
    Gate gate = loadWait.endOfAny(loading(before), keptFrom(function));
    while (gate != null) {
      stopIfCancelled();
      Visit visit = knockInTurn(gate, cancellation);
      if (visit != null) {
        return visit;
      }
      gate = loadWait.endOfAny(loading(before), keptFrom(function));
    }
    stopIfCancelled();
    return null;
  }

  /** What a deadline that was set leaves for those still to come. */
  private long keptFrom(int function) {
    return deadline.isSet() ? deadline.equalShares(open(gates.subList(function, gates.size()))) : 0;
  }

  private List<Gate> loading(List<Gate> among) {
    return among.stream()
        .filter(gate -> gate.isWarming() && Clearance.permits(request, gate.spec()))
        .toList();
  }

  private @Nullable Visit knockInTurn(Gate gate, Cancellation lane) {
    List<Gate> stillToCome = open(gates.subList(next, gates.size()));
    return knock(gate, Share.of(gate, deadline, stillToCome), lane);
  }

  /** Asks if the gate lets the call in. No other way leads to an endpoint. */
  private @Nullable Visit knock(Gate gate, Share share, Cancellation lane) {
    try {
      Clearance.check(request, gate.spec());
      Breaker.Permit permit = enter(gate, share, lane);
      return new Visit(this, gate, permit, share, laneFor(gate, permit, lane));
    } catch (Failure refusal) {
      if (refusal.kind() == FailureKind.BULKHEAD_FULL && !full.contains(gate)) {
        full.add(gate);
      }
      story.skips(gate.spec(), refusal);
      return null;
    }
  }

  /** An endpoint on trial is asked beside the call, if there is another to go to: one at a time. */
  private Cancellation laneFor(Gate gate, Breaker.Permit permit, Cancellation lane) throws Failure {
    if (hedge == null || lane != cancellation || !permit.isTrial() || !hasAnother()) {
      return lane;
    }
    if (hedge.isFree()) {
      return hedge.lane();
    }
    permit.release();
    around.line().placeFreed(gate);
    throw gate.shut("on trial, and nobody is to wait for that");
  }

  /** With a little patience for a place, if the endpoint is worth it. */
  private Breaker.Permit enter(Gate gate, Share share, Cancellation lane) throws Failure {
    gate.health().warmth().wanted();
    try {
      return gate.enter();
    } catch (Failure refusal) {
      if (refusal.kind() != FailureKind.BULKHEAD_FULL || gate.spec().maxWait().isZero()) {
        throw refusal;
      }
      return queue(gate, share, lane);
    }
  }

  private Breaker.Permit queue(Gate gate, Share share, Cancellation lane) throws Failure {
    long wait = Math.min(gate.spec().maxWait().toNanos(), share.leftToWait());
    deadline.waits();
    if (wait <= 0 || around.line().placeAtAnyOf(List.of(gate), wait, lane) == null) {
      stopIfCancelled(lane);
      return gate.enter();
    }
    return enterWithPlace(gate, lane);
  }

  /** The place goes to the next in the line if the call cannot use it. */
  private Breaker.Permit enterWithPlace(Gate gate, Cancellation lane) throws Failure {
    boolean entered = false;
    try {
      stopIfCancelled(lane);
      Breaker.Permit permit = gate.enterWithPlace();
      entered = true;
      return permit;
    } finally {
      if (!entered) {
        around.line().placeFreed(gate);
      }
    }
  }

  /** Those still to come that could be asked as they are now, which keep time. */
  private List<Gate> open(List<Gate> stillToCome) {
    long now = around.time().nanos();
    long left = deadline.left();
    List<Gate> later = new ArrayList<>(stillToCome);
    later.removeIf(
        gate -> !Clearance.permits(request, gate.spec()) || !gate.couldBeAsked(now, left));
    return later;
  }

  /** Those that had no place and are waited for, which keep time too. */
  private List<Gate> stillWanted() {
    return full.stream().filter(gate -> !gate.isShut()).toList();
  }

  /** Nobody else could answer: what is left are the endpoints that had no place. */
  private @Nullable Visit waitForAPlace() {
    while (!full.isEmpty() && deadline.left() > 0) {
      deadline.waits();
      List<Gate> loading = loading(gates);
      Gate placed = placeUnlessLoaded(loading);
      Gate loaded = placed == null ? LoadWait.ended(loading).orElse(null) : null;
      if (placed == null && (loaded == null || cancellation.reason() != null)) {
        break;
      }
      Visit visit = placed == null ? visitLoaded(loaded) : visitWithPlace(placed);
      if (visit != null) {
        return visit;
      }
    }
    stopIfCancelled();
    Visit visit = backMeanwhile();
    return visit == null ? waitForALoad() : visit;
  }

  /** Null when none is free in time, or a model has been loaded first, which can answer now. */
  private @Nullable Gate placeUnlessLoaded(List<Gate> loading) {
    LoadWaiters.Waiter waiter = new LoadWaiters.Waiter();
    loading.forEach(gate -> gate.loadWaiters().join(waiter));
    try {
      return LoadWait.ended(loading).isPresent()
          ? null
          : around.line().placeAtAnyOf(full, deadline.left(), cancellation, waiter.ended());
    } finally {
      loading.forEach(gate -> gate.loadWaiters().leave(waiter));
    }
  }

  private @Nullable Visit visitLoaded(@Nullable Gate gate) {
    return gate == null
        ? null
        : knock(gate, Share.ofLast(gate, deadline, stillWanted()), cancellation);
  }

  /**
   * What has gone down while the call waited for a place there may be up again; else it is told.
   */
  private @Nullable Visit backMeanwhile() {
    for (Gate gate : List.copyOf(full)) {
      Visit visit = gate.isShut() ? knockAgain(gate) : null;
      if (visit != null) {
        return visit;
      }
    }
    return null;
  }

  /**
   * Better to wait for a model that is being loaded than not to be answered: whichever is there
   * first, so that a long load takes no time from a short one.
   */
  private @Nullable Visit waitForALoad() {
    List<Gate> loading = new ArrayList<>(loading(gates));
    while (!loading.isEmpty()) {
      Gate gate = loadWait.endOfAny(loading);
      stopIfCancelled();
      Visit visit = knockAgain(gate == null ? loading.get(0) : gate);
      if (visit != null) {
        return visit;
      }
      loading.remove(gate == null ? loading.get(0) : gate);
    }
    return null;
  }

  /** After all others: nothing is to be kept for anybody. */
  private @Nullable Visit knockAgain(Gate gate) {
    return knock(gate, Share.ofLast(gate, deadline, List.of()), cancellation);
  }

  private @Nullable Visit visitWithPlace(Gate gate) {
    full.remove(gate);
    try {
      Breaker.Permit permit = enterWithPlace(gate, cancellation);
      return new Visit(
          this, gate, permit, Share.ofLast(gate, deadline, stillWanted()), cancellation);
    } catch (Failure refusal) {
      story.skips(gate.spec(), refusal);
      return null;
    }
  }

  /** One try at {@code gate}. */
  TimedAttempt attempt(Gate gate, ChatRequest asked, long share, Cancellation lane) {
    Hedge beside = lane == cancellation ? hedge : null;
    gate.activity().ask();
    return new TimedAttempt(
        gate, around.time(), asked, lane, deadline, share, audience.showsFrom(), beside);
  }

  private void stopIfCancelled() {
    stopIfCancelled(cancellation);
  }

  /** Ends the call if its caller wants it no more. */
  void stopIfCancelled(Cancellation lane) {
    String reason = lane.reason();
    if (reason != null) {
      throw story.stopped(reason);
    }
  }

  /** The call has left an endpoint where it was for so long. */
  void wasAt(Gate gate, long nanos) {
    loadWait.onAsked(gate, nanos);
  }

  ChatRequest request() {
    return request;
  }

  Acceptance acceptance() {
    return acceptance;
  }

  Time time() {
    return around.time();
  }

  Retries retries() {
    return around.retries();
  }

  WaitingLine line() {
    return around.line();
  }

  Deadline deadline() {
    return deadline;
  }

  Story story() {
    return story;
  }

  Audience audience() {
    return audience;
  }
}
