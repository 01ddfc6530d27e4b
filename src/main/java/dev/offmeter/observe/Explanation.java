// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.observe;

import dev.offmeter.FailureKind;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;

/**
 * The plan of a call: which endpoints it would ask, one after the other until one answers, and
 * which it would skip and why. Holds no prompt and no secret. Immutable, so safe for use by many
 * threads.
 *
 * @param endpoints one entry for each endpoint of the client, in the order of preference
 */
public record Explanation(List<Entry> endpoints) {
  /** Copies the list. */
  public Explanation {
    endpoints = List.copyOf(endpoints);
  }

  /**
   * What a call would do at one endpoint.
   *
   * @param endpoint the endpoint's name
   * @param model the model that would be asked for; empty for a function
   * @param skippedFor why the endpoint would be skipped, the first reason if there are several: the
   *     kind that its attempt would have; empty if it would be asked in its turn
   * @param message the reason in words; for an endpoint that would be asked empty, or what the call
   *     would wait for first
   */
  public record Entry(
      String endpoint, String model, Optional<FailureKind> skippedFor, String message) {
    /** Checks for null. */
    public Entry {
      Objects.requireNonNull(endpoint, "endpoint");
      Objects.requireNonNull(model, "model");
      Objects.requireNonNull(skippedFor, "skippedFor");
      Objects.requireNonNull(message, "message");
    }

    /** Returns whether the endpoint would be asked, if those before it did not answer. */
    public boolean isAsked() {
      return skippedFor.isEmpty();
    }

    private List<String> row() {
      return List.of(
          endpoint,
          model.isEmpty() ? TextTable.NONE : model,
          isAsked() ? "asked" : "skipped",
          skippedFor.map(kind -> kind + ": " + message).orElse(message));
    }
  }

  /** Returns a table to read, one line for each endpoint; a {@code -} stands for none. */
  @Override
  public String toString() {
    List<List<String>> rows = new ArrayList<>();
    rows.add(List.of("endpoint", "model", "plan", "why"));
    endpoints.forEach(entry -> rows.add(entry.row()));
    return new TextTable(rows, column -> true).toString();
  }
}
