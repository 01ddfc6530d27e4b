// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.testkit;

import java.io.IOException;
import org.jspecify.annotations.Nullable;

/**
 * Replies as Cloudflare's edge does when no tunnel is connected, as in its documentation of error
 * 1033 and of RFC 9457 bodies: JSON for a client that accepts it, else a page.
 */
final class TunnelPage {
  private static final String PROBLEM =
      JsonText.of(
          JsonText.object(
              "title",
              "Error 1033: Cloudflare Tunnel error",
              "status",
              530,
              "error_code",
              1033,
              "error_name",
              "tunnel_error",
              "cloudflare_error",
              true,
              "retryable",
              true,
              "retry_after",
              120));

  private static final String PAGE =
      "<!DOCTYPE html><html><head><title>Cloudflare Tunnel error</title></head>"
          + "<body><h1>Error 1033</h1></body></html>";

  private TunnelPage() {}

  static void send(HttpConnection connection, HttpConnection.Request request) throws IOException {
    boolean json = acceptsJson(request.header("Accept"));
    connection.respond(
        530,
        json ? "application/problem+json" : "text/html; charset=UTF-8",
        json ? PROBLEM : PAGE,
        "Server: cloudflare",
        "CF-RAY: 8f0000000000abcd-FRA",
        "Retry-After: 120");
  }

  private static boolean acceptsJson(@Nullable String accept) {
    return accept != null && accept.contains("json");
  }
}
