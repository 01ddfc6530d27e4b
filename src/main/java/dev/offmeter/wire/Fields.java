// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.wire;

import com.fasterxml.jackson.databind.JsonNode;
import dev.offmeter.FailureKind;

/** Fields of a reply that may be missing or null. */
final class Fields {
  private Fields() {}

  /** A value of another type would be text lost, so it is a failure. */
  static String text(JsonNode node, String field) throws Failure {
    JsonNode value = node.path(field);
    if (value.isMissingNode() || value.isNull()) {
      return "";
    }
    if (!value.isTextual()) {
      throw Failure.of(FailureKind.NOT_AN_ANSWER, "a text field that is no text");
    }
    return value.textValue();
  }

  /** A count, 0 where there is none; no count costs an answer. */
  static int count(JsonNode node, String field) {
    JsonNode value = node.path(field);
    // The cast bounds it above.
    return value.isNumber() ? (int) Math.max(0, value.doubleValue()) : 0;
  }
}
