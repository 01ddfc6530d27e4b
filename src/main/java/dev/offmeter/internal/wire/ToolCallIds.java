// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse.ToolCall;
import dev.offmeter.Message;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * Assigns ids to the tool calls of one conversation, for servers that require the same id in a call
 * and its result. A call from a server without ids (Ollama) gets a new one; its results follow in
 * the order of the calls.
 */
public final class ToolCallIds {
  private final List<ToolCall> openCalls = new ArrayList<>();
  private final List<String> given = new ArrayList<>();
  private final Set<String> taken = new HashSet<>();
  private int next = 1;

  public ToolCallIds(ChatRequest request) {
    for (Message message : request.messages()) {
      message.toolCalls().forEach(call -> taken.add(call.id()));
    }
  }

  /** Returns the call's own id, or a new one. */
  public String ofCall(ToolCall call) {
    String id = call.id().isEmpty() ? newId() : call.id();
    openCalls.add(call);
    given.add(id);
    return id;
  }

  /** Returns the id of the call that the message answers. */
  public String ofResult(Message message) {
    ToolCall answered = message.toolCalls().get(0);
    int position = answered.id().isEmpty() ? positionOf(answered) : given.indexOf(answered.id());
    if (position < 0) {
      return answered.id().isEmpty() ? newId() : answered.id();
    }
    openCalls.remove(position);
    return given.remove(position);
  }

  /**
   * Returns the position of the answered call. A result from a history that was kept elsewhere may
   * know only the tool of its call.
   */
  private int positionOf(ToolCall answered) {
    int same = openCalls.indexOf(answered);
    List<String> names = openCalls.stream().map(ToolCall::name).toList();
    return same >= 0 ? same : names.indexOf(answered.name());
  }

  private String newId() {
    String id = "call_" + next++;
    return taken.contains(id) ? newId() : id;
  }
}
