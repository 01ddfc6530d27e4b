// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import com.fasterxml.jackson.databind.JsonNode;
import dev.offmeter.ChatResponse.ToolCall;
import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.json.Json;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Assembles tool calls whose arguments come in parts, as JSON text that is complete only at the
 * end, or as whole objects, of which the first may be an empty placeholder. A call that is
 * incomplete in the end is the model's fault.
 */
public final class ToolCallAssembler {
  private final List<PartialCall> calls = new ArrayList<>(0);
  private final Map<Integer, PartialCall> open = new HashMap<>(0);

  private long keptCharacters;

  /** Far more calls than any answer has. */
  private static final int MOST = 1000;

  private static final class PartialCall {
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
      boolean anotherObject = more.strip().startsWith("{") && isEndedByObject() && isWhole();
      if (!anotherObject) {
        arguments.append(more);
      } else if (isEmptyObject(arguments)) {
        arguments.setLength(0);
        arguments.append(more);
      } else {
        doubtful |= !isEmptyObject(more) && !isSame(more);
      }
    }

    private boolean isEndedByObject() {
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

  /** Returns how many characters are kept. */
  public long keptCharacters() {
    return keptCharacters;
  }

  /** Returns whether there are any calls. */
  public boolean hasAny() {
    return !calls.isEmpty();
  }

  /**
   * Adds to the call with this index; a text may be empty. Not every server counts: another id
   * starts another call, and so does another name after a complete call.
   */
  public void add(int index, String id, String name, String arguments) throws AttemptException {
    PartialCall call = open.get(index);
    if (call == null || call.isAnother(id, name)) {
      call = begun();
      open.put(index, call);
    }
    add(call, id, name, arguments);
  }

  private PartialCall begun() throws AttemptException {
    if (calls.size() == MOST) {
      throw AttemptException.of(
          FailureKind.RESPONSE_TOO_LARGE, "the answer has more than " + MOST + " tool calls");
    }
    PartialCall call = new PartialCall();
    calls.add(call);
    return call;
  }

  private void add(PartialCall call, String id, String name, String arguments) {
    long before = call.length();
    // Some servers repeat the id and the name with each part.
    if (call.id.isEmpty()) {
      call.id = id;
    }
    if (call.name.isEmpty()) {
      call.name = name;
    }
    call.add(arguments);
    keptCharacters += call.length() - before;
  }

  /**
   * Adds a call that comes complete. One with the same id is the same call; so is one with the same
   * index and name if there was only a placeholder before, since not every server counts.
   *
   * @param index the index of the call, negative if there is none
   */
  public void addWhole(int index, String id, String name, JsonNode arguments)
      throws AttemptException {
    PartialCall same = null;
    for (PartialCall call : calls) {
      same = !id.isEmpty() && call.id.equals(id) ? call : same;
    }
    PartialCall before = open.get(index);
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

  /** Adds a call, by its position, from a snapshot of all calls. */
  public void addSnapshot(int position, String id, String name, String arguments)
      throws AttemptException {
    if (position >= calls.size()) {
      add(Integer.MAX_VALUE - position, id, name, arguments);
      return;
    }
    PartialCall call = calls.get(position);
    call.doubtful |= call.isAnother(id, name);
    add(call, id, name, arguments);
  }

  /** Returns arguments as text: most servers send a text, others an object. */
  public static String text(JsonNode arguments) {
    boolean none = arguments.isMissingNode() || arguments.isNull();
    return none ? "" : arguments.isTextual() ? arguments.textValue() : arguments.toString();
  }

  /**
   * Hands on all calls, which are complete now.
   *
   * @param cut whether the answer reached its limit: then missing arguments may be lost ones
   */
  public void emit(DeltaHandler handler, boolean cut) throws AttemptException {
    for (PartialCall call : calls) {
      String given = call.arguments.toString();
      String arguments = given.isBlank() && !cut ? "{}" : given;
      if (call.doubtful) {
        throw AttemptException.of(
            FailureKind.MODEL_STOPPED, "a tool call whose arguments came twice, and differ");
      }
      if (call.name.isEmpty() || !Json.isObject(arguments)) {
        throw cut
            ? AttemptException.of(
                FailureKind.FORMAT_MISMATCH, "a tool call was cut at the limit: raise maxTokens")
            : AttemptException.of(FailureKind.MODEL_STOPPED, jsonFault(arguments));
      }
      handler.onToolCall(new ToolCall(call.id, call.name, arguments));
    }
  }

  private static String jsonFault(String arguments) {
    return Json.hasNumberBeyondRange(arguments)
        ? "a tool call with a number out of range"
        : "a tool call without a name or arguments";
  }
}
