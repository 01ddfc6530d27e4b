// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * Classifies the words by which servers say why an answer ended, for all protocols, in any case and
 * with any separator. From the documentation and sources of OpenAI, Anthropic, Gemini, Ollama,
 * vLLM, TGI, Mistral, Together AI and DeepSeek, and from public reports of servers that imitate
 * them.
 */
public final class FinishReasonPhrases {
  private static final Set<String> NONE =
      Set.of("", "null", "none", "nil", "undefined", "unspecified", "finish_reason_unspecified");
  private static final Set<String> STOP =
      Set.of(
          "stop",
          "stopped",
          "eos",
          "eos_token",
          "eos_token_id",
          "eot",
          "end",
          "ended",
          "end_turn",
          "end_of_turn",
          "end_of_text",
          "end_of_sequence",
          "endoftext",
          "complete",
          "completed",
          "done",
          "finish",
          "finished",
          "success",
          "succeeded",
          "successful",
          "ok",
          "normal",
          "stop_sequence",
          "stop_sequences",
          "stop_token",
          "stop_string",
          "stop_str",
          "stop_word",
          "stop_token_id",
          "matched_stop",
          "model_stop",
          "natural",
          "natural_stop",
          "eom",
          "eom_id",
          "im_end",
          "end_of_message",
          // Left over from </s>.
          "s",
          "tool_calls",
          "tool_call",
          "tool_use",
          "function_call",
          "function_calls");
  private static final Set<String> LENGTH =
      Set.of(
          "length",
          "limit",
          "model_length",
          "token_limit",
          "tokens_limit",
          "output_limit",
          "length_limit",
          "length_capped",
          "length_exceeded",
          "output_length",
          "truncated");

  /** A full context is reported in many ways, but hardly without one of these. */
  private static final Pattern OVERFLOW =
      Pattern.compile(".*(context|prompt_too_long|input_too_long|prompt_length).*");

  private static final Pattern LIMIT =
      Pattern.compile(".*(max.*(token|length|output)|token_limit|length_(limit|reached)).*");
  private static final List<String> FILTER =
      List.of(
          "filter",
          "safety",
          "unsafe",
          "prohibit",
          "blocklist",
          "blocked",
          "spii",
          "guardrail",
          "moderat",
          "policy",
          "sensitive",
          "harm",
          "jailbreak",
          "censor");
  private static final String REFUSAL = "refus";
  private static final List<String> ERROR =
      List.of(
          "error",
          "abort",
          "cancel",
          "fail",
          "timeout",
          "time_out",
          "timed_out",
          "exception",
          "crash",
          "network",
          "connection",
          "interrupt",
          "internal",
          "insufficient",
          "unavailable",
          "overload",
          "terminated",
          "killed",
          "preempt");

  /** Matches a plain word; anything else may be part of an answer and is not shown. */
  private static final Pattern PLAIN = Pattern.compile("[A-Za-z][A-Za-z0-9_.-]{0,39}");

  private static final Pattern SEPARATORS = Pattern.compile("[\\s.:-]+");

  /** Matches the name of the field or of its type before the word, as a program prints it. */
  private static final Pattern NAMED = Pattern.compile("(?:finish|stop)_?reason_(?=.)");

  /** Matches marks around the word: quotation marks, or those of a special token. */
  private static final Pattern MARKS = Pattern.compile("^\\W+|\\W+$");

  /** Matches the token that ends a text, whatever else is said about it. */
  private static final Pattern TOKEN = Pattern.compile("(?:.*_)?(?:eos|eot)(?:_.*)?");

  private static final Pattern HUMP = Pattern.compile("(?<=[a-z])(?=[A-Z])");

  private FinishReasonPhrases() {}

  /** The meaning of a word for its answer; each outweighs those before it. */
  public enum Meaning {
    /** No reason has come yet. */
    NOTHING,
    /** An unknown word: a reason in the model, or a word for not having ended. */
    UNKNOWN,
    /** The model has ended its answer. */
    STOP,
    /** A limit of tokens was reached. */
    LENGTH,
    /** The context was full. */
    OVERFLOW,
    /** A filter stopped the answer. */
    FILTER,
    /** The model refuses. */
    REFUSAL,
    /** The server gave the answer up. */
    ERROR
  }

  /** Returns the meaning of the word. */
  public static Meaning of(String reason) {
    // The fast path for the reason of nearly every answer.
    if (reason.equals("stop")) {
      return Meaning.STOP;
    }
    return ofNormal(normal(reason));
  }

  private static String normal(String reason) {
    String spaced = HUMP.matcher(reason.strip()).replaceAll("_");
    String word = SEPARATORS.matcher(spaced).replaceAll("_").toLowerCase(Locale.ROOT);
    String bare = MARKS.matcher(word).replaceAll("");
    return NONE.contains(bare) ? bare : NAMED.matcher(bare).replaceFirst("");
  }

  private static Meaning ofNormal(String word) {
    if (NONE.contains(word)) {
      return Meaning.NOTHING;
    }
    if (STOP.contains(word)) {
      return Meaning.STOP;
    }
    if (LENGTH.contains(word)) {
      return Meaning.LENGTH;
    }
    if (word.contains(REFUSAL)) {
      return Meaning.REFUSAL;
    }
    if (FILTER.stream().anyMatch(word::contains)) {
      return Meaning.FILTER;
    }
    if (OVERFLOW.matcher(word).matches()) {
      return Meaning.OVERFLOW;
    }
    if (LIMIT.matcher(word).matches()) {
      return Meaning.LENGTH;
    }
    if (ERROR.stream().anyMatch(word::contains)) {
      return Meaning.ERROR;
    }
    return TOKEN.matcher(word).matches() ? Meaning.STOP : Meaning.UNKNOWN;
  }

  /** Returns the failure for a word that is not a regular end. */
  static AttemptException failure(Meaning meaning, String word) {
    String told = PLAIN.matcher(word.strip()).matches() ? ": " + word.strip() : "";
    return switch (meaning) {
      case OVERFLOW ->
          AttemptException.told(
              FailureKind.CONTEXT_OVERFLOW, "the context was full before the end" + told);
      case FILTER ->
          AttemptException.told(
              FailureKind.CONTENT_FILTERED, "the content filter stopped the answer" + told);
      case REFUSAL ->
          AttemptException.of(FailureKind.CONTENT_FILTERED, "the model refuses to answer");
      case ERROR ->
          AttemptException.told(FailureKind.STREAM_ERROR, "the server abandoned the answer" + told);
      case UNKNOWN ->
          AttemptException.told(
              FailureKind.MODEL_STOPPED,
              "the model stopped" + (told.isEmpty() ? " for an unknown reason" : told));
      default ->
          AttemptException.of(
              FailureKind.MISSING_END_MARKER, "the answer ended without its end marker");
    };
  }
}
