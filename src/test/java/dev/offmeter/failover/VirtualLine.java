// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import dev.offmeter.FailureKind;
import dev.offmeter.endpoint.Checkup;
import dev.offmeter.wire.Failure;
import dev.offmeter.wire.Vitals;
import java.util.ArrayDeque;
import java.util.Queue;
import org.jspecify.annotations.Nullable;

/** One request on its way to a simulated node, and what comes back. */
final class VirtualLine {
  private final VirtualNode node;
  private final Checkup.@Nullable Kind asked;
  private final int call;
  private final Queue<Event> come = new ArrayDeque<>();
  private VirtualTime.@Nullable Wait wait;
  private boolean sent;
  private boolean begun;
  private boolean ended;

  /** What comes back: the beginning of an answer or its end, what a check found, or a failure. */
  record Event(boolean last, @Nullable Vitals vitals, @Nullable Failure failure) {}

  private VirtualLine(VirtualNode node, Checkup.@Nullable Kind asked, int call) {
    this.node = node;
    this.asked = asked;
    this.call = call;
  }

  static VirtualLine call(VirtualNode node, int call) {
    return new VirtualLine(node, null, call);
  }

  static VirtualLine check(VirtualNode node, Checkup.Kind asked) {
    return new VirtualLine(node, asked, 0);
  }

  /** What is looked at; null for a call. */
  Checkup.@Nullable Kind asked() {
    return asked;
  }

  /** The number of the call. */
  int call() {
    return call;
  }

  /** Whether nobody waits at its other end any more. */
  boolean isEnded() {
    return ended;
  }

  /** Waits for what comes next. */
  Event next() {
    if (!sent && !ended) {
      sent = true;
      node.time().in(node.way(), () -> node.takes(this));
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
  void answered() {
    send(new Event(true, null, null));
  }

  /** The reply to a check is sent. */
  void found(Vitals vitals) {
    send(new Event(true, vitals, null));
  }

  void fails(Failure failure) {
    send(new Event(true, null, failure));
  }

  void failsUnlessBegun(Failure failure) {
    if (!begun && !ended) {
      fails(failure);
    }
  }

  private void send(Event event) {
    node.time().in(node.way(), () -> arrives(event));
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

  /** Whoever asked does not wait any more, of which the node learns. */
  void cancel() {
    if (!ended) {
      arrives(new Event(true, null, Failure.of(FailureKind.CONNECTION_LOST, "given up")));
      node.time().in(node.way(), () -> node.dropped(this));
    }
  }
}
