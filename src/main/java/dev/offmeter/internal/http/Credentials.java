// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.UserCode;
import java.lang.module.ModuleDescriptor;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutionException;
import java.util.function.Supplier;
import okhttp3.Request;

/**
 * Applies an endpoint's headers to one request, and remembers their values, which must never be
 * shown.
 */
final class Credentials {
  private static final String USER_AGENT = userAgent();

  private final List<Header> headers;
  private final OffloadedTask offloadedTask;
  private final List<String> secrets = new ArrayList<>(2);

  Credentials(List<Header> headers, OffloadedTask offloadedTask) {
    this.headers = headers;
    this.offloadedTask = offloadedTask;
  }

  /**
   * Applies the headers.
   *
   * @throws AttemptException if a credential could not be obtained
   */
  Request apply(Request.Builder http, ExchangeListener listener) throws AttemptException {
    http.header("User-Agent", USER_AGENT)
        // Compression would make a proxy buffer a stream until it has enough to compress.
        .header("Accept-Encoding", "identity")
        .tag(ExchangeListener.class, listener);
    for (Header header : headers) {
      http.header(header.name(), header.prefix() + value(header));
    }
    return http.build();
  }

  /** Returns the values of the headers that were applied. */
  List<String> secrets() {
    return secrets;
  }

  private String value(Header header) throws AttemptException {
    String fixed = header.fixedValue();
    String value = fixed != null ? fixed : supplied(header);
    secrets.add(value);
    return value;
  }

  private String supplied(Header header) throws AttemptException {
    String value = askSupplier(header);
    if (value == null || value.isBlank()) {
      throw unusable(header, "is " + (value == null ? "null" : "blank"));
    }
    int illegal = Header.illegalCharacter(value);
    if (illegal >= 0) {
      throw unusable(header, "has a character that no header can hold, at position " + illegal);
    }
    return value;
  }

  private String askSupplier(Header header) throws AttemptException {
    Supplier<String> supplier = Objects.requireNonNull(header.supplier());
    try {
      return offloadedTask.call(supplier::get);
    } catch (ExecutionException e) {
      throw unusable(header, "could not be obtained: " + UserCode.describe(e.getCause()));
    } catch (OffloadedTask.NoThreadException e) {
      throw AttemptException.of(
          FailureKind.INTERNAL,
          "the credential for header " + header.name() + " was not asked for: " + e.getMessage());
    } catch (OffloadedTask.EarlierTaskHangsException e) {
      throw unusable(header, "was not asked for: " + e.getMessage());
    } catch (CancellationException e) {
      throw unusable(header, "was not supplied in time");
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw unusable(header, "was interrupted");
    }
  }

  private static AttemptException unusable(Header header, String why) {
    return AttemptException.of(
        FailureKind.UNAUTHORIZED, "the credential for header " + header.name() + " " + why);
  }

  private static String userAgent() {
    ModuleDescriptor module = Credentials.class.getModule().getDescriptor();
    String version =
        module == null
            ? Credentials.class.getPackage().getImplementationVersion()
            : module.rawVersion().orElse(null);
    return version == null ? "offmeter" : "offmeter/" + version;
  }
}
