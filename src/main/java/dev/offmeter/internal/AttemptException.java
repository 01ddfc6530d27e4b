// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal;

import dev.offmeter.FailureKind;
import java.time.Duration;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Signals why an attempt gave no answer. Carries no stack trace and no cause: both are internal to
 * the library, and a parser's message may quote the answer.
 */
public final class AttemptException extends Exception {
  private static final long serialVersionUID = 1L;

  private final FailureKind kind;
  private final int status;
  private final @Nullable Duration retryAfter;
  private final boolean definite;
  private final boolean blameless;
  private final @Nullable FailureKind openedBy;
  private final boolean told;

  private AttemptException(
      FailureKind kind,
      int status,
      String message,
      @Nullable Duration retryAfter,
      boolean definite,
      boolean blameless,
      @Nullable FailureKind openedBy,
      boolean told) {
    super(Objects.requireNonNull(message, "message"), null, false, false);
    this.kind = Objects.requireNonNull(kind, "kind");
    this.status = status;
    this.retryAfter = retryAfter;
    this.definite = definite;
    this.blameless = blameless;
    this.openedBy = openedBy;
    this.told = told;
  }

  /** Returns a failure without an HTTP status, with a message of the library's own. */
  public static AttemptException of(FailureKind kind, String message) {
    return new AttemptException(kind, 0, message, null, false, false, null, false);
  }

  /**
   * Returns a failure without an HTTP status, with a message that came at least in part from
   * outside.
   */
  public static AttemptException told(FailureKind kind, String message) {
    return new AttemptException(kind, 0, message, null, false, false, null, true);
  }

  /** Returns whether the message came at least in part from outside. */
  public boolean isTold() {
    return told;
  }

  /** Returns a copy with an HTTP status. */
  public AttemptException withStatus(int status) {
    return new AttemptException(
        kind, status, message(), retryAfter, definite, blameless, openedBy, told);
  }

  /** Returns a copy with another message. */
  public AttemptException withMessage(String message) {
    return new AttemptException(
        kind, status, message, retryAfter, definite, blameless, openedBy, told);
  }

  /** Returns a copy of another kind. */
  public AttemptException withKind(FailureKind kind) {
    return new AttemptException(
        kind, status, message(), retryAfter, definite, blameless, openedBy, told);
  }

  /** Returns a copy with the wait that the server asked for. */
  public AttemptException withRetryAfter(Duration retryAfter) {
    return new AttemptException(
        kind, status, message(), retryAfter, definite, blameless, openedBy, told);
  }

  /** Returns a copy whose server says that asking again is of no use. */
  public AttemptException asDefinite() {
    return new AttemptException(
        kind, status, message(), retryAfter, true, blameless, openedBy, told);
  }

  /** Returns a copy for an endpoint that was not asked because {@code openedBy} took it DOWN. */
  public AttemptException withOpenedBy(@Nullable FailureKind openedBy) {
    return new AttemptException(
        kind, status, message(), retryAfter, definite, blameless, openedBy, told);
  }

  /** Returns the failure that took DOWN an endpoint that was not asked. */
  public Optional<FailureKind> openedBy() {
    return Optional.ofNullable(openedBy);
  }

  /** Returns whether the server says that asking again is of no use. */
  public boolean isDefinite() {
    return definite;
  }

  /** Returns a copy that says nothing about the endpoint's health, whatever its kind. */
  public AttemptException asBlameless() {
    return new AttemptException(
        kind, status, message(), retryAfter, definite, true, openedBy, told);
  }

  /** Returns whether this failure says nothing about the endpoint's health, whatever its kind. */
  public boolean isBlameless() {
    return blameless;
  }

  /** Returns what went wrong. */
  public FailureKind kind() {
    return kind;
  }

  /** Returns the HTTP status; 0 when none arrived. */
  public int status() {
    return status;
  }

  /** Returns what went wrong, in words. */
  public String message() {
    return Objects.requireNonNull(getMessage());
  }

  /** Returns the wait that the server asked for. */
  public Optional<Duration> retryAfter() {
    return Optional.ofNullable(retryAfter);
  }
}
