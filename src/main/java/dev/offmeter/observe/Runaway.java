// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.observe;

/**
 * Reports that an answer without end was stopped. Immutable, so safe for use by many threads.
 *
 * @param endpoint the endpoint's name
 * @param origin scheme, host and port, without a path
 * @param kind what the answer did
 * @param characters the length of text and thinking when it was stopped
 */
public record Runaway(String endpoint, String origin, Kind kind, long characters) {
  /** The ways in which an answer goes on without end. */
  public enum Kind {
    /** The server went on long after {@code maxTokens}. */
    BEYOND_LIMIT,
    /** The text or the thinking repeated itself. */
    REPETITION
  }
}
