// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import dev.offmeter.FailureKind;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * Classifies an error by its server's words, wherever they stand: in the body of an HTTP status, in
 * an event of a stream, in a line of Ollama's.
 *
 * <p>Quotations are cut out first: a prompt or an answer that mentions quotas must not suspend an
 * endpoint.
 */
final class ErrorClassifier {
  private static final Set<String> OVERFLOW_TYPES =
      Set.of("exceed_context_size_error", "context_length_exceeded");
  private static final Set<String> QUOTA_TYPES =
      Set.of(
          "insufficient_quota",
          "billing_error",
          "billing_hard_limit_reached",
          "billing_not_active",
          "budget_exceeded",
          "organization_restricted",
          "account_deactivated",
          "insufficient_balance",
          "insufficient_credits");
  private static final Set<String> FILTER_TYPES =
      Set.of(
          "content_filter",
          "content_policy_violation",
          "data_inspection_failed",
          "moderation_blocked");
  private static final Set<String> MODEL_TYPES =
      Set.of(
          "model_not_found",
          "model_not_exist",
          "model_not_supported",
          "model_not_available",
          "model_decommissioned",
          "deploymentnotfound");
  private static final Set<String> OUTPUT_TYPES =
      Set.of("tool_use_failed", "output_parse_failed", "json_validate_failed", "model_error");
  private static final Set<String> OVERLOAD_TYPES =
      Set.of("overloaded", "overloaded_error", "unavailable", "unavailable_error", "model_loading");
  private static final Set<String> RATE_TYPES =
      Set.of("rate_limit_error", "rate_limit_exceeded", "ratelimiterror", "resource_exhausted");
  private static final Set<String> KEY_TYPES =
      Set.of(
          "authentication_error",
          "authenticationerror",
          "permission_error",
          "permissiondeniederror",
          "unauthenticated",
          "permission_denied",
          "invalid_api_key");

  /**
   * Types of errors of the request, with TGI's {@code validation}, whose error in a stream has no
   * status.
   */
  private static final Set<String> REQUEST_TYPES =
      Set.of(
          "invalid_request_error",
          "invalid_request",
          "invalid_argument",
          "invalid_value",
          "invalid_type",
          "bad_request",
          "bad_input",
          "bad_request_error",
          "bad request",
          "badrequesterror",
          "validation",
          "validation_error",
          "validationerror",
          "requestvalidationerror",
          "template_error",
          "tool_error",
          "unsupported_parameter",
          "unsupported_value",
          "missing_required_parameter",
          "unprocessable_entity",
          "unprocessableentityerror",
          "not_supported_error",
          "notimplementederror",
          "unimplemented",
          "out_of_range",
          "request_too_large");

  private static final Set<String> REQUEST_CODES = Set.of("400", "413", "422", "501");

  private final ErrorBody error;
  private final String words;

  private ErrorClassifier(ErrorBody error) {
    this.error = error;
    this.words =
        QuotationStripper.cut(error.message())
            // A quotation does not end a clause.
            .replace("...", "_")
            .replaceAll("https?://\\S+", "")
            .replaceAll("\\s+", " ")
            .toLowerCase(Locale.ROOT);
  }

  static ErrorClassifier of(ErrorBody error) {
    return new ErrorClassifier(error);
  }

  /**
   * Returns a failure that outweighs every status: of the account, or of a content filter.
   *
   * @param dated whether the server says when to retry
   */
  Optional<FailureKind> refusal(boolean dated) {
    if (isQuotaExceeded(dated)) {
      return Optional.of(FailureKind.QUOTA_EXCEEDED);
    }
    // A filter that is out of order has refused nothing.
    boolean filtered = hasWords(ErrorPhrases.FILTERED) && !hasWords(ErrorPhrases.SERVER);
    return filtered || error.isOneOf(FILTER_TYPES)
        ? Optional.of(FailureKind.CONTENT_FILTERED)
        : Optional.empty();
  }

  /**
   * Returns whether a quota is used up. Google's may be a quota per minute, which {@link
   * GoogleErrorDetails} decides.
   */
  private boolean isQuotaExceeded(boolean dated) {
    if (error.isOneOf(QUOTA_TYPES)) {
      return true;
    }
    if (hasWords(ErrorPhrases.SHORT_TERM)) {
      return false;
    }
    return hasWords(ErrorPhrases.SPENT) || (!isShortTerm(dated) && hasWords(ErrorPhrases.QUOTA));
  }

  /**
   * Returns whether the limit is one that soon ends.
   *
   * @param dated whether the server says when to retry
   */
  boolean isShortTerm(boolean dated) {
    return dated
        || error.isOneOf(RATE_TYPES)
        || hasWords(ErrorPhrases.DATED)
        || hasWords(ErrorPhrases.SHORT_TERM);
  }

  /** Returns a failure of the request, of the model's output, or of the model. */
  Optional<FailureKind> request() {
    if (error.isOneOf(OVERFLOW_TYPES)) {
      return Optional.of(FailureKind.CONTEXT_OVERFLOW);
    }
    if (error.isOneOf(OUTPUT_TYPES) || hasWords(ErrorPhrases.OUTPUT)) {
      return Optional.of(FailureKind.MODEL_STOPPED);
    }
    if (hasWords(ErrorPhrases.SERVER)) {
      return Optional.empty();
    }
    if (hasWords(ErrorPhrases.OVERFLOW)) {
      return Optional.of(FailureKind.CONTEXT_OVERFLOW);
    }
    if (error.isOneOf(MODEL_TYPES) || hasWords(ErrorPhrases.MODEL)) {
      return Optional.of(FailureKind.MODEL_NOT_FOUND);
    }
    return hasWords(ErrorPhrases.REQUEST) ? Optional.of(FailureKind.BAD_REQUEST) : Optional.empty();
  }

  /** Returns whether the type or the code alone blames the request. */
  boolean isRequestByType() {
    boolean typed =
        error.isOneOf(REQUEST_TYPES)
            || error.type().startsWith("invalid_request")
            || REQUEST_CODES.contains(error.code());
    return typed && !hasWords(ErrorPhrases.SERVER);
  }

  /** Classifies an HTTP 404, or a code of 404. */
  FailureKind notFound() {
    Optional<FailureKind> request = request();
    if (request.isPresent()) {
      return request.get();
    }
    if (error.json() && words.contains("model")) {
      return FailureKind.MODEL_NOT_FOUND;
    }
    boolean page = !error.json() || words.isBlank() || hasWords(ErrorPhrases.PATH);
    return page ? FailureKind.PATH_NOT_FOUND : FailureKind.BAD_REQUEST;
  }

  /** Classifies an HTTP 403, or a code of 403, with an error in JSON. */
  FailureKind forbidden() {
    boolean door = words.isBlank() || hasWords(ErrorPhrases.DOOR) || error.isOneOf(KEY_TYPES);
    if (door) {
      return FailureKind.UNAUTHORIZED;
    }
    return request().orElse(FailureKind.BAD_REQUEST);
  }

  /** Classifies an error without a status of its own, in place of an answer. */
  FailureKind inBand(boolean dated) {
    return refusal(dated)
        .or(this::passing)
        .or(this::request)
        .orElseGet(() -> isUnknownPath() ? FailureKind.PATH_NOT_FOUND : byCode());
  }

  private Optional<FailureKind> passing() {
    if (error.isOneOf(RATE_TYPES) || error.code().equals("429")) {
      return Optional.of(FailureKind.RATE_LIMITED);
    }
    if (isOverload()) {
      return Optional.of(FailureKind.SERVER_BUSY);
    }
    return isKeyRejected() || error.code().equals("401")
        ? Optional.of(FailureKind.UNAUTHORIZED)
        : Optional.empty();
  }

  private FailureKind byCode() {
    return switch (error.code()) {
      case "402" -> FailureKind.QUOTA_EXCEEDED;
      case "403" -> forbidden();
      case "404" -> notFound();
      default -> isRequestByType() ? FailureKind.BAD_REQUEST : FailureKind.STREAM_ERROR;
    };
  }

  boolean isOverload() {
    return hasOverloadWords() || error.code().equals("503");
  }

  /**
   * Returns whether the words or the type report overload; a code that repeats the status does not.
   */
  boolean hasOverloadWords() {
    return error.isOneOf(OVERLOAD_TYPES) || words.contains("overloaded");
  }

  /** Returns whether a key was rejected, which a gateway may report with HTTP 400. */
  boolean isKeyRejected() {
    return error.isOneOf(KEY_TYPES) || hasWords(ErrorPhrases.KEY);
  }

  /** Returns whether a model crashed, which LM Studio reports with HTTP 400. */
  boolean isCrash() {
    return hasWords(ErrorPhrases.CRASHED);
  }

  /** Returns whether the path is unknown, which LM Studio reports with HTTP 200 and these words. */
  private boolean isUnknownPath() {
    return words.startsWith("unexpected endpoint");
  }

  /** Returns whether a machine, an engine or a proxy is at fault. */
  boolean isServer() {
    return hasWords(ErrorPhrases.SERVER);
  }

  private boolean hasWords(Pattern pattern) {
    return pattern.matcher(words).find();
  }

  /**
   * Returns the message to show. Of an error in the model's output only the server's own first
   * clause is shown, because the rest describes the output.
   */
  static String shown(FailureKind kind, String message) {
    if (kind != FailureKind.MODEL_STOPPED) {
      return message.strip();
    }
    String clause = QuotationStripper.cut(message).strip().split("[:\"'`<{\\[(]", 2)[0].strip();
    return clause.isEmpty() ? "the server cannot read what the model wrote" : clause;
  }
}
