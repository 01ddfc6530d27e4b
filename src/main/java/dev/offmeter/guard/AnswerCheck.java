// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.guard;

import dev.offmeter.ChatResponse;
import dev.offmeter.FinishReason;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * Checks a complete answer for the caller; see {@link dev.offmeter.ChatRequest.Builder#accept}. A
 * rejected answer is a failed attempt, and the next endpoint is asked.
 *
 * <p>A check runs on the thread of the call, and must not block: no timeout ends it. A check that
 * throws rejects the answer.
 */
@FunctionalInterface
public interface AnswerCheck {
  /**
   * Returns what is wrong with the answer, in a few words; empty if nothing is. The words go into
   * attempts, exceptions and logs, so they must hold none of the answer and no secret.
   *
   * @param answer the answer as its endpoint gave it, with {@code attempts()} and {@code elapsed()}
   *     so far
   */
  Optional<String> objection(ChatResponse answer);

  /**
   * Returns a check that rejects an answer that lacks one of the texts, ignoring case. The
   * objection, which goes into attempts, exceptions and logs, names the first that is missing:
   * literally if it has up to 24 characters on one line, a longer one by its position.
   */
  static AnswerCheck mentions(String... texts) {
    List<String> wanted = List.of(texts);
    if (wanted.isEmpty() || wanted.contains("")) {
      throw new IllegalArgumentException("texts must be some, none of them empty");
    }
    return answer -> {
      String text = folded(answer.text());
      return wanted.stream()
          .filter(each -> !text.contains(folded(each)))
          .findFirst()
          .map(lacking -> "lacks " + shown(lacking, wanted) + ", which it must mention");
    };
  }

  /**
   * Returns how the objection names a text: a short one is a name or a number to search for; a long
   * one may be a prompt.
   */
  private static String shown(String lacking, List<String> wanted) {
    boolean fit = lacking.length() <= 24 && lacking.chars().noneMatch(Character::isISOControl);
    return fit
        ? '"' + lacking + '"'
        : "text " + (wanted.indexOf(lacking) + 1) + " of " + wanted.size();
  }

  /**
   * Returns a check that rejects an answer with a gap for a person to fill: {@code [Your Name]},
   * {@code {{amount}}}, {@code <date>} or {@code ____}. A bracket counts if it begins with a letter
   * and is not a Markdown link; an HTML tag counts too.
   */
  static AnswerCheck noPlaceholders() {
    Pattern gap =
        Pattern.compile(
            "\\[\\p{L}[^\\]\\n]{0,60}\\](?!\\()|\\{\\{[^}\\n]{1,60}\\}\\}"
                + "|<\\p{L}[^<>\\n]{0,60}>|_{4,}");
    return answer ->
        objectionIf(gap.matcher(answer.text()).find(), "has a placeholder that nobody filled in");
  }

  /**
   * Returns a check that rejects an answer that is shorter or longer.
   *
   * @param least the fewest {@code char}s, 0 or more
   * @param most the most, at least {@code least}
   */
  static AnswerCheck lengthBetween(int least, int most) {
    if (least < 0 || most < least) {
      throw new IllegalArgumentException(
          "least and most must be 0 <= least <= most, were " + least + " and " + most);
    }
    return answer -> {
      int length = answer.text().length();
      boolean fits = least <= length && length <= most;
      return objectionIf(!fits, length + " characters are not from " + least + " to " + most);
    };
  }

  /**
   * Returns a check that rejects an answer that ended at {@code maxTokens}, perhaps in
   * mid-sentence.
   */
  static AnswerCheck notTruncated() {
    return answer ->
        objectionIf(answer.finishReason() == FinishReason.LENGTH, "was cut at maxTokens");
  }

  private static Optional<String> objectionIf(boolean wrong, String what) {
    return wrong ? Optional.of(what) : Optional.empty();
  }

  private static String folded(String text) {
    return text.toLowerCase(Locale.ROOT);
  }
}
