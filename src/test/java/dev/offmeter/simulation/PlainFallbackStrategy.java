// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.simulation;

import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import java.time.Duration;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** Calls with a timeout and a fallback, and with or without a breaker that knows only a timer. */
final class PlainFallbackStrategy implements SimulatedYear.CallStrategy {
  private final VirtualTime time;
  private final List<TargetNode> targets;

  PlainFallbackStrategy(SimulatedYear.Nodes nodes, boolean breaker) {
    this.time = nodes.home().time();
    this.targets =
        List.of(
            new TargetNode(nodes.home(), Assumptions.HOME_LIMIT, Assumptions.HOME_PLACES, breaker),
            new TargetNode(nodes.arm(), Assumptions.ARM_LIMIT, Integer.MAX_VALUE, breaker));
  }

  @Override
  public Tally.CallOutcome call(int number) {
    long start = time.nanos();
    for (TargetNode target : targets) {
      long asked = time.nanos();
      if (target.isLetIn() && target.answers(number)) {
        long now = time.nanos();
        return new Tally.CallOutcome(
            target.node.name(), now - start, asked - start, target.node.work(number));
      }
    }
    return Tally.CallOutcome.unanswered(time.nanos() - start);
  }

  private final class TargetNode {
    private static final Set<FailureKind> REFUSALS =
        EnumSet.of(
            FailureKind.TUNNEL_DOWN, FailureKind.CONNECTION_REFUSED, FailureKind.CONNECT_TIMEOUT);

    private final VirtualNode node;
    private final Duration limit;
    private final boolean breaker;
    private int places;
    private int failures;
    private boolean open;
    private boolean trial;
    private long openUntil;

    TargetNode(VirtualNode node, Duration limit, int places, boolean breaker) {
      this.node = node;
      this.limit = limit;
      this.places = places;
      this.breaker = breaker;
    }

    /** Returns whether the call is admitted: as with any bulkhead, a slot is needed first. */
    boolean isLetIn() {
      if (places == 0 || !open) {
        return places > 0;
      }
      boolean letIn = !trial && openUntil - time.nanos() <= 0;
      trial |= letIn;
      return letIn;
    }

    boolean answers(int number) {
      places--;
      AttemptException failure = ask(number);
      places++;
      if (breaker) {
        learn(failure);
      }
      return failure == null;
    }

    private void learn(@Nullable AttemptException failure) {
      trial = false;
      if (failure == null) {
        failures = 0;
        open = false;
      } else if (++failures >= Assumptions.TIMER_FAILURES || REFUSALS.contains(failure.kind())) {
        open = true;
        openUntil = time.nanos() + Assumptions.TIMER_PAUSE.toNanos();
      }
    }

    private @Nullable AttemptException ask(int number) {
      VirtualRequest line = VirtualRequest.call(node, number);
      boolean connectable = node.isConnectable();
      Duration patience = connectable ? limit : Assumptions.CONNECT_LIMIT;
      Future<?> clock =
          time.timer().schedule(line::cancel, patience.toNanos(), TimeUnit.NANOSECONDS);
      VirtualRequest.Event event = line.next();
      while (!event.last()) {
        event = line.next();
      }
      clock.cancel(false);
      return connectable || event.failure() == null
          ? event.failure()
          : event.failure().withKind(FailureKind.CONNECT_TIMEOUT);
    }
  }
}
