// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples;

import dev.offmeter.ChatEvent;
import dev.offmeter.ChatResponse;
import dev.offmeter.ChatStream;
import dev.offmeter.LlmClient;

/** Answers that are shown while they come. */
final class LiveAnswers {
  private final LlmClient llm;
  private final Screen screen;

  LiveAnswers(LlmClient llm, Screen screen) {
    this.llm = llm;
    this.screen = screen;
  }

  ChatResponse to(Invoice invoice) {
    return HeldWarnings.during(() -> shown(invoice));
  }

  private ChatResponse shown(Invoice invoice) {
    screen.begins(invoice);
    try (ChatStream stream = llm.stream(Letter.request(invoice))) {
      stream.forEach(this::show);
      return stream.response();
    } finally {
      screen.ends();
    }
  }

  private void show(ChatEvent event) {
    if (event instanceof ChatEvent.TextDelta delta) {
      screen.shows(delta.text());
    } else if (event instanceof ChatEvent.Restarted restarted && restarted.discardText() > 0) {
      screen.takesBack(restarted.failed());
    }
  }
}
