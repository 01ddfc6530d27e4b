// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire.gemini;

import com.fasterxml.jackson.core.JsonGenerator;
import java.io.IOException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Decides how to limit a Gemini model's thinking when none is wanted. Thinking counts against the
 * token limit and cannot be switched off everywhere: 2.5 Flash takes a budget of 0, 2.5 Pro no less
 * than 128; from Gemini 3 on there is a level instead, {@code MINIMAL} for Flash and {@code LOW}
 * for the others. A wrong value is rejected with HTTP 400 (Google's documentation of thinking).
 */
enum GeminiThinking {
  /** Older than 2.5, or not a Gemini: the field must not be sent. */
  NONE,
  BUDGET_0,
  BUDGET_128,
  MINIMAL,
  LOW;

  private static final Pattern VERSION = Pattern.compile("gemini-(\\d{1,4})(?:\\.(\\d+))?-(.*)");

  static GeminiThinking of(String model) {
    Matcher name = VERSION.matcher(model.replaceFirst("^models/", ""));
    if (!name.matches()) {
      return NONE;
    }
    boolean flash = name.group(3).startsWith("flash");
    int major = Integer.parseInt(name.group(1));
    if (major >= 3) {
      return flash ? MINIMAL : LOW;
    }
    if (major == 2 && "5".equals(name.group(2))) {
      return flash ? BUDGET_0 : BUDGET_128;
    }
    return NONE;
  }

  /** Returns whether function calls need a signature. */
  boolean isSignatureNeeded() {
    return this == MINIMAL || this == LOW;
  }

  void write(boolean thinking, JsonGenerator out) throws IOException {
    if (this == NONE) {
      return;
    }
    out.writeObjectFieldStart("thinkingConfig");
    if (thinking) {
      out.writeBooleanField("includeThoughts", true);
    } else if (isSignatureNeeded()) {
      out.writeStringField("thinkingLevel", name());
    } else {
      out.writeNumberField("thinkingBudget", this == BUDGET_0 ? 0 : 128);
    }
    out.writeEndObject();
  }
}
