// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.springai;

import org.springframework.ai.chat.metadata.Usage;
import org.springframework.ai.chat.model.ChatResponse;

/**
 * The tokens of an answer, and of those that called tools before it, as Spring AI adds them up.
 *
 * @param input the tokens of the prompts
 * @param output the tokens of the answers
 * @param cached the tokens of the prompts that a server had in its cache
 * @param cacheWritten the tokens of the prompts that a server has written to its cache
 * @param last the tokens of the last answer, as the client has them
 */
record TokenUsage(int input, int output, long cached, long cacheWritten, dev.offmeter.Usage last)
    implements Usage {
  static final TokenUsage NONE = new TokenUsage(0, 0, 0, 0, dev.offmeter.Usage.NONE);

  /** Returns the tokens of a response that this model gave. */
  static TokenUsage of(ChatResponse response) {
    return response.getMetadata().getUsage() instanceof TokenUsage usage ? usage : NONE;
  }

  TokenUsage plus(dev.offmeter.Usage usage) {
    return new TokenUsage(
        input + usage.inputTokens(),
        output + usage.outputTokens(),
        cached + usage.cachedInputTokens(),
        cacheWritten + usage.cacheWriteTokens(),
        usage);
  }

  @Override
  public Integer getPromptTokens() {
    return input;
  }

  @Override
  public Integer getCompletionTokens() {
    return output;
  }

  @Override
  public Object getNativeUsage() {
    return last;
  }

  /** Returns the cached tokens, as Spring AI 2.0 asks for them. */
  @SuppressWarnings("MissingOverride")
  public Long getCacheReadInputTokens() {
    return cached;
  }

  /** Returns the tokens written to a cache, as Spring AI 2.0 asks for them. */
  @SuppressWarnings("MissingOverride")
  public Long getCacheWriteInputTokens() {
    return cacheWritten;
  }
}
