// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import dev.offmeter.ChatRequest;
import dev.offmeter.Message;
import dev.offmeter.Role;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;

/**
 * Groups a conversation into alternating turns, for Gemini and Anthropic: successive messages of
 * the same side are one turn, results of tools belong to the user, and system messages are left
 * out.
 */
public final class MessageTurns {
  private MessageTurns() {}

  public static List<List<Message>> of(ChatRequest request) {
    List<List<Message>> turns = new ArrayList<>();
    boolean modelBefore = true;
    for (Message message : request.messages()) {
      if (message.role() == Role.SYSTEM) {
        continue;
      }
      boolean model = message.role() == Role.ASSISTANT;
      if (turns.isEmpty() || model != modelBefore) {
        turns.add(new ArrayList<>());
      }
      turns.get(turns.size() - 1).add(message);
      modelBefore = model;
    }
    return turns;
  }

  /** The system's words, which have one place outside the conversation; empty if there are none. */
  public static String system(ChatRequest request) {
    return request.messages().stream()
        .filter(message -> message.role() == Role.SYSTEM)
        .map(Message::content)
        .collect(Collectors.joining("\n\n"));
  }
}
