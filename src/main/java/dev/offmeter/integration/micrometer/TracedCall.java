// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.micrometer;

import io.micrometer.observation.Observation;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/** The observations of a call between its begin and its end. */
final class TracedCall {
  private final @Nullable Observation parent;
  private final @Nullable Observation own;

  /** The attempts that are running, by endpoint, which has one of a call at a time. */
  private final Map<String, TracedAttempt> attempts = new ConcurrentHashMap<>();

  /** The model that was asked for last. */
  private volatile String model = "";

  /**
   * Creates a call.
   *
   * @param parent the observation above its attempts
   * @param own the call's own; null if somebody else observes it
   */
  TracedCall(@Nullable Observation parent, @Nullable Observation own) {
    this.parent = parent;
    this.own = own;
  }

  @Nullable Observation parent() {
    return parent;
  }

  @Nullable Observation own() {
    return own;
  }

  Map<String, TracedAttempt> attempts() {
    return attempts;
  }

  String model() {
    return model;
  }

  void onAsked(String model) {
    this.model = model;
  }
}
