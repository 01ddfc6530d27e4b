// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.wire;

/**
 * Parts what a model wrote between {@code <think>} and {@code </think>} from its answer, however
 * the tags are split over the pieces. Qwen-style models leave the tags in the content when the
 * server does not take them out (observed on Ollama with {@code think:false}); a template that
 * opens the block in the prompt leaves only the closing one.
 */
final class ThinkTags {
  private static final String OPEN = "<think>";
  private static final String CLOSE = "</think>";

  private final Pieces pieces;
  private final StringBuilder held = new StringBuilder();
  private boolean inside;

  /** White space between the thinking and the answer belongs to neither. */
  private boolean skipBlank;

  ThinkTags(Pieces pieces) {
    this.pieces = pieces;
  }

  void content(String piece) {
    if (held.isEmpty() && !inside && !skipBlank && piece.indexOf('<') < 0) {
      pieces.text(piece);
      return;
    }
    held.append(piece);
    drain();
  }

  /** No more will come: what looked like the beginning of a tag was none. */
  void end() {
    emit(held.length());
  }

  private void drain() {
    for (int tag = held.indexOf("<"); tag >= 0; tag = held.indexOf("<", tag)) {
      if (startsWith(OPEN, tag)) {
        cut(tag, OPEN, true);
        tag = 0;
      } else if (startsWith(CLOSE, tag)) {
        close(tag);
        tag = 0;
      } else if (mayBecome(OPEN, tag) || mayBecome(CLOSE, tag)) {
        emit(tag);
        return;
      } else {
        tag++;
      }
    }
    emit(held.length());
  }

  private void close(int tag) {
    boolean opened = inside;
    cut(tag, CLOSE, false);
    if (!opened) {
      pieces.textWasThinking();
    }
    skipBlank = true;
  }

  private void cut(int tag, String marker, boolean nowInside) {
    emit(tag);
    held.delete(0, marker.length());
    inside = nowInside;
  }

  private void emit(int length) {
    int from = 0;
    if (skipBlank && !inside) {
      while (from < length && Character.isWhitespace(held.charAt(from))) {
        from++;
      }
      skipBlank = from == length;
    }
    if (from < length) {
      String part = held.substring(from, length);
      if (inside) {
        pieces.thinking(part);
      } else {
        pieces.text(part);
      }
    }
    held.delete(0, length);
  }

  private boolean startsWith(String marker, int at) {
    return held.length() >= at + marker.length()
        && held.substring(at, at + marker.length()).equals(marker);
  }

  private boolean mayBecome(String marker, int at) {
    return held.length() < at + marker.length() && marker.startsWith(held.substring(at));
  }
}
