// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.FailureKind;
import dev.offmeter.guard.AnswerCheck;
import dev.offmeter.wire.Failure;
import dev.offmeter.wire.ForeignCode;
import dev.offmeter.wire.Shape;
import java.util.Optional;

/** Whether a complete answer is one that its caller wants. */
public interface Acceptance {
  /** Any answer will do. */
  Acceptance ANY = answer -> {};

  /**
   * Reads the answer as what was asked for.
   *
   * @throws Failure of kind {@link FailureKind#FORMAT_MISMATCH} if it is not that
   */
  void read(ChatResponse answer) throws Failure;

  /** The schema that the request itself has. A model that calls a tool has not answered yet. */
  static Acceptance of(ChatRequest request) {
    String schema = request.answerSchema().orElse(null);
    return schema == null
        ? ANY
        : answer -> {
          if (answer.toolCalls().isEmpty()) {
            Shape.check(schema, answer.text());
          }
        };
  }

  /** Runs the request's own checks, in order, up to the first that objects. */
  static void check(ChatRequest request, ChatResponse response) throws Failure {
    for (AnswerCheck check : request.checks()) {
      Optional<String> objection = objection(check, response);
      if (objection.isPresent()) {
        String words =
            objection.get().replaceAll("[\\s\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}]+", " ").strip();
        throw Failure.of(FailureKind.ANSWER_REJECTED, "a check turned the answer down: " + words);
      }
    }
  }

  private static Optional<String> objection(AnswerCheck check, ChatResponse response) {
    try {
      Optional<String> objection = ForeignCode.call(() -> check.objection(response));
      return objection == null ? Optional.of("it returned null") : objection;
    } catch (ForeignCode.Broken e) {
      return Optional.of("it threw " + e.className());
    }
  }
}
