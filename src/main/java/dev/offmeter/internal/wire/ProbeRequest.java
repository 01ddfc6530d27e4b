// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import java.util.function.Function;
import java.util.function.Supplier;
import okhttp3.HttpUrl;
import okhttp3.Request;

/**
 * Describes a probe and how to read its reply.
 *
 * @param request the request as HTTP; credentials are added elsewhere
 * @param reader reads the reply
 * @param loading whether the request loads the model, so that the body of its reply may take long
 *     too
 * @param mostBytes the most bytes of the reply that are read
 */
public record ProbeRequest(
    Supplier<Request.Builder> request,
    Function<ErrorResponse, ProbeResult> reader,
    boolean loading,
    long mostBytes) {
  private static final long SHORT_REPLY = 64 * 1024;

  /** Ollama describes each tensor of a model before its capabilities. */
  private static final long DESCRIPTION = 4 * 1024 * 1024;

  /** Creates a probe with a short reply. */
  public ProbeRequest(
      Supplier<Request.Builder> request,
      Function<ErrorResponse, ProbeResult> reader,
      boolean loading) {
    this(request, reader, loading, SHORT_REPLY);
  }

  /** Creates a probe whose reply describes a model. */
  public static ProbeRequest description(
      Supplier<Request.Builder> request, Function<ErrorResponse, ProbeResult> reader) {
    return new ProbeRequest(request, reader, false, DESCRIPTION);
  }

  public static ProbeRequest get(HttpUrl url, Function<ErrorResponse, ProbeResult> judge) {
    return new ProbeRequest(
        () -> new Request.Builder().url(url).header("Accept", "application/json"), judge, false);
  }
}
