// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.testkit;

import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Describes how the server treats one call, or some in a row.
 *
 * @param name the method that made it, for messages
 * @param outcome the kind of reply
 * @param pieces the pieces of an answer; empty for any other outcome
 * @param ending how an answer ends
 * @param after the pieces that are sent before that ending
 * @param status the HTTP status of an error
 * @param body the body of an error; null for the server's usual words
 * @param retryAfter the time that an error asks to wait; null for none
 * @param healthy whether health checks pass meanwhile
 * @param times how many calls it is for
 */
record Step(
    String name,
    Outcome outcome,
    List<Piece> pieces,
    Ending ending,
    int after,
    int status,
    @Nullable String body,
    @Nullable Duration retryAfter,
    boolean healthy,
    int times) {
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

  static Step answer(String name, List<Piece> pieces) {
    return new Step(
        name, Outcome.ANSWER, List.copyOf(pieces), Ending.WHOLE, 0, 200, null, null, true, 1);
  }

  /** Returns a step of a server that is out of reach as a whole. */
  static Step gone(String name, Outcome outcome) {
    return new Step(name, outcome, List.of(), Ending.WHOLE, 0, 0, null, null, false, 1);
  }

  static Step error(String name, int status, @Nullable String body, @Nullable Duration retryAfter) {
    return new Step(
        name, Outcome.ERROR, List.of(), Ending.WHOLE, 0, status, body, retryAfter, true, 1);
  }

  Step withPieces(List<Piece> pieces) {
    return new Step(
        name,
        outcome,
        List.copyOf(pieces),
        ending,
        after,
        status,
        body,
        retryAfter,
        healthy,
        times);
  }

  Step endingIn(Ending ending, int after) {
    return new Step(name, outcome, pieces, ending, after, status, body, retryAfter, healthy, times);
  }

  Step withHealth(boolean healthy) {
    return new Step(name, outcome, pieces, ending, after, status, body, retryAfter, healthy, times);
  }

  Step withTimes(int times) {
    return new Step(name, outcome, pieces, ending, after, status, body, retryAfter, healthy, times);
  }
}
