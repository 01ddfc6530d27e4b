// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.wire;

import dev.offmeter.Endpoint;
import java.time.Duration;
import java.util.Map;
import java.util.Set;
import okhttp3.HttpUrl;
import org.jspecify.annotations.Nullable;

/**
 * What sets one kind of server apart when an endpoint is built. Each protocol has one, in its own
 * file.
 *
 * @param keyHeader the header that carries the key
 * @param keyPrefix what stands before the key in it
 * @param ownOptions options that the request decides, and no endpoint may fix
 * @param notTheRoot a pattern of paths that show a base URL to be more than a root
 * @param managed whether such servers are somebody else's
 * @param maker makes the protocol for one endpoint
 */
public record Api(
    String keyHeader,
    String keyPrefix,
    Set<String> ownOptions,
    String notTheRoot,
    boolean managed,
    Maker maker) {
  /** Makes the protocol for one endpoint. */
  public interface Maker {
    /** The protocol of one model on one server. */
    Protocol make(Server server);
  }

  /**
   * One model on one server.
   *
   * @param baseUrl its root
   * @param model the model's name
   * @param options sent with every request
   * @param keepAlive how long the model stays loaded, negative for ever, null for the server's own
   * @param dialect how an OpenAI-compatible server differs from others
   * @param maxLineBytes the most bytes of one line of a reply
   * @param maxAnswerBytes the most bytes of a whole reply
   */
  public record Server(
      HttpUrl baseUrl,
      String model,
      Map<String, Object> options,
      @Nullable Duration keepAlive,
      Endpoint.Dialect dialect,
      long maxLineBytes,
      long maxAnswerBytes) {
    EventReading.Sizes sizes() {
      return new EventReading.Sizes(maxLineBytes, maxAnswerBytes);
    }
  }
}
