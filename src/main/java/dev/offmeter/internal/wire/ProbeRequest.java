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
 */
public record ProbeRequest(
    Supplier<Request.Builder> request,
    Function<ErrorResponse, ProbeResult> reader,
    boolean loading) {
  public static ProbeRequest get(HttpUrl url, Function<ErrorResponse, ProbeResult> judge) {
    return new ProbeRequest(
        () -> new Request.Builder().url(url).header("Accept", "application/json"), judge, false);
  }
}
