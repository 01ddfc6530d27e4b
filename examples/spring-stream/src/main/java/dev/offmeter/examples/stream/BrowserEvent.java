// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples.stream;

import dev.offmeter.ChatEvent;
import dev.offmeter.LlmException;
import java.util.Map;
import java.util.Optional;

/**
 * An event as the page gets it.
 *
 * @param data becomes JSON: as plain text, the space at the beginning of a piece would be taken for
 *     the one that may follow {@code data:}, and lost
 */
record BrowserEvent(String name, Map<String, Object> data) {
  /** Returns the event for the page; empty for one that it does not show. */
  static Optional<BrowserEvent> of(ChatEvent event) {
    if (event instanceof ChatEvent.TextDelta delta) {
      return Optional.of(new BrowserEvent("text", Map.of("text", delta.text())));
    }
    if (event instanceof ChatEvent.Restarted restarted) {
      return Optional.of(new BrowserEvent("restarted", Map.of("discard", restarted.discardText())));
    }
    if (event instanceof ChatEvent.Completed completed) {
      return Optional.of(
          new BrowserEvent("completed", Map.of("endpoint", completed.response().endpoint())));
    }
    return Optional.empty();
  }

  /** Returns the event that ends a stream without an answer. Names of endpoints stay here. */
  static BrowserEvent failed(LlmException exception) {
    return new BrowserEvent("failed", Map.of("shown", !exception.partialText().isEmpty()));
  }
}
