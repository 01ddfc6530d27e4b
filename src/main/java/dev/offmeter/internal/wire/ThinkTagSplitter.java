// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;

/**
 * Separates what a model wrote between {@code <think>} and {@code </think>} from its answer,
 * however the tags are split over the deltas. Qwen-style models leave the tags in the content if
 * the server does not remove them (observed on Ollama with {@code think:false}); a template that
 * opens the block in the prompt leaves only the closing tag.
 *
 * <p>So a closing tag without an opening one is ambiguous by nature: an answer that merely quotes
 * {@code </think>} loses the text before it to the thinking.
 */
public final class ThinkTagSplitter {
  private static final String OPEN = "<think>";
  private static final String CLOSE = "</think>";

  private final DeltaHandler handler;
  private final StringBuilder held = new StringBuilder();
  private boolean inside;
  private boolean opened;
  private boolean strayed;
  private boolean said;

  /**
   * True while white space is skipped: between the thinking and the answer it belongs to neither.
   */
  private boolean skipBlank;

  public ThinkTagSplitter(DeltaHandler handler) {
    this.handler = handler;
  }

  public void content(String piece) {
    if (held.isEmpty() && !inside && !skipBlank && piece.indexOf('<') < 0) {
      said |= !piece.isBlank();
      handler.onText(piece);
      return;
    }
    held.append(piece);
    drain();
  }

  /**
   * Returns whether the answer is ambiguous: thinking began after some of it and swallowed the
   * rest, or ended twice, so that the text between may be either.
   */
  boolean isAnswerAmbiguous() {
    return (inside && said) || strayed;
  }

  /**
   * Called when the answer is complete.
   *
   * @throws AttemptException if the answer is ambiguous
   */
  public void endAnswer() throws AttemptException {
    end();
    if (isAnswerAmbiguous()) {
      throw AttemptException.of(
          FailureKind.MISSING_END_MARKER,
          "the <think> tags do not match: which text is the answer is ambiguous");
    }
  }

  /** Ends the text: what looked like the beginning of a tag was none. */
  void end() {
    emit(0, held.length());
  }

  /** Processes the held text in one pass: a model in a loop may repeat its tags without end. */
  private void drain() {
    int from = 0;
    int tag = held.indexOf("<");
    while (tag >= 0 && !canBecome(OPEN, tag) && !canBecome(CLOSE, tag)) {
      if (isAt(OPEN, tag)) {
        emit(from, tag);
        inside = true;
        opened = true;
        from = tag + OPEN.length();
      } else if (isAt(CLOSE, tag)) {
        emit(from, tag);
        close();
        from = tag + CLOSE.length();
      }
      tag = held.indexOf("<", tag + 1);
    }
    int to = tag < 0 ? held.length() : tag;
    emit(from, to);
    held.delete(0, to);
  }

  private void close() {
    if (!opened) {
      handler.onTextWasThinking();
      said = false;
    }
    strayed |= opened && !inside;
    inside = false;
    skipBlank = true;
  }

  private void emit(int from, int to) {
    int start = from;
    if (skipBlank && !inside) {
      while (start < to && Character.isWhitespace(held.charAt(start))) {
        start++;
      }
      skipBlank = start == to;
    }
    if (start < to) {
      String part = held.substring(start, to);
      if (inside) {
        handler.onThinking(part);
      } else {
        said |= !part.isBlank();
        handler.onText(part);
      }
    }
  }

  private boolean isAt(String marker, int at) {
    return held.length() >= at + marker.length()
        && held.substring(at, at + marker.length()).equals(marker);
  }

  private boolean canBecome(String marker, int at) {
    return held.length() < at + marker.length() && marker.startsWith(held.substring(at));
  }
}
