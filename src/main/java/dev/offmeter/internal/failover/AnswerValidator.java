// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.FailureKind;
import dev.offmeter.guard.AnswerCheck;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.UserCode;
import dev.offmeter.internal.schema.RecordSchema;
import java.util.Optional;

/** Decides whether a complete answer is one that the caller accepts. */
public interface AnswerValidator {
  /** Accepts any answer. */
  AnswerValidator ANY = answer -> {};

  /**
   * Reads the answer in the form that was asked for.
   *
   * @throws AttemptException of kind {@link FailureKind#FORMAT_MISMATCH} if it does not have that
   *     form
   */
  void validate(ChatResponse answer) throws AttemptException;

  /**
   * Returns a validator of the request's own schema. An answer that calls a tool passes: the model
   * has not answered yet.
   */
  static AnswerValidator of(ChatRequest request) {
    String schema = request.answerSchema().orElse(null);
    return schema == null
        ? ANY
        : answer -> {
          if (answer.toolCalls().isEmpty()) {
            RecordSchema.check(schema, answer.text());
          }
        };
  }

  /** Runs the request's own checks in order, up to the first that objects. */
  static void check(ChatRequest request, ChatResponse response) throws AttemptException {
    for (AnswerCheck check : request.checks()) {
      Optional<String> objection = objection(check, response);
      if (objection.isPresent()) {
        String words =
            objection.get().replaceAll("[\\s\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}]+", " ").strip();
        throw AttemptException.of(
            FailureKind.ANSWER_REJECTED, "a check rejected the answer: " + words);
      }
    }
  }

  private static Optional<String> objection(AnswerCheck check, ChatResponse response) {
    try {
      Optional<String> objection = UserCode.call(() -> check.objection(response));
      return objection == null ? Optional.of("it returned null") : objection;
    } catch (UserCode.UserCodeException e) {
      return Optional.of("it threw " + e.className());
    }
  }
}
