// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

/**
 * The OpenAI-compatible server that an endpoint talks to. Servers differ in the name of the token
 * limit, the form of a schema, how thinking is switched off, and on whose hardware they run. The
 * facts are from the sources and documentation of each. Further constants may be added.
 */
public enum Dialect {
  /** Any other server: self-hosted at a private address, else managed. The default. */
  GENERIC,
  /** vLLM: thinking is switched off through the chat template. Self-hosted. */
  VLLM,
  /**
   * llama.cpp's {@code llama-server}: thinking is switched off through the chat template.
   * Self-hosted.
   */
  LLAMA_SERVER,
  /** Hugging Face TGI: a schema has a form of its own. Self-hosted. */
  TGI,
  /** LocalAI. Self-hosted. */
  LOCAL_AI,
  /** LM Studio. Self-hosted. */
  LM_STUDIO,
  /**
   * Ollama: thinking is switched off by {@code reasoning_effort}. Self-hosted, but for models whose
   * name ends in {@code -cloud}. The native API reports more: {@link Endpoint#ollama}.
   */
  OLLAMA,
  /** A LiteLLM proxy: managed, because it may forward a request to any provider. */
  LITELLM,
  /** OpenAI itself: the token limit is {@code max_completion_tokens}. Managed. */
  OPENAI,
  /** Gemini's compatible endpoint: thinking off by {@code reasoning_effort}. Managed. */
  GEMINI
}
