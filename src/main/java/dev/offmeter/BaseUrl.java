// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import java.util.Optional;
import java.util.regex.Pattern;
import okhttp3.HttpUrl;

/** Checks an endpoint's base URL. */
final class BaseUrl {
  private static final Pattern ABSOLUTE = Pattern.compile("(?is)https?://[^/\\\\].*");
  private static final Pattern TWICE = Pattern.compile("(?is).*://.*://.*|https?://https?(:?/.*)?");
  private static final Pattern HOST = Pattern.compile("[A-Za-z0-9._:-]+");

  private BaseUrl() {}

  /**
   * Returns the parsed base URL.
   *
   * @param notTheRoot a pattern of paths that are more than the server's root
   * @param hasPath whether {@code Endpoint.Builder.path} can set the path of a call
   */
  static HttpUrl parse(String endpoint, String value, String notTheRoot, boolean hasPath) {
    HttpUrl url = HttpUrl.parse(value);
    Optional<String> mistake = ValueMistakes.find(value);
    if (mistake.isPresent() && !value.isBlank()) {
      throw wrong(endpoint, mistake.get(), masked(value));
    }
    if (url == null || !ABSOLUTE.matcher(value).matches()) {
      throw wrong(endpoint, "must be an absolute http or https URL", masked(value));
    }
    if (TWICE.matcher(value).matches()) {
      throw wrong(endpoint, "must have one scheme", masked(value));
    }
    if (!url.username().isEmpty() || !url.password().isEmpty()) {
      throw wrong(endpoint, "must not carry user-info; use apiKey or header", masked(value));
    }
    if (!HOST.matcher(url.host()).matches()) {
      throw wrong(endpoint, "must have the name or address of a host", masked(value));
    }
    if (url.query() != null || url.fragment() != null) {
      throw wrong(endpoint, "must not have a query or a fragment", masked(value));
    }
    if (url.encodedPath().matches(notTheRoot)) {
      throw wrong(
          endpoint,
          "must be the server's root, without the path of a call"
              + (hasPath ? " (path sets one)" : ""),
          masked(value));
    }
    return url;
  }

  /** Returns scheme, host, and the port unless it is the scheme's default. */
  static String origin(HttpUrl url) {
    String host = url.host().indexOf(':') >= 0 ? "[" + url.host() + "]" : url.host();
    boolean usual = url.port() == HttpUrl.defaultPort(url.scheme());
    return url.scheme() + "://" + host + (usual ? "" : ":" + url.port());
  }

  static boolean isLoopback(HttpUrl url) {
    String host = url.host();
    return host.equals("localhost")
        || host.endsWith(".localhost")
        || host.equals("::1")
        || host.matches("127\\.\\d+\\.\\d+\\.\\d+");
  }

  private static IllegalArgumentException wrong(String endpoint, String rule, String value) {
    return new IllegalArgumentException(
        "endpoint '"
            + endpoint
            + "': baseUrl "
            + rule
            + ", was '"
            + ValueMistakes.shown(value)
            + "'");
  }

  /**
   * Returns the value without anything that might be a password before the host, or a key after the
   * path. A password may hold any character that separates parts of a URL, so everything up to the
   * last {@code @} is masked.
   */
  private static String masked(String value) {
    return value
        .replaceFirst("(?is)^(https?:[/\\\\]*)?.*@", "$1***@")
        .replaceFirst("(?s)[?#].*", "?***");
  }
}
