// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.wire;

import dev.offmeter.ChatResponse.ToolCall;
import dev.offmeter.FailureKind;
import java.util.Map;
import java.util.TreeMap;

/** Calls of tools whose arguments come in pieces, as JSON text that is whole only at the end. */
final class ToolCallPieces {
  private final Map<Integer, Call> calls = new TreeMap<>();

  private static final class Call {
    private final StringBuilder id = new StringBuilder();
    private final StringBuilder name = new StringBuilder();
    private final StringBuilder arguments = new StringBuilder();
  }

  /** More of the call with this number; a text may be empty. */
  void add(int index, String id, String name, String arguments) {
    Call call = calls.computeIfAbsent(index, number -> new Call());
    // Some servers say the id and the name again with each piece.
    if (call.id.isEmpty()) {
      call.id.append(id);
    }
    if (call.name.isEmpty()) {
      call.name.append(name);
    }
    call.arguments.append(arguments);
  }

  /** Hands all on; they are whole now. */
  void end(Pieces pieces) throws Failure {
    for (Call call : calls.values()) {
      String arguments = call.arguments.toString().isBlank() ? "{}" : call.arguments.toString();
      if (call.name.isEmpty() || !Json.isObject(arguments)) {
        throw Failure.of(FailureKind.NOT_AN_ANSWER, "a tool call without a name or arguments");
      }
      pieces.toolCall(new ToolCall(call.id.toString(), call.name.toString(), arguments));
    }
  }
}
