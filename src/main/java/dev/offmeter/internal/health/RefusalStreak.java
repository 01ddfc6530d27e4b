// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.health;

import dev.offmeter.ChatRequest;
import dev.offmeter.FailureKind;
import dev.offmeter.Message;
import dev.offmeter.internal.AttemptException;
import java.util.HashSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Counts refusals in a row at one endpoint that by themselves are the request's or the model's
 * fault. When different requests are refused, and none is answered between, the fault is the
 * endpoint's, reported in words that no rule knows. Keeps hashes, never texts. Safe for use by many
 * threads.
 */
public final class RefusalStreak {
  private static final int ENOUGH = 5;

  // Written under the lock of this; what is volatile is read without it.
  private final Set<Long> requests = new HashSet<>();
  private volatile boolean empty = true;

  /**
   * Records a failed attempt.
   *
   * @return why the endpoint must go DOWN; null if it need not
   */
  synchronized @Nullable public AttemptException onFailure(
      AttemptException failure, ChatRequest request) {
    if (!isUnforeseen(failure.kind(), request)) {
      return null;
    }
    empty = false;
    if (requests.size() < ENOUGH) {
      requests.add(hash(request));
    }
    return requests.size() < ENOUGH
        ? null
        : failure.withMessage(
            ENOUGH
                + " different requests in a row refused, and none answered: "
                + failure.message());
  }

  /**
   * Returns whether the cause is unknown. A prompt that is too long, an image where a model may
   * read none, thinking without end, and a model that writes broken tool calls are understood, and
   * say nothing about the next caller's request.
   */
  private static boolean isUnforeseen(FailureKind kind, ChatRequest request) {
    return (kind == FailureKind.BAD_REQUEST && !hasImages(request))
        || (kind == FailureKind.MODEL_STOPPED && request.tools().isEmpty());
  }

  private static boolean hasImages(ChatRequest request) {
    return request.messages().stream().anyMatch(message -> !message.images().isEmpty());
  }

  /** Records an answer. */
  public void onAnswer() {
    if (!empty) {
      clear();
    }
  }

  private synchronized void clear() {
    requests.clear();
    empty = true;
  }

  private static long hash(ChatRequest request) {
    long hash = 0;
    for (Message message : request.messages()) {
      hash = 31 * hash + message.role().name().hashCode();
      hash = 1_000_003 * hash + message.content().hashCode();
    }
    return hash;
  }
}
