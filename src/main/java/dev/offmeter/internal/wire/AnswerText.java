// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Puts the text of one answer together from what its server sends: deltas, a snapshot of the whole
 * beside or after them, or pieces that each repeat all before them. No text is ever doubled: a
 * piece that repeats all the text so far adds nothing, a piece that may be such a repetition is
 * held back until the next piece decides, and if nothing decides, the text is ambiguous and the
 * attempt fails.
 *
 * <p>Snapshots are compared without their white space, which servers strip.
 */
public final class AnswerText {
  /**
   * A repetition of all the text so far that is this long, in as many different characters, is no
   * coincidence.
   */
  private static final int CONCLUSIVE_LENGTH = 12;

  private static final int CONCLUSIVE_LETTERS = 5;

  /** A shorter repetition may be one: "ha" after "ha" is not. */
  private static final int SUSPICIOUS_LENGTH = 4;

  private static final int SUSPICIOUS_LETTERS = 3;

  /** The most pieces that are held back: a server needs fewer to show how it sends. */
  private static final int MOST_HELD = 32;

  private static final long PRIME = 1_000_003;
  private static final String THINKING_ENDS = "</think>";
  private static final String TWO_TEXTS = "two different texts in one answer";
  private static final String TWICE = "a text that may have been sent twice";

  private final Consumer<String> sink;
  private final Runnable onHeld;

  /** True if an ambiguity fails the attempt; in thinking it does not. */
  private final boolean strict;

  private int pieces;

  /** The length of the white space at the beginning of the text. */
  private int blanksBefore;

  /** The length of all emitted text, without white space. */
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

  /** The text that came with the opening message; the deltas may repeat it. */
  private String opening = "";

  private int matched;

  /** The last message that came in place of a delta. */
  private String message = "";

  /** True if a message contained all of the one before it. */
  private boolean grown;

  /**
   * Creates the text of one answer.
   *
   * @param sink receives the emitted text
   * @param onHeld run for each piece that is held back, which counts as progress all the same
   */
  public AnswerText(Consumer<String> sink, Runnable onHeld, boolean strict) {
    this.sink = sink;
    this.onHeld = onHeld;
    this.strict = strict;
  }

  /** Returns whether any visible text has come. */
  public boolean hasVisibleText() {
    return length > 0 || !opening.isEmpty();
  }

  /** Returns how many characters are kept beside the emitted text. */
  public long kept() {
    long kept = (long) previous.length() + opening.length() + message.length();
    for (String piece : held) {
      kept += piece.length();
    }
    return kept;
  }

  /** Adds a piece, which is not empty. */
  public void onDelta(String piece) throws AttemptException {
    if (!opening.isEmpty()) {
      afterOpening(piece);
    } else if (cumulative) {
      grow(piece);
    } else if (pieces == 0) {
      first = piece.isBlank() ? null : piece;
      previous = piece;
      emit(piece);
    } else if (first != null) {
      chain(piece, first);
    } else {
      append(piece);
    }
  }

  /** Adds a piece that comes with the end marker. */
  public void onLastDelta(String piece) throws AttemptException {
    withEnd = true;
    onDelta(piece);
  }

  /** Checks whether the pieces so far each begin with the one before. */
  private void chain(String piece, String begun) {
    boolean again = !held.isEmpty() && piece.equals(previous);
    boolean longer = piece.length() > previous.length() && piece.startsWith(previous);
    if ((!again && !longer) || held.size() == MOST_HELD) {
      first = null;
      release();
      append(piece);
      return;
    }
    if (longer && !held.isEmpty() && isConclusive(previous)) {
      cumulative = true;
      held.clear();
      emit(piece.substring(begun.length()));
    } else {
      hold(piece);
    }
    previous = piece;
  }

  private void grow(String piece) throws AttemptException {
    if (piece.startsWith(previous)) {
      int from = previous.length();
      previous = piece;
      emit(piece.substring(from));
    } else if (!piece.isBlank() && !isAllEmitted(piece)) {
      onDoubt("deltas that stop repeating all the text before them");
    }
  }

  private void append(String piece) {
    boolean repeat = canRepeat(piece);
    if (!repeat && !(repeats && piece.isBlank()) && !held.isEmpty()) {
      // The text held back was no snapshot, but this piece may be a snapshot of all including it.
      release();
      repeat = canRepeat(piece);
    }
    if ((repeat && mayBeSnapshot(piece)) || (repeats && piece.isBlank())) {
      repeats = true;
      hold(piece);
      return;
    }
    release();
    emit(piece);
    // The first piece once more: a model may well repeat it, but then it goes on.
    doubled = repeat || (doubled && piece.isBlank());
  }

  /**
   * Returns whether the piece may be a snapshot: one has all white space of the beginning, or none;
   * a new word has its own.
   */
  private boolean canRepeat(String piece) {
    int begins = blanks(piece);
    return (begins == 0 || begins == blanksBefore) && isAllEmitted(piece) && isSuspicious(piece);
  }

  private static int blanks(String piece) {
    int blanks = 0;
    while (blanks < piece.length() && Character.isWhitespace(piece.charAt(blanks))) {
      blanks++;
    }
    return blanks;
  }

  /**
   * Returns whether to wait for the next piece: not for a repetition of a single piece, nor for
   * frequent ones.
   */
  private boolean mayBeSnapshot(String piece) {
    return withEnd || (pieces > 1 && (!repeats || isConclusive(piece)) && held.size() < MOST_HELD);
  }

  /** Adds a snapshot of the whole answer. */
  public void onWholeText(String text) throws AttemptException {
    if (!hasVisibleText()) {
      onDelta(text);
      return;
    }
    settleOpening();
    if (!text.isBlank() && !isAllEmitted(text) && !isAllEmitted(afterThinking(text))) {
      settleHeld(text);
    }
  }

  /** Decides whether the held pieces were snapshots or part of the text. */
  private void settleHeld(String text) throws AttemptException {
    if (first != null && !held.isEmpty() && isSame(text, previous)) {
      cumulative = true;
      held.clear();
      emit(previous.substring(first.length()));
      return;
    }
    release();
    if (!isAllEmitted(text)) {
      onDoubt(TWO_TEXTS);
    }
  }

  /** Adds a message that comes in place of a delta: a piece, or all the text so far. */
  public void onMessage(String text, boolean withEnd) throws AttemptException {
    if (message.isEmpty()) {
      if (withEnd) {
        onLastDelta(text);
      } else {
        onOpening(text);
      }
    } else if (!text.startsWith(message)) {
      if (grown) {
        onDoubt(TWO_TEXTS);
      }
      onDelta(text);
    } else if (!text.equals(message) || !withEnd) {
      growMessage(text);
    }
    message = text;
  }

  private void growMessage(String text) throws AttemptException {
    if (!isSuspicious(message)) {
      onDoubt(TWICE);
    }
    grown = true;
    if (opening.isEmpty()) {
      emit(text.substring(message.length()));
    } else {
      opening = text;
    }
  }

  /** Handles a text after the end marker, where none belongs. */
  public void afterEnd(String text) throws AttemptException {
    if (text.isBlank()) {
      return;
    }
    if (hasVisibleText()) {
      onWholeText(text);
    } else {
      onDoubt("text after the end marker");
    }
  }

  private static String afterThinking(String text) {
    int end = text.lastIndexOf(THINKING_ENDS);
    return end < 0 ? text : text.substring(end + THINKING_ENDS.length());
  }

  /** Handles a text in the opening message, which is empty from most servers. */
  public void onOpening(String text) throws AttemptException {
    settleOpening();
    if (text.isBlank()) {
      emit(text);
    } else {
      opening = text;
      matched = 0;
    }
  }

  private void afterOpening(String piece) throws AttemptException {
    int common = Math.min(piece.length(), opening.length() - matched);
    if (!opening.regionMatches(matched, piece, 0, common)) {
      settleOpening();
      onDelta(piece);
      return;
    }
    matched += common;
    if (matched == opening.length()) {
      String said = opening;
      opening = "";
      if (!isSuspicious(said)) {
        onDoubt(TWICE);
      }
      onDelta(said);
      if (common < piece.length()) {
        onDelta(piece.substring(common));
      }
    }
  }

  /** Decides that the opening text is not repeated by the deltas but continued. */
  public void settleOpening() throws AttemptException {
    String said = opening;
    opening = "";
    if (said.isEmpty()) {
      return;
    }
    String again = said.substring(0, matched);
    if (isSuspicious(again)) {
      onDoubt(TWO_TEXTS);
    }
    onDelta(said);
    if (!again.isEmpty()) {
      onDelta(again);
    }
  }

  /** Ends the text. */
  public void onEnd() throws AttemptException {
    settleOpening();
    if (doubled) {
      onDoubt(TWICE);
    }
    if (repeats) {
      if (!isConclusive(held.get(0))) {
        onDoubt(TWICE);
      }
      held.clear();
    } else if (first != null && !held.isEmpty()) {
      String repeated = held.size() == 1 ? first : held.get(held.size() - 2);
      if (isSuspicious(repeated)) {
        onDoubt("deltas that may each repeat all the text before them");
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
      emit(piece);
    }
    held.clear();
    repeats = false;
  }

  private void emit(String piece) {
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

  /** Returns whether the text is all that was emitted. */
  private boolean isAllEmitted(String text) {
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

  private static boolean isConclusive(String text) {
    return isVaried(text.strip(), CONCLUSIVE_LENGTH, CONCLUSIVE_LETTERS);
  }

  private static boolean isSuspicious(String text) {
    return isVaried(text.strip(), SUSPICIOUS_LENGTH, SUSPICIOUS_LETTERS);
  }

  private static boolean isVaried(String text, int length, int letters) {
    return text.length() >= length && text.chars().distinct().limit(letters).count() == letters;
  }

  private void onDoubt(String why) throws AttemptException {
    if (strict) {
      throw AttemptException.of(FailureKind.UNEXPECTED_RESPONSE, why);
    }
  }
}
