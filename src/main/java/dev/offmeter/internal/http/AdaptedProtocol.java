// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

import dev.offmeter.internal.UserCode;
import dev.offmeter.internal.wire.Protocol;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * How one endpoint is asked: as configured, until its server refuses that and answers another way.
 * Safe for use by many threads.
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

  /** Whether the endpoint has ever answered. */
  boolean isKnown() {
    return known;
  }

  /** Another way was found, and must not be tried now: the next request goes that way. */
  void postpone(Protocol.Adaptation other) {
    postponed.set(other);
  }

  /** The other way that is to be tried, once; null for the usual one. */
  Protocol.@Nullable Adaptation takePostponed() {
    return postponed.get() == null ? null : postponed.getAndSet(null);
  }

  /**
   * Called when an answer has begun.
   *
   * @param adaptation the way it was asked; null if that is the usual one
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
