// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire.ollama;

import dev.offmeter.FailureKind;
import dev.offmeter.FinishReason;
import dev.offmeter.Usage;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.wire.ProtocolDescriptor;

/**
 * Tracks how many tokens a conversation and its answer may have at one Ollama, as far as known:
 * from the requested context, or else from the server's list of loaded models. A server that does
 * not know {@code shift} silently drops the beginning of a longer conversation, and goes on to the
 * answer's own limit; its token counts reveal that. Safe for use by many threads.
 */
public final class OllamaContextWindow {
  private static final long UNKNOWN = 0;

  /** The engine rounds a context up to a multiple of this. */
  private static final long STEP = 256;

  private final long configured;
  private volatile long listed = UNKNOWN;

  public OllamaContextWindow(ProtocolDescriptor.ServerConfig server) {
    this.configured =
        server.options().get("num_ctx") instanceof Number tokens
            ? Math.min(tokens.longValue(), Integer.MAX_VALUE)
            : UNKNOWN;
  }

  /** Called when the list says that the model is loaded with this context. */
  void onListed(int tokens) {
    listed = tokens;
  }

  /**
   * Checks the end of an answer.
   *
   * @throws AttemptException if the server dropped the beginning of the conversation
   */
  void check(Usage usage, FinishReason reason) throws AttemptException {
    long most = configured > UNKNOWN ? configured : listed;
    long room = (most + STEP - 1) / STEP * STEP;
    long tokens = (long) usage.inputTokens() + usage.outputTokens();
    boolean counted = usage.inputTokens() > 0 && usage.outputTokens() > 0;
    if (reason == FinishReason.LENGTH && counted && most > UNKNOWN && tokens > room) {
      throw AttemptException.of(
          FailureKind.CONTEXT_OVERFLOW,
          "the conversation and its answer came to "
              + tokens
              + " tokens, more than the context of "
              + most
              + ": the server dropped the beginning");
    }
  }
}
