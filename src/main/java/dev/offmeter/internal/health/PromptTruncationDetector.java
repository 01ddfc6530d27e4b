// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.health;

import dev.offmeter.ChatRequest;
import dev.offmeter.Message;
import dev.offmeter.Usage;
import dev.offmeter.internal.UserCode;
import dev.offmeter.internal.http.Probe;
import java.util.concurrent.atomic.AtomicBoolean;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Detects prompts that a server has cut silently, as an Ollama does behind OpenAI's API: it reports
 * how many tokens it has read, and a word is never less than one token. Text without spaces has few
 * words, and is not judged. Some servers count only what they have not cached, so this is worth one
 * log line for an endpoint, and never fails an answer. Safe for use by many threads.
 */
public final class PromptTruncationDetector {
  private static final Logger LOG = LoggerFactory.getLogger("dev.offmeter");

  /**
   * The least count that is judged: half of the smallest usual context. A lower one counts
   * something else.
   */
  private static final int LEAST = 1000;

  /** The least words per token that show a cut prompt; prose has fewer. */
  private static final double WORDS_PER_TOKEN = 1.25;

  private final String endpoint;
  private final boolean enabled;
  private final AtomicBoolean logged = new AtomicBoolean();

  public PromptTruncationDetector(String endpoint, ProbeRunner probes) {
    this.endpoint = endpoint;
    this.enabled = probes.isSupported(Probe.Kind.DETECT_OLLAMA);
  }

  /** Judges the token count of an answered request. */
  public void onAnswer(ChatRequest request, Usage usage) {
    long tokens = usage.inputTokens();
    long most = (long) (WORDS_PER_TOKEN * tokens);
    if (!enabled || tokens < LEAST || logged.get() || ResendPolicy.length(request) < 2 * most) {
      return;
    }
    long words = words(request);
    if (words > most && logged.compareAndSet(false, true)) {
      UserCode.ignore(
          () ->
              LOG.warn(
                  "endpoint {} says that it has read {} tokens of a prompt of {} words: it seems to"
                      + " cut long prompts in silence. If it is an Ollama, use Endpoint.ollama,"
                      + " which fails then; else give its model more context; said once",
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

  /** Returns the number of runs between spaces that have a letter. */
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
