// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.testkit;

import dev.offmeter.FailureKind;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Describes how one call is treated, or some in a row.
 *
 * @param name the method that made it, for messages
 * @param outcome the kind of reply
 * @param pieces the pieces of an answer; empty for any other outcome
 * @param ending how an answer ends
 * @param after the pieces that are sent before that ending
 * @param failure the failure; null for an outcome or ending that has none
 * @param healthy whether health checks pass meanwhile
 * @param times how many calls it is for
 */
record Step(
    String name,
    Outcome outcome,
    List<Piece> pieces,
    Ending ending,
    int after,
    @Nullable Failure failure,
    boolean healthy,
    int times) {
  private static final List<Piece> DEFAULT_ANSWER =
      List.of(
          Piece.text("This"),
          Piece.text(" is"),
          Piece.text(" a"),
          Piece.text(" scripted"),
          Piece.text(" answer."));

  enum Outcome {
    ANSWER,
    SILENCE,
    REFUSAL,
    PAGE,
    NO_TUNNEL,
    ERROR
  }

  enum Ending {
    WHOLE,
    CUT,
    STALL,
    ERROR
  }

  /**
   * Describes a failure.
   *
   * @param status the HTTP status; 0 where there is no HTTP
   * @param body the body of the reply; null for the server's usual words
   * @param kind the kind; null where the client is to find it
   * @param retryAfter the time that the server asks to wait; null for none
   */
  record Failure(
      int status,
      @Nullable String body,
      @Nullable FailureKind kind,
      @Nullable Duration retryAfter) {
    static Failure ofKind(FailureKind kind) {
      return new Failure(0, null, kind, null);
    }
  }

  /** Returns the answer that is given until a test says otherwise. */
  static Step byDefault() {
    return answer("answers", DEFAULT_ANSWER);
  }

  static Step answer(String name, List<Piece> pieces) {
    return new Step(name, Outcome.ANSWER, List.copyOf(pieces), Ending.WHOLE, 0, null, true, 1);
  }

  /** Returns a step of a server that is out of reach as a whole. */
  static Step gone(String name, Outcome outcome) {
    return new Step(name, outcome, List.of(), Ending.WHOLE, 0, null, false, 1);
  }

  static Step error(String name, Failure failure) {
    return new Step(name, Outcome.ERROR, List.of(), Ending.WHOLE, 0, failure, true, 1);
  }

  Step withPieces(List<Piece> pieces) {
    return new Step(name, outcome, List.copyOf(pieces), ending, after, failure, healthy, times);
  }

  Step endingIn(Ending ending, int after, @Nullable Failure failure) {
    return new Step(name, outcome, pieces, ending, after, failure, healthy, times);
  }

  Step withHealth(boolean healthy) {
    return new Step(name, outcome, pieces, ending, after, failure, healthy, times);
  }

  Step withFailure(Failure failure) {
    return new Step(name, outcome, pieces, ending, after, failure, healthy, times);
  }

  Step withTimes(int times) {
    return new Step(name, outcome, pieces, ending, after, failure, healthy, times);
  }
}
