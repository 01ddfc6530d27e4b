// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.health;

import dev.offmeter.internal.UserCode;
import dev.offmeter.internal.http.Probe;
import dev.offmeter.internal.wire.ProbeResult;
import java.util.concurrent.atomic.AtomicBoolean;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Recommends {@code Endpoint.ollama} for a self-hosted Ollama that is configured as an
 * OpenAI-compatible server; a path of its own gives it away. The request is sent once, in the
 * background, as health checks are, and never to a managed endpoint or one with a dialect. Safe for
 * use by many threads.
 */
public final class OllamaAdvice {
  private static final Logger LOG = LoggerFactory.getLogger("dev.offmeter");

  private final String endpoint;
  private final ProbeRunner probes;
  private final AtomicBoolean pending;

  OllamaAdvice(String endpoint, ProbeRunner probes) {
    this.endpoint = endpoint;
    this.probes = probes;
    this.pending = new AtomicBoolean(probes.isSupported(Probe.Kind.DETECT_OLLAMA));
  }

  /** Sends the request, unless it was sent before. */
  public void probeOnce() {
    if (pending.get() && pending.compareAndSet(true, false)) {
      UserCode.ignore(
          () -> probes.probe(Probe.Kind.DETECT_OLLAMA, HealthChecker.TIMEOUT, this::onProbed));
    }
  }

  private void onProbed(ProbeResult ollama) {
    if (ollama.status() == ProbeResult.Status.READY) {
      UserCode.ignore(
          () ->
              LOG.warn(
                  "endpoint {} is asked by OpenAI's API, but is an Ollama, which cuts a long prompt"
                      + " there in silence: use Endpoint.ollama, which asks it by its own; said"
                      + " once",
                  endpoint));
    }
  }
}
