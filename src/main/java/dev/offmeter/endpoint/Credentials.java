// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.endpoint;

import dev.offmeter.FailureKind;
import dev.offmeter.wire.Failure;
import dev.offmeter.wire.ForeignCode;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutionException;
import java.util.function.Supplier;
import okhttp3.Request;

/** The headers of an endpoint, put on one request, and what in them must never be shown. */
final class Credentials {
  private static final String USER_AGENT = userAgent();

  private final List<Header> headers;
  private final Aside aside;
  private final List<String> secrets = new ArrayList<>(2);

  Credentials(List<Header> headers, Aside aside) {
    this.headers = headers;
    this.aside = aside;
  }

  /**
   * Puts them on.
   *
   * @throws Failure if a credential could not be had
   */
  Request on(Request.Builder http, Progress progress) throws Failure {
    http.header("User-Agent", USER_AGENT)
        // Compression would make a proxy hold the pieces back.
        .header("Accept-Encoding", "identity")
        .tag(Progress.class, progress);
    for (Header header : headers) {
      http.header(header.name(), header.prefix() + value(header));
    }
    return http.build();
  }

  /** The values that were put on. */
  List<String> secrets() {
    return secrets;
  }

  private String value(Header header) throws Failure {
    String fixed = header.fixedValue();
    String value = fixed != null ? fixed : supplied(header);
    secrets.add(value);
    return value;
  }

  private String supplied(Header header) throws Failure {
    String value = ask(header);
    if (value == null || value.isBlank()) {
      throw unusable(header, "is " + (value == null ? "null" : "blank"));
    }
    int illegal = Header.illegalCharacter(value);
    if (illegal >= 0) {
      throw unusable(header, "has a character that no header can hold, at position " + illegal);
    }
    return value;
  }

  private String ask(Header header) throws Failure {
    Supplier<String> supplier = Objects.requireNonNull(header.supplier());
    try {
      return aside.call(supplier::get);
    } catch (ExecutionException e) {
      throw unusable(header, "could not be had: " + ForeignCode.described(e.getCause()));
    } catch (Aside.NoThread e) {
      throw Failure.of(
          FailureKind.INTERNAL,
          "the credential for header " + header.name() + " was not asked for: " + e.getMessage());
    } catch (Aside.Unanswered e) {
      throw unusable(header, "was not asked for: " + e.getMessage());
    } catch (CancellationException e) {
      throw unusable(header, "was not supplied in time");
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw unusable(header, "was interrupted");
    }
  }

  private static Failure unusable(Header header, String why) {
    return Failure.of(
        FailureKind.UNAUTHORIZED, "the credential for header " + header.name() + " " + why);
  }

  private static String userAgent() {
    String version = Credentials.class.getPackage().getImplementationVersion();
    return version == null ? "offmeter" : "offmeter/" + version;
  }
}
