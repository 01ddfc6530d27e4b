// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.wire;

import dev.offmeter.ChatResponse.ToolCall;
import dev.offmeter.FailureKind;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Calls of tools whose arguments come in pieces, as JSON text that is whole only at the end. */
final class ToolCallPieces {
  private final List<Call> calls = new ArrayList<>(0);
  private final Map<Integer, Call> open = new HashMap<>();

  private static final class Call {
    private final StringBuilder id = new StringBuilder();
    private final StringBuilder name = new StringBuilder();
    private final StringBuilder arguments = new StringBuilder();

    boolean isCalled(String other) {
      return id.toString().equals(other);
    }
  }

  /**
   * More of the call with this number; a text may be empty. Not every server counts: another id is
   * another call.
   */
  void add(int index, String id, String name, String arguments) {
    Call call = open.get(index);
    boolean another = call != null && !id.isEmpty() && !call.id.isEmpty() && !call.isCalled(id);
    if (call == null || another) {
      call = new Call();
      open.put(index, call);
      calls.add(call);
    }
    // Some servers say the id and the name again with each piece.
    if (call.id.isEmpty()) {
      call.id.append(id);
    }
    if (call.name.isEmpty()) {
      call.name.append(name);
    }
    call.arguments.append(arguments);
  }

  /**
   * Hands all on; they are whole now.
   *
   * @param cut whether the answer reached its limit: then no arguments may be some that were to
   *     come
   */
  void end(Pieces pieces, boolean cut) throws Failure {
    for (Call call : calls) {
      String given = call.arguments.toString();
      String arguments = given.isBlank() && !cut ? "{}" : given;
      if (call.name.isEmpty() || !Json.isObject(arguments)) {
        throw cut
            ? Failure.of(
                FailureKind.FORMAT_MISMATCH, "a tool call was cut at the limit: raise maxTokens")
            : Failure.of(FailureKind.NOT_AN_ANSWER, "a tool call without a name or arguments");
      }
      pieces.toolCall(new ToolCall(call.id.toString(), call.name.toString(), arguments));
    }
  }
}
