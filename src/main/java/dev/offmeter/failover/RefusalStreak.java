// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import dev.offmeter.ChatRequest;
import dev.offmeter.FailureKind;
import dev.offmeter.Message;
import dev.offmeter.wire.Failure;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Refusals in a row at one endpoint that by themselves are the request's or the model's fault. When
 * different requests meet them, and no request has an answer between, the fault is the endpoint's,
 * in words that nobody foresaw. Keeps hashes, never texts. Safe for use by many threads.
 */
final class RefusalStreak {
  private static final int ENOUGH = 5;

  private static final Set<FailureKind> REFUSALS =
      EnumSet.of(
          FailureKind.BAD_REQUEST,
          FailureKind.CONTEXT_OVERFLOW,
          FailureKind.MODEL_STOPPED,
          FailureKind.THINKING_ONLY);

  private final Set<Long> requests = new HashSet<>();
  private volatile boolean empty = true;

  /**
   * An attempt has failed.
   *
   * @return why the endpoint is to be left alone; null if it is not
   */
  synchronized @Nullable Failure onFailure(Failure failure, ChatRequest request) {
    if (!REFUSALS.contains(failure.kind())) {
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

  /** A request has its answer. */
  void onAnswer() {
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
