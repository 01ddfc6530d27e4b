// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.langchain4j;

import dev.langchain4j.exception.AuthenticationException;
import dev.langchain4j.exception.ContentFilteredException;
import dev.langchain4j.exception.InternalServerException;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.exception.ModelNotFoundException;
import dev.langchain4j.exception.NonRetriableException;
import dev.langchain4j.exception.RateLimitException;
import dev.langchain4j.exception.TimeoutException;
import dev.langchain4j.exception.UnresolvedModelServerException;
import dev.offmeter.Attempt;
import dev.offmeter.BudgetExceededException;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmException;
import dev.offmeter.LoopDetectedException;
import java.util.Optional;

/**
 * Makes LangChain4j's exceptions from the client's, which become their causes. As far as a kind
 * stands for an HTTP status, the exception is the one that LangChain4j's own models throw for it.
 */
final class ExceptionTranslator {
  private ExceptionTranslator() {}

  static Throwable translate(Throwable failure) {
    return failure instanceof RuntimeException e ? translate(e) : failure;
  }

  static RuntimeException translate(RuntimeException failure) {
    if (failure instanceof LlmException e) {
      return translate(e);
    }
    return failure instanceof IllegalArgumentException ? invalid(failure) : failure;
  }

  static InvalidRequestException invalid(RuntimeException failure) {
    return new InvalidRequestException(failure.getMessage(), failure);
  }

  private static RuntimeException translate(LlmException failure) {
    if (failure instanceof LoopDetectedException) {
      return invalid(failure);
    }
    if (failure instanceof BudgetExceededException) {
      return new RateLimitException(failure.getMessage(), failure);
    }
    return decisive(failure)
        .map(kind -> translate(kind, failure))
        .orElseGet(() -> new NonRetriableException(failure.getMessage(), failure));
  }

  /** Returns what took the endpoint down if it was not asked because it is down. */
  private static Optional<FailureKind> decisive(LlmException failure) {
    Optional<FailureKind> kind = failure.failure();
    return kind.filter(FailureKind.CIRCUIT_OPEN::equals).isEmpty()
        ? kind
        : failure.attempts().stream()
            .map(Attempt::openedBy)
            .flatMap(Optional::stream)
            .findFirst()
            .or(() -> kind);
  }

  private static RuntimeException translate(FailureKind kind, LlmException failure) {
    String message = failure.getMessage();
    return switch (kind) {
      case CONTENT_FILTERED -> new ContentFilteredException(message, failure);
      case UNAUTHORIZED, ACCESS_DENIED, BOT_CHALLENGE, HOST_REJECTED ->
          new AuthenticationException(message, failure);
      case MODEL_NOT_FOUND, PATH_NOT_FOUND -> new ModelNotFoundException(message, failure);
      case UNKNOWN_HOST -> new UnresolvedModelServerException(message, failure);
      case CONNECT_TIMEOUT -> new TimeoutException(message, failure);
      case CANCELLED -> new NonRetriableException(message, failure);
      default -> byCategory(kind.category(), failure);
    };
  }

  private static RuntimeException byCategory(FailureKind.Category category, LlmException failure) {
    String message = failure.getMessage();
    return switch (category) {
      case LIMIT -> new RateLimitException(message, failure);
      case TIMEOUT -> new TimeoutException(message, failure);
      case REQUEST, CONFIGURATION -> new InvalidRequestException(message, failure);
      case CONNECTION, SERVER, ANSWER, CLIENT -> new InternalServerException(message, failure);
    };
  }
}
