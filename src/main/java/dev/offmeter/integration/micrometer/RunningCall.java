// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.micrometer;

/**
 * A call between its begin and its end. Its events come one at a time, under a lock of the
 * client's.
 */
final class RunningCall {
  private final long startedAt;
  private final boolean counted;
  private final String tagValue;

  // The last two endpoints that were asked, as a hedged call asks no more at once.

  private String endpoint = "";
  private String model = "";
  private String endpointBefore = "";
  private String modelBefore = "";

  /**
   * Creates a call.
   *
   * @param startedAt nanoseconds of the registry's clock
   * @param counted whether the call itself is counted, and not only what it does
   * @param tagValue the value of the tag by which costs are told apart
   */
  RunningCall(long startedAt, boolean counted, String tagValue) {
    this.startedAt = startedAt;
    this.counted = counted;
    this.tagValue = tagValue;
  }

  long startedAt() {
    return startedAt;
  }

  boolean isCounted() {
    return counted;
  }

  String tagValue() {
    return tagValue;
  }

  void onAsked(String endpoint, String model) {
    if (!endpoint.equals(this.endpoint)) {
      endpointBefore = this.endpoint;
      modelBefore = this.model;
    }
    this.endpoint = endpoint;
    this.model = model;
  }

  /**
   * Returns the model that an endpoint was asked for; for one that was not asked, the last one of
   * the call.
   */
  String model(String asked) {
    String of = asked.equals(endpointBefore) && !asked.equals(endpoint) ? modelBefore : model;
    return of.isEmpty() ? MeterNames.NONE : of;
  }
}
