// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import dev.offmeter.FailureKind;
import dev.offmeter.FinishReason;
import dev.offmeter.Usage;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.UserCode;
import okhttp3.HttpUrl;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Whether an end marker makes an answer of one server whole without a finish reason. By default it
 * does not, for vLLM, TGI and LocalAI send theirs after an error too. Some servers never give a
 * reason: one whose replies have ended so twice in a row, each with its body ended in good order,
 * is taken for such, from the second of them on, until it gives one. Safe for use by many threads.
 */
public final class EndMarkerPolicy {
  private static final Logger LOG = LoggerFactory.getLogger("dev.offmeter");
  private static final int ENOUGH = 2;

  private final String server;
  private final boolean always;
  private int alone;
  private boolean reasons;

  public EndMarkerPolicy(ProtocolDescriptor.ServerConfig server) {
    HttpUrl url = server.baseUrl();
    this.server =
        "model " + server.model() + " at " + url.scheme() + "://" + url.host() + ":" + url.port();
    this.always = server.endMarkerIsEnough();
  }

  /** Whether the marker alone is enough. */
  public synchronized boolean isMarkerEnough() {
    return always || (alone >= ENOUGH && !reasons);
  }

  /**
   * The reason of a reply that ended with its marker, in good order.
   *
   * @param any whether it is an answer to anything
   * @throws AttemptException if there is none and the marker is not enough
   */
  public FinishReason reason(FinishReasonTracker given, boolean any, Usage usage, int maxTokens)
      throws AttemptException {
    if (given.hasReason()) {
      onMarkerWithReason();
      return given.reason();
    }
    if (any) {
      onMarkerAlone();
    }
    if (!isMarkerEnough()) {
      throw AttemptException.of(
          FailureKind.MISSING_END_MARKER,
          "the answer ended with its end marker but without a finish reason; a server that never"
              + " gives one needs endMarkerIsEnough(true)");
    }
    return usage.outputTokens() >= maxTokens ? FinishReason.LENGTH : FinishReason.STOP;
  }

  private synchronized void onMarkerAlone() {
    if (alone < ENOUGH && ++alone == ENOUGH && !reasons && !always) {
      UserCode.ignore(
          () ->
              LOG.warn(
                  "{} gives no finish reason: from now on its end marker is taken to make an answer"
                      + " whole. Set endMarkerIsEnough(true) for it to have that from the start.",
                  server));
    }
  }

  /** A reply has ended with neither. */
  public synchronized void onMissing() {
    alone = alone < ENOUGH ? 0 : alone;
  }

  private synchronized void onMarkerWithReason() {
    reasons = true;
  }
}
