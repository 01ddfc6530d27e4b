// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import dev.offmeter.failover.Time;

/** What tests in other packages may see and set of a client. */
public final class Insides {
  private Insides() {}

  /** Lets the client have its time from {@code time}. */
  public static LlmClient.Builder time(LlmClient.Builder builder, Time time) {
    return builder.time(time);
  }

  /** Calls and streams that have begun and not ended. */
  public static int underWay(LlmClient client) {
    return client.underWay();
  }
}
