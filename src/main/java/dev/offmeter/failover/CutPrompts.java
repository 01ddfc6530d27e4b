// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import dev.offmeter.ChatRequest;
import dev.offmeter.Message;
import dev.offmeter.Usage;
import dev.offmeter.endpoint.Checkup;
import dev.offmeter.wire.ForeignCode;
import java.util.concurrent.atomic.AtomicBoolean;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Prompts that a server has cut in silence, as an Ollama does behind OpenAI's API: it says how many
 * tokens it has read, and a word is never less than one. What is written without spaces has few
 * words, and is not judged. Some servers count only what they had not read before, so that this is
 * worth a line of log, once for an endpoint, and no answer is lost for it. Safe for use by many
 * threads.
 */
final class CutPrompts {
  private static final Logger LOG = LoggerFactory.getLogger("dev.offmeter");

  /** Half of the smallest usual context is left of a prompt; a count below is of another kind. */
  private static final int LEAST = 1000;

  /** So many words of prose are more than a server can have read that counts so many tokens. */
  private static final double WORDS_PER_TOKEN = 1.25;

  private final String endpoint;
  private final boolean judged;
  private final AtomicBoolean told = new AtomicBoolean();

  CutPrompts(String endpoint, Probes probes) {
    this.endpoint = endpoint;
    this.judged = probes.can(Checkup.Kind.OLLAMA);
  }

  /** A request has its answer. */
  void onAnswer(ChatRequest request, Usage usage) {
    long tokens = usage.inputTokens();
    long most = (long) (WORDS_PER_TOKEN * tokens);
    if (!judged || tokens < LEAST || told.get() || Resends.length(request) < 2 * most) {
      return;
    }
    long words = words(request);
    if (words > most && told.compareAndSet(false, true)) {
      ForeignCode.ignore(
          () ->
              LOG.warn(
                  "endpoint {} says that it has read {} tokens of a prompt of {} words: it seems to"
                      + " cut long prompts in silence. If it is an Ollama, use Endpoint.ollama, which"
                      + " fails then; else give its model more context; said once",
                  endpoint,
                  tokens,
                  words));
    }
  }

  private static long words(ChatRequest request) {
    long words = 0;
    for (Message message : request.messages()) {
      words += words(message.content());
    }
    return words;
  }

  /** What stands between spaces and has a letter in it. */
  static long words(String text) {
    long words = 0;
    boolean letters = false;
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      boolean space = Character.isWhitespace(c);
      words += space && letters ? 1 : 0;
      letters = !space && (letters || Character.isLetter(c));
    }
    return letters ? words + 1 : words;
  }
}
