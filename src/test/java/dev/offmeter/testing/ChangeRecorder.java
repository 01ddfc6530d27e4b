// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.testing;

import dev.offmeter.observe.EndpointChange;
import dev.offmeter.observe.LlmListener;
import java.util.Collection;

/** Records the changes of endpoints. */
public final class ChangeRecorder {
  private ChangeRecorder() {}

  /** Returns a listener that adds each change to {@code heard}, on whatever thread. */
  public static LlmListener recordInto(Collection<EndpointChange> heard) {
    return new LlmListener() {
      @Override
      public void onEndpointChanged(EndpointChange change) {
        heard.add(change);
      }
    };
  }
}
