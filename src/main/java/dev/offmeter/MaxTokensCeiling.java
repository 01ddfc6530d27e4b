// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import java.util.OptionalInt;

/**
 * Limits the {@code maxTokens} that a client sends, so that a slip of the pen cannot order an
 * answer that blocks a node for hours or costs a fortune.
 */
record MaxTokensCeiling(int most) {
  static final int DEFAULT = 8192;

  /** The largest that can be set: more than any model writes in one answer. */
  static final int LARGEST = 1_000_000;

  MaxTokensCeiling {
    if (most < 1 || most > LARGEST) {
      throw new IllegalArgumentException(
          "maxTokensAtMost must be from 1 to " + LARGEST + ", was " + most);
    }
  }

  /**
   * Checks the defaults of a client and its endpoints.
   *
   * @throws IllegalStateException if one is above the ceiling
   */
  void checkDefaults(Iterable<Endpoint> endpoints, RequestDefaults clients) {
    check("defaults", clients.maxTokens());
    for (Endpoint endpoint : endpoints) {
      check("endpoint '" + endpoint.name() + "'", endpoint.maxTokens());
      boolean unset = endpoint.maxTokens().isEmpty() && clients.maxTokens().isEmpty();
      if (endpoint.isServer() && unset && most < ChatRequest.DEFAULT_MAX_TOKENS) {
        throw new IllegalStateException(
            "maxTokensAtMost must be at least the "
                + ChatRequest.DEFAULT_MAX_TOKENS
                + " tokens that are the default of endpoint '"
                + endpoint.name()
                + "' unless a maxTokens is set there or in defaults, was "
                + most);
      }
    }
  }

  private void check(String subject, OptionalInt maxTokens) {
    if (maxTokens.orElse(0) > most) {
      throw new IllegalStateException(
          subject
              + " must have a maxTokens of at most maxTokensAtMost, "
              + most
              + ", was "
              + maxTokens.getAsInt());
    }
  }

  /**
   * Checks a request before anything is sent.
   *
   * @throws IllegalArgumentException if its own {@code maxTokens} is above the ceiling
   */
  void check(ChatRequest request) {
    if (request.hasMaxTokens() && request.maxTokens() > most) {
      throw new IllegalArgumentException(
          "maxTokens must be at most the client's maxTokensAtMost, "
              + most
              + ", was "
              + request.maxTokens());
    }
  }
}
