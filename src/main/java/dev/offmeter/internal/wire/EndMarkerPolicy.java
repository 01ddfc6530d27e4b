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
 * Decides whether an end marker without a finish reason completes the answers of one server. By
 * default it does not, because vLLM, TGI and LocalAI send theirs after an error too. Some servers
 * never send a reason: if two replies in a row end so, each with a cleanly ended body, the server
 * counts as one of those, from the second reply on, until it sends a reason. Safe for use by many
 * threads.
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

  /** Returns whether the marker alone is enough. */
  public synchronized boolean isMarkerEnough() {
    return always || (alone >= ENOUGH && !reasons);
  }

  /**
   * Returns the reason of a reply that ended with its marker and a cleanly ended body.
   *
   * @param any whether the reply has any answer
   * @throws AttemptException if there is no reason and the marker is not enough
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

  /** Called when a reply has ended with neither. */
  public synchronized void onMissing() {
    alone = alone < ENOUGH ? 0 : alone;
  }

  private synchronized void onMarkerWithReason() {
    reasons = true;
  }
}
