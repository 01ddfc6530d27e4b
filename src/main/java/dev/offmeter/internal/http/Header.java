// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

import java.util.Locale;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * A header that an endpoint wants on every request. A value from a supplier is asked for anew each
 * time, so that it can rotate.
 */
public final class Header {
  private static final Pattern SENSITIVE =
      Pattern.compile(".*(access|auth|key|token|secret|cookie|password|credential|jwt).*");

  private final String name;
  private final String prefix;
  private final @Nullable String fixed;
  private final @Nullable Supplier<String> supplied;

  private Header(
      String name, String prefix, @Nullable String fixed, @Nullable Supplier<String> supplied) {
    this.name = name;
    this.prefix = prefix;
    this.fixed = fixed;
    this.supplied = supplied;
  }

  /** A header whose value never changes. */
  public static Header fixed(String name, String prefix, String value) {
    return new Header(name, prefix, value, null);
  }

  /** A header whose value is asked for at every request. */
  public static Header supplied(String name, String prefix, Supplier<String> value) {
    return new Header(name, prefix, null, value);
  }

  /** The position of the first character that a header value cannot hold, or -1. */
  public static int illegalCharacter(String value) {
    for (int i = 0; i < value.length(); i++) {
      char c = value.charAt(i);
      if (c != '\t' && (c < ' ' || c > '~')) {
        return i;
      }
    }
    return -1;
  }

  /** The header's name. */
  public String name() {
    return name;
  }

  /** Returns the word before the value, such as {@code Bearer}. */
  public String prefix() {
    return prefix;
  }

  /** Returns whether the value is a credential: supplied, or under a name that says so. */
  public boolean isCredential() {
    return supplied != null || SENSITIVE.matcher(name.toLowerCase(Locale.ROOT)).matches();
  }

  /** The value, if it never changes. */
  public @Nullable String fixedValue() {
    return fixed;
  }

  /** Returns the supplier of a value that may change. */
  @Nullable Supplier<String> supplier() {
    return supplied;
  }

  /** The name only. */
  @Override
  public String toString() {
    return name + ": ***";
  }
}
