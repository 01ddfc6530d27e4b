// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.wire;

import com.fasterxml.jackson.databind.JsonNode;
import dev.offmeter.ChatResponse.ToolCall;
import dev.offmeter.FailureKind;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Calls of tools whose arguments come in pieces, as JSON text that is whole only at the end, or as
 * whole objects, of which the first may be an empty placeholder. What is no call in the end is the
 * model's fault.
 */
final class ToolCallPieces {
  private final List<Call> calls = new ArrayList<>(0);
  private final Map<Integer, Call> open = new HashMap<>(0);

  private long kept;

  /** Far more than any answer has. */
  private static final int MOST = 1000;

  private static final class Call {
    private String id = "";
    private String name = "";
    private final StringBuilder arguments = new StringBuilder();
    private boolean doubtful;

    long length() {
      return (long) id.length() + name.length() + arguments.length();
    }

    boolean isAnother(String otherId, String otherName) {
      boolean otherCall = !otherId.isEmpty() && !id.isEmpty() && !id.equals(otherId);
      boolean otherTool = !otherName.isEmpty() && !name.isEmpty() && !name.equals(otherName);
      return otherCall || (otherTool && (arguments.isEmpty() || isWhole()));
    }

    boolean isPlaceholderOf(String otherId, String otherName) {
      return isEmptyObject(arguments) && name.equals(otherName) && !isAnother(otherId, otherName);
    }

    boolean isWhole() {
      return Json.isObject(arguments.toString());
    }

    void add(String more) {
      boolean anotherObject = more.strip().startsWith("{") && endsWithObject() && isWhole();
      if (!anotherObject) {
        arguments.append(more);
      } else if (isEmptyObject(arguments)) {
        arguments.setLength(0);
        arguments.append(more);
      } else {
        doubtful |= !isEmptyObject(more) && !isSame(more);
      }
    }

    private boolean endsWithObject() {
      int last = arguments.length() - 1;
      while (last > 0 && Character.isWhitespace(arguments.charAt(last))) {
        last--;
      }
      return last > 0 && arguments.charAt(last) == '}';
    }

    private boolean isSame(String other) {
      return Json.isObject(other) && Json.tree(other).equals(Json.tree(arguments.toString()));
    }

    private static boolean isEmptyObject(CharSequence text) {
      return text.chars().filter(c -> !Character.isWhitespace(c)).limit(3).count() == 2
          && text.toString().strip().startsWith("{")
          && text.toString().strip().endsWith("}");
    }
  }

  /** How many characters of them are kept. */
  long kept() {
    return kept;
  }

  /** Whether there are any. */
  boolean any() {
    return !calls.isEmpty();
  }

  /**
   * More of the call with this number; a text may be empty. Not every server counts: another id is
   * another call, and so is another name after a whole call.
   */
  void add(int index, String id, String name, String arguments) throws Failure {
    Call call = open.get(index);
    if (call == null || call.isAnother(id, name)) {
      call = begun();
      open.put(index, call);
    }
    add(call, id, name, arguments);
  }

  private Call begun() throws Failure {
    if (calls.size() == MOST) {
      throw Failure.of(
          FailureKind.RESPONSE_TOO_LARGE, "the answer has more than " + MOST + " tool calls");
    }
    Call call = new Call();
    calls.add(call);
    return call;
  }

  private void add(Call call, String id, String name, String arguments) {
    long before = call.length();
    // Some servers say the id and the name again with each piece.
    if (call.id.isEmpty()) {
      call.id = id;
    }
    if (call.name.isEmpty()) {
      call.name = name;
    }
    call.add(arguments);
    kept += call.length() - before;
  }

  /**
   * A call that comes whole. One with the same id is the same; so is one with the same number and
   * name if there was but a placeholder before, for not every server counts.
   *
   * @param index its number, negative if it has none
   */
  void addWhole(int index, String id, String name, JsonNode arguments) throws Failure {
    Call same = null;
    for (Call call : calls) {
      same = !id.isEmpty() && call.id.equals(id) ? call : same;
    }
    Call before = open.get(index);
    if (same == null && before != null && before.isPlaceholderOf(id, name)) {
      same = before;
    }
    if (same == null || same.isAnother(id, name)) {
      same = begun();
    }
    if (index >= 0) {
      open.put(index, same);
    }
    add(same, id, name, text(arguments));
  }

  /** A call, by its position, in a snapshot of all that were made. */
  void addSnapshot(int position, String id, String name, String arguments) throws Failure {
    if (position >= calls.size()) {
      add(Integer.MAX_VALUE - position, id, name, arguments);
      return;
    }
    Call call = calls.get(position);
    call.doubtful |= call.isAnother(id, name);
    add(call, id, name, arguments);
  }

  /** Arguments as text: most servers send them so, others as an object. */
  static String text(JsonNode arguments) {
    boolean none = arguments.isMissingNode() || arguments.isNull();
    return none ? "" : arguments.isTextual() ? arguments.textValue() : arguments.toString();
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
      if (call.doubtful) {
        throw Failure.of(
            FailureKind.MODEL_STOPPED, "a tool call whose arguments came twice, and differ");
      }
      if (call.name.isEmpty() || !Json.isObject(arguments)) {
        throw cut
            ? Failure.of(
                FailureKind.FORMAT_MISMATCH, "a tool call was cut at the limit: raise maxTokens")
            : Failure.of(FailureKind.MODEL_STOPPED, fault(arguments));
      }
      pieces.toolCall(new ToolCall(call.id, call.name, arguments));
    }
  }

  private static String fault(String arguments) {
    return Json.hasNumberBeyondRange(arguments)
        ? "a tool call with a number that is beyond every range"
        : "a tool call without a name or arguments";
  }
}
