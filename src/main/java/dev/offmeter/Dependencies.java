// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Checks the libraries that a client needs, each once. A build that manages versions, such as
 * Spring Boot's, may replace one by an older one; then a method is missing, which should fail when
 * a client is built and not at its first call.
 */
final class Dependencies {
  private static final Pattern VERSION = Pattern.compile("(\\d+)\\.(\\d+).*");

  private Dependencies() {}

  /**
   * Checks what every client needs.
   *
   * @throws IllegalStateException if a library is missing or too old
   */
  static void check() {
    throwIf(Every.PROBLEM);
  }

  /** Checks what a client with servers needs in addition; throws as {@link #check}. */
  static void checkForServers() {
    throwIf(Http.PROBLEM);
    throwIf(Json.PROBLEM);
  }

  /** Checks what the address of a server needs; throws as {@link #check}. */
  static void checkForAddresses() {
    throwIf(Http.PROBLEM);
  }

  private static void throwIf(@Nullable String problem) {
    if (problem != null) {
      throw new IllegalStateException(problem);
    }
  }

  private static final class Every {
    private static final String GROUP = "io.github.resilience4j:resilience4j-";
    private static final String ROOT = "io.github.resilience4j.";

    static final @Nullable String PROBLEM =
        first(
            // The fluent API came with 2.0.
            mustHave("org.slf4j:slf4j-api", "org.slf4j.spi.LoggingEventBuilder"),
            // The functions of 1.x are those of Vavr.
            mustHave(GROUP + "core", ROOT + "core.functions.CheckedSupplier"),
            mustHave(GROUP + "circuitbreaker", ROOT + "circuitbreaker.CircuitBreaker"),
            mustHave(GROUP + "timelimiter", ROOT + "timelimiter.TimeLimiter"),
            mustHave(GROUP + "bulkhead", ROOT + "bulkhead.Bulkhead"));
  }

  private static final class Http {
    static final @Nullable String PROBLEM =
        mustBe("com.squareup.okhttp3:okhttp-jvm", 5, 0, "okhttp3.OkHttp");
  }

  private static final class Json {
    private static final String GROUP = "com.fasterxml.jackson.core:jackson-";

    /**
     * The versions from which a parser limits the number of tokens; without the limit a small reply
     * could fill the memory.
     */
    static final @Nullable String PROBLEM =
        first(
            mustBe(GROUP + "core", 2, 18, "com.fasterxml.jackson.core.json.PackageVersion"),
            mustBe(GROUP + "databind", 2, 18, "com.fasterxml.jackson.databind.cfg.PackageVersion"));
  }

  private static @Nullable String first(@Nullable String... problems) {
    for (String problem : problems) {
      if (problem != null) {
        return problem;
      }
    }
    return null;
  }

  /**
   * Returns the problem of a library, judged by a type that came with 2.0; null if there is none.
   */
  private static @Nullable String mustHave(String library, String type) {
    return type(type) == null ? problem(library, "2.0", "an older one or none was found") : null;
  }

  /**
   * Returns the problem of a library, judged by a static field VERSION; null if there is none. A
   * version that cannot be read counts as new enough.
   */
  private static @Nullable String mustBe(String library, int major, int minor, String type) {
    String needed = major + "." + minor;
    Class<?> versioned = type(type);
    if (versioned == null) {
      return problem(library, needed, "none was found");
    }
    String found = version(versioned);
    Matcher numbers = VERSION.matcher(found);
    if (!numbers.matches()) {
      return null;
    }
    int foundMajor = Integer.parseInt(numbers.group(1));
    int foundMinor = Integer.parseInt(numbers.group(2));
    boolean old = foundMajor < major || (foundMajor == major && foundMinor < minor);
    return old ? problem(library, needed, found + " was found") : null;
  }

  private static String version(Class<?> versioned) {
    try {
      // Read by reflection: the compiler would copy a constant into this class.
      return String.valueOf(versioned.getField("VERSION").get(null));
    } catch (ReflectiveOperationException | LinkageError e) {
      return "";
    }
  }

  private static @Nullable Class<?> type(String name) {
    try {
      return Class.forName(name, false, Dependencies.class.getClassLoader());
    } catch (ClassNotFoundException | LinkageError e) {
      return null;
    }
  }

  private static String problem(String library, String needed, String found) {
    return library
        + " must be "
        + needed
        + " or later, "
        + found
        + ": set its version in your build; see"
        + " https://github.com/offmeter/offmeter/blob/main/docs/configuration.md#what-it-needs";
  }
}
