// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

import dev.offmeter.internal.UserCode;
import dev.offmeter.internal.wire.Protocol;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Holds the protocol by which one endpoint is asked: the configured one, until its server refuses a
 * request of that and answers an adapted one. Safe for use by many threads.
 */
final class AdaptedProtocol {
  private static final Logger LOG = LoggerFactory.getLogger("dev.offmeter");

  private final String endpoint;
  private volatile Protocol protocol;
  private volatile boolean known;

  private final AtomicReference<Protocol.@Nullable Adaptation> postponed = new AtomicReference<>();

  AdaptedProtocol(String endpoint, Protocol configured) {
    this.endpoint = endpoint;
    this.protocol = configured;
  }

  Protocol get() {
    return protocol;
  }

  /** Returns whether the endpoint has ever answered. */
  boolean isKnown() {
    return known;
  }

  /** Keeps an adaptation that must not be tried now, for the next request. */
  void postpone(Protocol.Adaptation other) {
    postponed.set(other);
  }

  /** Returns the postponed adaptation, and forgets it; null for the usual protocol. */
  Protocol.@Nullable Adaptation takePostponed() {
    return postponed.get() == null ? null : postponed.getAndSet(null);
  }

  /**
   * Called when an answer has begun. An adaptation that led to it is used from then on.
   *
   * @param adaptation the adaptation of the request; null if there was none
   */
  void onAnswer(Protocol.@Nullable Adaptation adaptation) {
    if (!known) {
      known = true;
    }
    if (adaptation != null) {
      protocol = adaptation.protocol();
      UserCode.ignore(() -> LOG.info("endpoint {} {}", endpoint, adaptation.change()));
    }
  }
}
