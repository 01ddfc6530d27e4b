// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import java.time.Duration;
import java.util.Objects;

/**
 * The tokens and the time that an endpoint reports for an answer. A value that is no count
 * (negative, with a fraction, not a number, or more than 100 million) is treated as not reported.
 *
 * <p>Servers count differently; here every protocol's counts mean the same: cached input is part of
 * the input, thinking is part of the output.
 *
 * @param inputTokens tokens of the prompt, those read from or written to a cache included; 0 where
 *     the server reported none (Ollama leaves a zero count out, and an in-process endpoint counts
 *     nothing)
 * @param outputTokens tokens generated, thinking and the end token included, 0 where none were
 *     reported
 * @param cachedInputTokens input tokens that were read from the server's cache: OpenAI's {@code
 *     cached_tokens}, Gemini's {@code cachedContentTokenCount}, Anthropic's {@code
 *     cache_read_input_tokens}; 0 where none were reported
 * @param cacheWriteTokens input tokens that were written to the server's cache: Anthropic's {@code
 *     cache_creation_input_tokens}; 0 where none were reported
 * @param thinkingTokens output tokens of thinking: OpenAI's {@code reasoning_tokens}, Gemini's
 *     {@code thoughtsTokenCount}; 0 where none were reported
 * @param computeTime time for which the server worked on prompt and answer: Ollama's {@code
 *     prompt_eval_duration} and {@code eval_duration}, llama-server's {@code prompt_ms} and {@code
 *     predicted_ms}; zero where none was reported
 * @param loadTime time until the model was loaded, a wait for that included: Ollama's {@code
 *     load_duration}; zero where none was reported
 * @param reported whether the endpoint reported both input and output; a reported 0 is 0, while
 *     what is not reported is unknown
 */
public record Usage(
    int inputTokens,
    int outputTokens,
    int cachedInputTokens,
    int cacheWriteTokens,
    int thinkingTokens,
    Duration computeTime,
    Duration loadTime,
    boolean reported) {
  /** The usage of an endpoint that reports none. */
  public static final Usage NONE = new Usage(0, 0, 0, 0, 0, Duration.ZERO, Duration.ZERO, false);

  /**
   * Creates a usage.
   *
   * @throws IllegalArgumentException if a value is negative, or a part is more than the whole
   */
  public Usage {
    requireCount("inputTokens", inputTokens);
    requireCount("outputTokens", outputTokens);
    requireCount("cachedInputTokens", cachedInputTokens);
    requireCount("cacheWriteTokens", cacheWriteTokens);
    requireCount("thinkingTokens", thinkingTokens);
    if ((long) cachedInputTokens + cacheWriteTokens > inputTokens) {
      throw new IllegalArgumentException(
          "cachedInputTokens and cacheWriteTokens must be at most inputTokens "
              + inputTokens
              + ", were "
              + cachedInputTokens
              + " and "
              + cacheWriteTokens);
    }
    if (thinkingTokens > outputTokens) {
      throw new IllegalArgumentException(
          "thinkingTokens must be at most outputTokens "
              + outputTokens
              + ", was "
              + thinkingTokens);
    }
    requireSpan("computeTime", computeTime);
    requireSpan("loadTime", loadTime);
  }

  /** Creates a reported usage without parts and times. */
  public Usage(int inputTokens, int outputTokens) {
    this(inputTokens, outputTokens, 0, 0, 0, Duration.ZERO, Duration.ZERO, true);
  }

  private static void requireCount(String field, int value) {
    if (value < 0) {
      throw new IllegalArgumentException(field + " must be at least 0, was " + value);
    }
  }

  private static void requireSpan(String field, Duration value) {
    if (Objects.requireNonNull(value, field).isNegative()) {
      throw new IllegalArgumentException(field + " must not be negative, was " + value);
    }
  }

  /** Returns a copy with the parts of the input that the server's cache served and took. */
  public Usage withCache(int cachedInputTokens, int cacheWriteTokens) {
    return new Usage(
        inputTokens,
        outputTokens,
        cachedInputTokens,
        cacheWriteTokens,
        thinkingTokens,
        computeTime,
        loadTime,
        reported);
  }

  /** Returns a copy with the part of the output that was thinking. */
  public Usage withThinking(int thinkingTokens) {
    return new Usage(
        inputTokens,
        outputTokens,
        cachedInputTokens,
        cacheWriteTokens,
        thinkingTokens,
        computeTime,
        loadTime,
        reported);
  }

  /** Returns a copy with the times that the server reports. */
  public Usage withTimes(Duration computeTime, Duration loadTime) {
    return new Usage(
        inputTokens,
        outputTokens,
        cachedInputTokens,
        cacheWriteTokens,
        thinkingTokens,
        computeTime,
        loadTime,
        reported);
  }

  /** Returns a copy of which the tokens are not, or not all, what the server reported. */
  public Usage asNotReported() {
    return new Usage(
        inputTokens,
        outputTokens,
        cachedInputTokens,
        cacheWriteTokens,
        thinkingTokens,
        computeTime,
        loadTime,
        false);
  }
}
