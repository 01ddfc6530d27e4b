// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import dev.offmeter.internal.UserCode;
import dev.offmeter.internal.http.EndpointConfig;
import java.time.Duration;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Logs one INFO line for each endpoint when a client is built, in the order in which they are
 * asked.
 */
final class StartupLog {
  private static final Logger LOG = LoggerFactory.getLogger("dev.offmeter");

  private StartupLog() {}

  /** Writes the lines. */
  static void write(List<Endpoint> endpoints, List<EndpointConfig> configs) {
    UserCode.ignore(() -> lines(endpoints, configs));
  }

  private static void lines(List<Endpoint> endpoints, List<EndpointConfig> configs) {
    if (!LOG.isInfoEnabled()) {
      return;
    }
    for (int i = 0; i < configs.size(); i++) {
      Endpoint endpoint = endpoints.get(i);
      LOG.atInfo()
          .addKeyValue("endpoint", endpoint.name())
          .log("endpoint {} of {}: {}", i + 1, configs.size(), line(endpoint, configs.get(i)));
    }
  }

  private static String line(Endpoint endpoint, EndpointConfig config) {
    String server = config.isLocal() ? "" : " " + endpoint.model() + " at " + endpoint.origin();
    return endpoint.name()
        + ", "
        + endpoint.type()
        + server
        + ", timeout "
        + seconds(config.timeouts().attempt())
        + ", "
        + (config.locality() == Locality.MANAGED ? "managed" : "self-hosted");
  }

  private static String seconds(Duration timeout) {
    long millis = timeout.toMillis();
    return millis % 1000 == 0 ? millis / 1000 + " s" : millis + " ms";
  }
}
