// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.wire;

import dev.offmeter.FailureKind;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The text of one answer, put together from what its server sends: deltas, a snapshot of the whole
 * beside or after them, or pieces that each hold all before them. No text is ever doubled: what
 * repeats all that was said adds nothing, what looks so is held back until the next piece tells,
 * and where nothing tells, the text is doubtful and the attempt fails.
 *
 * <p>Snapshots are compared without their white space, which servers strip.
 */
final class AnswerText {
  /** So long a repetition of all before it, of so many different characters, is no coincidence. */
  private static final int TELLING = 12;

  private static final int TELLING_LETTERS = 5;

  /** A shorter one may be one; "ha", "haha" is none. */
  private static final int SUSPICIOUS = 4;

  private static final int SUSPICIOUS_LETTERS = 3;

  /** More pieces than a server needs to show what it sends. */
  private static final int MOST_HELD = 32;

  private static final long PRIME = 1_000_003;
  private static final String THINKING_ENDS = "</think>";
  private static final String TWO_TEXTS = "two different texts in one answer";
  private static final String TWICE = "a text that may have come twice";

  private final Consumer<String> sink;
  private final Runnable onHeld;

  /** Whether a doubt costs the answer: of thinking it does not. */
  private final boolean strict;

  private int pieces;

  /** How much white space the text begins with. */
  private int blanksBefore;

  /** Of all that was handed on, without white space. */
  private int length;

  private long hash;

  /** The first piece, as long as each piece begins with the one before it; null afterwards. */
  private @Nullable String first;

  private String previous = "";
  private boolean cumulative;
  private boolean repeats;
  private boolean doubled;
  private boolean withEnd;
  private final List<String> held = new ArrayList<>(0);

  /** What the server began with, of which nobody knows yet whether the deltas say it again. */
  private String opening = "";

  private int matched;

  /** The last message that came in the place of a delta. */
  private String message = "";

  /** Whether one held all of the one before it. */
  private boolean grown;

  /**
   * An answer's text.
   *
   * @param sink takes what is handed on
   * @param onHeld run for each piece that is held back: it has come all the same
   */
  AnswerText(Consumer<String> sink, Runnable onHeld, boolean strict) {
    this.sink = sink;
    this.onHeld = onHeld;
    this.strict = strict;
  }

  /** Whether anything was said that can be seen. */
  boolean any() {
    return length > 0 || !opening.isEmpty();
  }

  /** How many characters are kept beside what was handed on. */
  long kept() {
    long kept = (long) previous.length() + opening.length() + message.length();
    for (String piece : held) {
      kept += piece.length();
    }
    return kept;
  }

  /** One more piece; not empty. */
  void delta(String piece) throws Failure {
    if (!opening.isEmpty()) {
      afterOpening(piece);
    } else if (cumulative) {
      grow(piece);
    } else if (pieces == 0) {
      first = piece.isBlank() ? null : piece;
      previous = piece;
      handOn(piece);
    } else if (first != null) {
      chain(piece, first);
    } else {
      more(piece);
    }
  }

  /** A piece that comes with the end marker. */
  void last(String piece) throws Failure {
    withEnd = true;
    delta(piece);
  }

  /** Whether the pieces so far are each the beginning of the next. */
  private void chain(String piece, String begun) {
    boolean again = !held.isEmpty() && piece.equals(previous);
    boolean longer = piece.length() > previous.length() && piece.startsWith(previous);
    if ((!again && !longer) || held.size() == MOST_HELD) {
      first = null;
      release();
      more(piece);
      return;
    }
    if (longer && !held.isEmpty() && isTelling(previous)) {
      cumulative = true;
      held.clear();
      handOn(piece.substring(begun.length()));
    } else {
      hold(piece);
    }
    previous = piece;
  }

  private void grow(String piece) throws Failure {
    if (piece.startsWith(previous)) {
      int from = previous.length();
      previous = piece;
      handOn(piece.substring(from));
    } else if (!piece.isBlank() && !isSaid(piece)) {
      doubt("pieces that no longer repeat all before them");
    }
  }

  private void more(String piece) {
    boolean repeat = mayRepeat(piece);
    if (!repeat && !(repeats && piece.isBlank()) && !held.isEmpty()) {
      // What was held back was no snapshot, but this may be one of all with it.
      release();
      repeat = mayRepeat(piece);
    }
    if ((repeat && mayBeSnapshot(piece)) || (repeats && piece.isBlank())) {
      repeats = true;
      hold(piece);
      return;
    }
    release();
    handOn(piece);
    // The first piece once more: a model may well say it twice, but then it goes on.
    doubled = repeat || (doubled && piece.isBlank());
  }

  /** A snapshot has all white space of the beginning, or none; a new word has its own. */
  private boolean mayRepeat(String piece) {
    int begins = blanks(piece);
    return (begins == 0 || begins == blanksBefore) && isSaid(piece) && isSuspicious(piece);
  }

  private static int blanks(String piece) {
    int blanks = 0;
    while (blanks < piece.length() && Character.isWhitespace(piece.charAt(blanks))) {
      blanks++;
    }
    return blanks;
  }

  /**
   * Whether to wait for what comes next: not for one that repeats a single piece, or comes often.
   */
  private boolean mayBeSnapshot(String piece) {
    return withEnd || (pieces > 1 && (!repeats || isTelling(piece)) && held.size() < MOST_HELD);
  }

  /** A text that is meant to be all of the answer. */
  void whole(String text) throws Failure {
    if (!any()) {
      delta(text);
      return;
    }
    settleOpening();
    if (!text.isBlank() && !isSaid(text) && !isSaid(afterThinking(text))) {
      settleHeld(text);
    }
  }

  /** What is held may have been a snapshot, or part of the text. */
  private void settleHeld(String text) throws Failure {
    if (first != null && !held.isEmpty() && isSame(text, previous)) {
      cumulative = true;
      held.clear();
      handOn(previous.substring(first.length()));
      return;
    }
    release();
    if (!isSaid(text)) {
      doubt(TWO_TEXTS);
    }
  }

  /** A message where others send a delta: a piece, or all so far. */
  void message(String text, boolean withEnd) throws Failure {
    if (message.isEmpty()) {
      if (withEnd) {
        last(text);
      } else {
        open(text);
      }
    } else if (!text.startsWith(message)) {
      if (grown) {
        doubt(TWO_TEXTS);
      }
      delta(text);
    } else if (!text.equals(message) || !withEnd) {
      growMessage(text);
    }
    message = text;
  }

  private void growMessage(String text) throws Failure {
    if (!isSuspicious(message)) {
      doubt(TWICE);
    }
    grown = true;
    if (opening.isEmpty()) {
      handOn(text.substring(message.length()));
    } else {
      opening = text;
    }
  }

  /** A text after the end marker, where none belongs. */
  void afterEnd(String text) throws Failure {
    if (text.isBlank()) {
      return;
    }
    if (any()) {
      whole(text);
    } else {
      doubt("text after the end marker");
    }
  }

  private static String afterThinking(String text) {
    int end = text.lastIndexOf(THINKING_ENDS);
    return end < 0 ? text : text.substring(end + THINKING_ENDS.length());
  }

  /** The server begins with this where others begin with nothing. */
  void open(String text) throws Failure {
    settleOpening();
    if (text.isBlank()) {
      handOn(text);
    } else {
      opening = text;
      matched = 0;
    }
  }

  private void afterOpening(String piece) throws Failure {
    int common = Math.min(piece.length(), opening.length() - matched);
    if (!opening.regionMatches(matched, piece, 0, common)) {
      settleOpening();
      delta(piece);
      return;
    }
    matched += common;
    if (matched == opening.length()) {
      String said = opening;
      opening = "";
      if (!isSuspicious(said)) {
        doubt(TWICE);
      }
      delta(said);
      if (common < piece.length()) {
        delta(piece.substring(common));
      }
    }
  }

  /** The deltas have not said all of it again: they go on from it. */
  void settleOpening() throws Failure {
    String said = opening;
    opening = "";
    if (said.isEmpty()) {
      return;
    }
    String again = said.substring(0, matched);
    if (isSuspicious(again)) {
      doubt(TWO_TEXTS);
    }
    delta(said);
    if (!again.isEmpty()) {
      delta(again);
    }
  }

  /** No more will come. */
  void end() throws Failure {
    settleOpening();
    if (doubled) {
      doubt(TWICE);
    }
    if (repeats) {
      if (!isTelling(held.get(0))) {
        doubt(TWICE);
      }
      held.clear();
    } else if (first != null && !held.isEmpty()) {
      String repeated = held.size() == 1 ? first : held.get(held.size() - 2);
      if (isSuspicious(repeated)) {
        doubt("pieces that may each repeat all before them");
      }
    }
    release();
  }

  private void hold(String piece) {
    held.add(piece);
    onHeld.run();
  }

  private void release() {
    for (String piece : held) {
      handOn(piece);
    }
    held.clear();
    repeats = false;
  }

  private void handOn(String piece) {
    if (piece.isEmpty()) {
      return;
    }
    int before = length;
    if (pieces == 0) {
      blanksBefore += blanks(piece);
    }
    for (int i = 0; i < piece.length(); i++) {
      char c = piece.charAt(i);
      if (!Character.isWhitespace(c)) {
        hash = hash * PRIME + c;
        length++;
      }
    }
    pieces += length > before ? 1 : 0;
    sink.accept(piece);
  }

  /** Whether the text is all that was handed on. */
  private boolean isSaid(String text) {
    if (text.length() < length) {
      return false;
    }
    long other = 0;
    int letters = 0;
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (!Character.isWhitespace(c)) {
        other = other * PRIME + c;
        letters++;
      }
    }
    return letters == length && other == hash;
  }

  private static boolean isSame(String text, String other) {
    return text.strip().equals(other.strip());
  }

  private static boolean isTelling(String text) {
    return isVaried(text.strip(), TELLING, TELLING_LETTERS);
  }

  private static boolean isSuspicious(String text) {
    return isVaried(text.strip(), SUSPICIOUS, SUSPICIOUS_LETTERS);
  }

  private static boolean isVaried(String text, int length, int letters) {
    return text.length() >= length && text.chars().distinct().limit(letters).count() == letters;
  }

  private void doubt(String why) throws Failure {
    if (strict) {
      throw Failure.of(FailureKind.UNEXPECTED_RESPONSE, why);
    }
  }
}
