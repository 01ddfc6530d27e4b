// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.testkit;

import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Holds the steps of a server and which of them the next call gets. The last one is for all calls
 * that follow. Safe for use by many threads.
 */
final class Script {
  private final List<Step> steps = new ArrayList<>();
  private boolean appending;
  private boolean repeating;
  private int position;
  private int served;

  Script(Step first) {
    steps.add(first);
  }

  /** Returns a copy at the same position, to go back to. */
  synchronized Script copy() {
    Script copy = new Script(steps.get(0));
    copy.goBackTo(this);
    return copy;
  }

  /** Makes this script one that begins with the steps of {@code other}. */
  synchronized void goBackTo(Script other) {
    List<Step> theirs = other.steps();
    steps.clear();
    steps.addAll(theirs);
    repeating = other.isRepeating();
    appending = false;
    position = 0;
    served = 0;
  }

  private synchronized List<Step> steps() {
    return List.copyOf(steps);
  }

  private synchronized boolean isRepeating() {
    return repeating;
  }

  /** Adds a step if {@link #append} was called; otherwise begins anew with it. */
  synchronized void add(Step step) {
    if (appending) {
      if (last().outcome() == Step.Outcome.REFUSAL) {
        throw new IllegalStateException(
            "refuses() must be the last step: a closed port counts no calls;"
                + " script what follows when the server is to be back");
      }
      steps.add(step);
      appending = false;
      return;
    }
    steps.clear();
    steps.add(step);
    repeating = false;
    position = 0;
    served = 0;
  }

  /** Adds thinking before the answer of the last step. */
  void think(String... texts) {
    List<Piece> added = Pieces.thinking(texts);
    amendAnswer(
        "thinks",
        step -> step.withPieces(Stream.concat(added.stream(), step.pieces().stream()).toList()));
  }

  /** Ends the answer of the last step otherwise, after some of its pieces. */
  void end(String name, Step.Ending ending, int pieces, Step.@Nullable Failure failure) {
    amendAnswer(
        name,
        step -> {
          int most = step.pieces().size();
          if (pieces < 0 || pieces > most) {
            throw new IllegalArgumentException(
                name + " must be from 0 to the answer's " + most + " pieces, was " + pieces);
          }
          return step.endingIn(ending, pieces, failure);
        });
  }

  private void amendAnswer(String name, UnaryOperator<Step> change) {
    amend(
        name,
        step -> {
          if (step.outcome() != Step.Outcome.ANSWER) {
            throw new IllegalStateException(
                name + " must follow an answer, followed " + step.name());
          }
          return change.apply(step);
        });
  }

  void times(int calls) {
    if (calls < 1) {
      throw new IllegalArgumentException("times must be at least 1, was " + calls);
    }
    amend("times", step -> reachable("times", step).withTimes(calls));
  }

  void health(String name, boolean passes) {
    amend(name, step -> reachable(name, step).withHealth(passes));
  }

  private static Step reachable(String name, Step step) {
    if (step.outcome() == Step.Outcome.REFUSAL) {
      throw new IllegalStateException(name + " must not follow refuses()");
    }
    return step;
  }

  synchronized void append() {
    if (repeating) {
      throw new IllegalStateException("then() must not follow repeats()");
    }
    appending = true;
  }

  synchronized void repeat() {
    checkNotAppending("repeats()");
    repeating = true;
  }

  synchronized void amend(String name, UnaryOperator<Step> change) {
    checkNotAppending(name);
    steps.set(steps.size() - 1, change.apply(last()));
  }

  private void checkNotAppending(String name) {
    if (appending) {
      throw new IllegalStateException(
          name + " must not follow then(), which is followed by what the next call gets");
    }
  }

  private Step last() {
    return steps.get(steps.size() - 1);
  }

  /** Returns the step that the next call will get. */
  synchronized Step upcoming() {
    return steps.get(position);
  }

  /** Returns the step for a call, and goes on. */
  synchronized Step next() {
    Step step = steps.get(position);
    if (++served >= step.times()) {
      served = 0;
      position = position + 1 < steps.size() ? position + 1 : repeating ? 0 : position;
    }
    return step;
  }
}
