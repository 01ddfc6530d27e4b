// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.simulation;

import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.http.Probe;
import dev.offmeter.internal.wire.ProbeResult;
import java.util.ArrayDeque;
import java.util.Queue;
import org.jspecify.annotations.Nullable;

/** One request on its way to a simulated node, and what comes back. */
final class VirtualRequest {
  private final VirtualNode node;
  private final Probe.@Nullable Kind onAccepted;
  private final int call;
  private final Queue<Event> come = new ArrayDeque<>();
  private VirtualTime.@Nullable Wait wait;
  private boolean sent;
  private boolean begun;
  private boolean ended;

  /**
   * A reply or a part of it: the beginning of an answer, its end, the result of a probe, or a
   * failure.
   */
  record Event(
      boolean last, @Nullable ProbeResult probeResult, @Nullable AttemptException failure) {}

  private VirtualRequest(VirtualNode node, Probe.@Nullable Kind onAccepted, int call) {
    this.node = node;
    this.onAccepted = onAccepted;
    this.call = call;
  }

  static VirtualRequest call(VirtualNode node, int call) {
    return new VirtualRequest(node, null, call);
  }

  static VirtualRequest check(VirtualNode node, Probe.Kind asked) {
    return new VirtualRequest(node, asked, 0);
  }

  /** The kind of probe; null for a call. */
  Probe.@Nullable Kind onAccepted() {
    return onAccepted;
  }

  /** The number of the call. */
  int call() {
    return call;
  }

  /** Returns whether the client does not wait for the request any more. */
  boolean isEnded() {
    return ended;
  }

  /** Waits for what comes next. */
  Event next() {
    if (!sent && !ended) {
      sent = true;
      node.time().in(node.roundTrip(), () -> node.accept(this));
    }
    while (come.isEmpty()) {
      VirtualTime.Wait waiting = node.time().new Wait();
      wait = waiting;
      waiting.await();
    }
    return come.remove();
  }

  /** A piece of an answer is sent. */
  void piece() {
    begun = true;
    send(new Event(false, null, null));
  }

  /** The end of an answer is sent. */
  void onAnswer() {
    send(new Event(true, null, null));
  }

  /** The reply to a check is sent. */
  void onProbeResult(ProbeResult probeResult) {
    send(new Event(true, probeResult, null));
  }

  void fail(AttemptException failure) {
    send(new Event(true, null, failure));
  }

  void failUnlessBegun(AttemptException failure) {
    if (!begun && !ended) {
      fail(failure);
    }
  }

  private void send(Event event) {
    node.time().in(node.roundTrip(), () -> arrives(event));
  }

  private void arrives(Event event) {
    if (ended) {
      return;
    }
    ended = event.last();
    come.add(event);
    VirtualTime.Wait waiting = wait;
    if (waiting != null) {
      wait = null;
      waiting.end();
    }
  }

  /** Ends the wait for the reply; the node learns of it a moment later. */
  void cancel() {
    if (!ended) {
      arrives(new Event(true, null, AttemptException.of(FailureKind.CONNECTION_LOST, "given up")));
      node.time().in(node.roundTrip(), () -> node.onDropped(this));
    }
  }
}
