// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import dev.offmeter.endpoint.Checkup;
import dev.offmeter.wire.ForeignCode;
import dev.offmeter.wire.Vitals;
import java.util.concurrent.atomic.AtomicBoolean;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Recommends {@code Endpoint.ollama} for a self-hosted server that is asked by OpenAI's API and is
 * an Ollama, whose own path tells. It is asked once, in the background, as health checks are; a
 * managed endpoint, or one of another dialect, never is. Safe for use by many threads.
 */
final class OllamaAdvice {
  private static final Logger LOG = LoggerFactory.getLogger("dev.offmeter");

  private final String endpoint;
  private final Probes probes;
  private final AtomicBoolean open;

  OllamaAdvice(String endpoint, Probes probes) {
    this.endpoint = endpoint;
    this.probes = probes;
    this.open = new AtomicBoolean(probes.can(Checkup.Kind.OLLAMA));
  }

  /** Finds out what the server is, unless that was asked before. */
  void askOnce() {
    if (open.get() && open.compareAndSet(true, false)) {
      ForeignCode.ignore(() -> probes.ask(Checkup.Kind.OLLAMA, Looks.LIMIT, this::recommend));
    }
  }

  private void recommend(Vitals ollama) {
    if (ollama.sign() == Vitals.Sign.READY) {
      ForeignCode.ignore(
          () ->
              LOG.warn(
                  "endpoint {} is asked by OpenAI's API, but is an Ollama, which cuts a long prompt"
                      + " there in silence: use Endpoint.ollama, which asks it by its own; said"
                      + " once",
                  endpoint));
    }
  }
}
