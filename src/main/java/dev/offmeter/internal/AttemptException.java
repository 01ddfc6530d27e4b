// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal;

import dev.offmeter.FailureKind;
import java.time.Duration;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Why an attempt gave no answer. It carries no stack trace and no cause: both are the library's own
 * affairs, and a parser's message may quote the answer.
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

  /** A failure without an HTTP status, in the library's own words. */
  public static AttemptException of(FailureKind kind, String message) {
    return new AttemptException(kind, 0, message, null, false, false, null, false);
  }

  /** A failure without an HTTP status, in words that came from outside, at least in part. */
  public static AttemptException told(FailureKind kind, String message) {
    return new AttemptException(kind, 0, message, null, false, false, null, true);
  }

  /** Whether the message, at least in part, came from outside. */
  public boolean isTold() {
    return told;
  }

  /** A copy with an HTTP status. */
  public AttemptException withStatus(int status) {
    return new AttemptException(
        kind, status, message(), retryAfter, definite, blameless, openedBy, told);
  }

  /** A copy with another message. */
  public AttemptException withMessage(String message) {
    return new AttemptException(
        kind, status, message, retryAfter, definite, blameless, openedBy, told);
  }

  /** A copy of another kind. */
  public AttemptException withKind(FailureKind kind) {
    return new AttemptException(
        kind, status, message(), retryAfter, definite, blameless, openedBy, told);
  }

  /** The same with the pause that the server asked for. */
  public AttemptException withRetryAfter(Duration retryAfter) {
    return new AttemptException(
        kind, status, message(), retryAfter, definite, blameless, openedBy, told);
  }

  /** The same, and the server says that it is no use to ask again. */
  public AttemptException asDefinite() {
    return new AttemptException(
        kind, status, message(), retryAfter, true, blameless, openedBy, told);
  }

  /** The same of an endpoint that was not asked because {@code openedBy} had taken it down. */
  public AttemptException withOpenedBy(@Nullable FailureKind openedBy) {
    return new AttemptException(
        kind, status, message(), retryAfter, definite, blameless, openedBy, told);
  }

  /** What had taken the endpoint down that was therefore not asked. */
  public Optional<FailureKind> openedBy() {
    return Optional.ofNullable(openedBy);
  }

  /** Whether the server says that it is no use to ask again. */
  public boolean isDefinite() {
    return definite;
  }

  /** The same, and it says nothing of the endpoint's health, whatever its kind. */
  public AttemptException asBlameless() {
    return new AttemptException(
        kind, status, message(), retryAfter, definite, true, openedBy, told);
  }

  /** Whether it says nothing of the endpoint's health, whatever its kind. */
  public boolean isBlameless() {
    return blameless;
  }

  /** What went wrong. */
  public FailureKind kind() {
    return kind;
  }

  /** The HTTP status, 0 when none arrived. */
  public int status() {
    return status;
  }

  /** What went wrong, in words. */
  public String message() {
    return Objects.requireNonNull(getMessage());
  }

  /** The pause that the server asked for. */
  public Optional<Duration> retryAfter() {
    return Optional.ofNullable(retryAfter);
  }
}
