// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.wire;

import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse.ToolCall;
import dev.offmeter.Message;
import dev.offmeter.Role;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Queue;
import java.util.Set;

/**
 * Names for the tool calls of one conversation, for servers that want each call and its result to
 * carry the same. A call that came from a server which names none (Ollama) is given one; its
 * results follow in the order of the calls.
 */
final class ToolIds {
  private final Queue<ToolCall> unanswered = new ArrayDeque<>();
  private final List<String> given = new ArrayList<>();
  private final Set<String> taken = new HashSet<>();
  private int next = 1;

  ToolIds(ChatRequest request) {
    for (Message message : request.messages()) {
      message.toolCalls().forEach(call -> taken.add(call.id()));
    }
  }

  /** The call's own name, or a new one. */
  String ofCall(ToolCall call) {
    String id = call.id().isEmpty() ? made() : call.id();
    unanswered.add(call);
    given.add(id);
    return id;
  }

  /** The name of the call that the message answers. */
  String ofResult(Message message) {
    ToolCall answered = message.toolCalls().get(0);
    if (message.role() != Role.TOOL || !answered.id().isEmpty()) {
      return answered.id();
    }
    int position = 0;
    for (Iterator<ToolCall> calls = unanswered.iterator(); calls.hasNext(); position++) {
      if (calls.next().equals(answered)) {
        calls.remove();
        return given.remove(position);
      }
    }
    return made();
  }

  private String made() {
    String id = "call_" + next++;
    return taken.contains(id) ? made() : id;
  }
}
