// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import dev.offmeter.internal.http.Header;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Pattern;

/** Checks an endpoint's headers, each alone and all together. */
final class HeaderRules {
  static final String AUTHORIZATION = "Authorization";
  static final String ACCESS_ID = "CF-Access-Client-Id";
  static final String ACCESS_SECRET = "CF-Access-Client-Secret";

  private static final List<String> FRAMING =
      List.of(
          "accept-encoding",
          "connection",
          "content-encoding",
          "content-length",
          "content-type",
          "transfer-encoding",
          "user-agent");

  /** A scheme or a header name before the value, as copied from examples and dashboards. */
  private static final Pattern NAMED =
      Pattern.compile(
          "(?is)(bearer|basic|token|api-?key)\\s.*"
              + "|((proxy-)?authorization|(x-|x-goog-)?api-?key|cf-access-client-(id|secret)):.*");

  private HeaderRules() {}

  static String name(String name) {
    Preconditions.notBlank("header name", name);
    if (!name.matches("[A-Za-z0-9!#$%&'*+.^_`|~-]+")) {
      throw new IllegalArgumentException("header name must be a token, was '" + name + "'");
    }
    if (FRAMING.contains(name.toLowerCase(Locale.ROOT))) {
      throw new IllegalArgumentException("header name is the client's own, was '" + name + "'");
    }
    return name;
  }

  static String value(String field, String value) {
    if (value.isBlank()) {
      throw new IllegalArgumentException(field + " must not be blank, was ***");
    }
    int illegal = Header.illegalCharacter(value);
    if (illegal >= 0) {
      throw new IllegalArgumentException(
          field + " must hold printable ASCII only, was *** with another at position " + illegal);
    }
    return value;
  }

  /** Returns a key or token that stands alone, without a scheme or header name. */
  static String credential(String field, String value) {
    String checked = value(field, value);
    Optional<String> mistake = ValueMistakes.find(checked);
    if (mistake.isPresent()) {
      throw new IllegalArgumentException(field + " " + mistake.get() + ", was ***");
    }
    if (NAMED.matcher(checked).matches()) {
      throw new IllegalArgumentException(
          field + " must be the value alone, without Bearer or a header's name, was ***");
    }
    if (checked.chars().anyMatch(Character::isWhitespace)) {
      throw new IllegalArgumentException(field + " must not hold a space, was ***");
    }
    return checked;
  }

  /**
   * Returns whether a header replaces an earlier one. A key and an {@code Authorization} of the
   * caller's own are both kept, so that {@code build()} can reject the pair.
   */
  static boolean isReplacing(Header header, Header before) {
    return isNamed(before, header.name()) && before.prefix().equals(header.prefix());
  }

  /** Returns the rule that the headers together violate, if any. */
  static Optional<String> violation(List<Header> headers) {
    if (count(headers, AUTHORIZATION) > 1) {
      return Optional.of("must have either an apiKey or a header Authorization, had both");
    }
    boolean id = count(headers, ACCESS_ID) > 0;
    boolean secret = count(headers, ACCESS_SECRET) > 0;
    return id == secret
        ? Optional.empty()
        : Optional.of(
            "must have both halves of a Cloudflare Access token, header "
                + (id ? ACCESS_SECRET : ACCESS_ID)
                + " is missing");
  }

  private static int count(List<Header> headers, String name) {
    int count = 0;
    for (Header header : headers) {
      if (isNamed(header, name)) {
        count++;
      }
    }
    return count;
  }

  private static boolean isNamed(Header header, String name) {
    return header.name().equalsIgnoreCase(name);
  }
}
