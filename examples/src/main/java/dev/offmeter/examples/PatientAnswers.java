// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples;

import dev.offmeter.Attempt;
import dev.offmeter.ChatResponse;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import java.util.EnumSet;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Function;

/**
 * Answers for a batch, which has time: when the template has answered because a model was not
 * loaded, the load is waited for and the model asked once more. The end of the program would abort
 * the load, and the next run would find the model as cold.
 */
final class PatientAnswers {
  private static final long LOAD_MINUTES = 2;

  private static final Set<FailureKind> OF_A_COLD_MODEL =
      EnumSet.of(
          FailureKind.MODEL_COLD, FailureKind.FIRST_TOKEN_TIMEOUT, FailureKind.ATTEMPT_TIMEOUT);

  private final LlmClient llm;
  private final Function<Invoice, ChatResponse> answers;

  PatientAnswers(LlmClient llm, Function<Invoice, ChatResponse> answers) {
    this.llm = llm;
    this.answers = answers;
  }

  ChatResponse to(Invoice invoice) {
    ChatResponse answer = answers.apply(invoice);
    return isOfTemplate(answer) && mayHaveBeenCold(answer) && isLoaded()
        ? answers.apply(invoice)
        : answer;
  }

  private static boolean isOfTemplate(ChatResponse answer) {
    return answer.endpoint().equals(Letter.TEMPLATE);
  }

  private static boolean mayHaveBeenCold(ChatResponse answer) {
    return answer.attempts().stream().anyMatch(PatientAnswers::mayHaveBeenCold);
  }

  private static boolean mayHaveBeenCold(Attempt attempt) {
    return attempt.failure().filter(OF_A_COLD_MODEL::contains).isPresent()
        || attempt.openedBy().filter(OF_A_COLD_MODEL::contains).isPresent();
  }

  /** Waits until all models are loaded that can be; returns false if that takes too long. */
  private boolean isLoaded() {
    try {
      llm.warmUp().get(LOAD_MINUTES, TimeUnit.MINUTES);
      return true;
    } catch (TimeoutException | ExecutionException e) {
      return false;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    }
  }
}
