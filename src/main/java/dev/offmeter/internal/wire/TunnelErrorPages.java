// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Recognizes the replies of tunnels' own gateways, whatever their status, by their documented
 * marks.
 *
 * <p>Sources: ngrok's reference of its errors ({@code ngrok-error-code} and {@code ERR_NGROK_...}
 * in the page); frp's source, {@code pkg/util/vhost/resource.go}; localtunnel's server, {@code
 * server.js}, which answers a name without a tunnel with {@code 404} alone, and reports of its
 * {@code 503 - Tunnel Unavailable}; reports of localhost.run's {@code no tunnel here :(}. Serveo,
 * Pinggy, zrok and Microsoft's dev tunnels document no words, so only a page that states that the
 * tunnel is missing is recognized. Bore and Tailscale Funnel have no page: their connections fail.
 * {@link HttpErrorClassifier} knows Cloudflare's.
 */
final class TunnelErrorPages {
  private static final Pattern NGROK = Pattern.compile("ERR_NGROK_(\\d{1,6})");

  /** The bytes of a page that are read; ngrok's is 3 KB, with the code at its end. */
  private static final int READ = 16 * 1024;

  private static final Pattern GONE =
      Pattern.compile(
          "faithfully yours, frp"
              + "|\\btunnel (is |was )?(currently )?(unavailable|offline|not found|not active|inactive|"
              + "expired|disconnected|not connected|closed|does not exist|doesn't exist)"
              + "|\\bno (such |active )?tunnel (here|found|for|is|exists|connected|available)"
              + "|\\bno active client for"
              + "|\\bno active tunnel");

  private TunnelErrorPages() {}

  static Optional<AttemptException> of(ErrorResponse reply, ErrorBody error) {
    String said = error.json() ? QuotationStripper.cut(error.message()) : reply.body();
    String page = said.length() > READ ? said.substring(0, READ) : said;
    int ngrok = ngrok(reply, error.json() ? "" : page);
    if (ngrok != 0) {
      return ngrok(ngrok);
    }
    boolean gone = GONE.matcher(page.toLowerCase(Locale.ROOT)).find();
    boolean localtunnel = reply.status() == 404 && page.strip().equals("404");
    return gone || localtunnel
        ? Optional.of(
            AttemptException.of(FailureKind.TUNNEL_DOWN, "the tunnel's gateway has no tunnel"))
        : Optional.empty();
  }

  private static int ngrok(ErrorResponse reply, String page) {
    String header = reply.headers().get("ngrok-error-code");
    Matcher code = NGROK.matcher(header != null ? header : page);
    return code.find() ? Integer.parseInt(code.group(1)) : 0;
  }

  private static Optional<AttemptException> ngrok(int code) {
    String name = "ngrok error ERR_NGROK_" + code;
    return switch (code) {
      case 3200 ->
          Optional.of(
              AttemptException.of(FailureKind.TUNNEL_DOWN, name + ": no agent is connected"));
      case 8012 ->
          Optional.of(
              AttemptException.of(
                  FailureKind.TUNNEL_DOWN, name + ": the agent cannot reach the server"));
      case 6022, 6024 ->
          Optional.of(
              AttemptException.of(
                  FailureKind.BOT_CHALLENGE, name + ": a page for browsers, not the server"));
      case 725, 726, 727 ->
          Optional.of(
              AttemptException.of(
                  FailureKind.QUOTA_EXCEEDED, name + ": the account's limit is reached"));
      case 734 ->
          Optional.of(
              AttemptException.of(FailureKind.RATE_LIMITED, name + ": too many requests a minute"));
      default -> {
        // Codes from 3000 on are of ngrok's gateway, from 8000 on of its agent.
        boolean gateway = (code >= 3000 && code < 3300) || (code >= 8000 && code < 8100);
        yield gateway
            ? Optional.of(
                AttemptException.of(FailureKind.TUNNEL_DOWN, name + ": the tunnel gives no answer"))
            : Optional.empty();
      }
    };
  }
}
