// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;

/**
 * Detects that a server goes on although its answer has long reached {@code maxTokens}. The bounds
 * are wide: no answer within the limit may be lost because of them.
 */
final class OutputTokenLimit {
  /**
   * A delta is one token or more; so many times as many deltas are not an answer within the limit.
   */
  private static final int TIMES = 2;

  /** A proxy may forward single characters, of which a token of text has about four. */
  private static final int TIMES_OF_CHARACTERS = 8;

  /** Slack for limits of a few tokens. */
  private static final int MORE = 16;

  /**
   * The longest token of {@code cl100k_base}, on which the vocabularies of Llama 3 and Qwen are
   * built, is a run of 128 spaces.
   */
  private static final int CHARACTERS_A_TOKEN = 128;

  /**
   * Thinking that a server may not count: DeepSeek's documentation of {@code deepseek-reasoner}
   * allowed 32 K tokens of it beside {@code max_tokens}.
   */
  private static final int UNCOUNTED_THINKING = 32 * 1024;

  /** The shortest length that tells a token from a single character. */
  private static final int CHARACTERS_OF_A_PART = 2;

  private final int maxTokens;
  private long pieces;
  private long characters;
  private long thoughts;
  private long thoughtCharacters;

  OutputTokenLimit(int maxTokens) {
    this.maxTokens = maxTokens;
  }

  /** Counts part of a tool call, of a token or more. */
  void onToolCallPart() {
    onDelta(CHARACTERS_OF_A_PART);
  }

  /** Counts a delta of the answer. */
  void onDelta(int length) {
    pieces++;
    characters += length;
  }

  /** Counts a delta of thinking. */
  void onThinking(int length) {
    thoughts++;
    thoughtCharacters += length;
  }

  /** Counts the answer so far as thinking. */
  void onTextWasThinking() {
    thoughts += pieces;
    thoughtCharacters += characters;
    pieces = 0;
    characters = 0;
  }

  /**
   * Checks an answer that has not ended.
   *
   * @throws AttemptException if it has gone far beyond the limit
   */
  void check() throws AttemptException {
    check("", pieces, characters, maxTokens);
    check(" of thinking", thoughts, thoughtCharacters, (long) maxTokens + UNCOUNTED_THINKING);
  }

  private void check(String what, long pieces, long characters, long tokens)
      throws AttemptException {
    boolean tooMany =
        pieces > TIMES * tokens + MORE
            && (characters >= TIMES * pieces || pieces > TIMES_OF_CHARACTERS * tokens + MORE);
    if (tooMany || characters > CHARACTERS_A_TOKEN * (tokens + MORE)) {
      String told = pieces + " pieces" + what + ", " + characters + " characters";
      throw AttemptException.of(
              FailureKind.RUNAWAY, "went on after " + told + ", though maxTokens is " + maxTokens)
          .withStatus(200);
    }
  }
}
