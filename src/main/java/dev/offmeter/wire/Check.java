// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.wire;

import java.util.function.Function;
import java.util.function.Supplier;
import okhttp3.HttpUrl;
import okhttp3.Request;

/**
 * A request on the side and what its reply says.
 *
 * @param request the request as HTTP; credentials are added by others
 * @param judge what a reply means
 * @param loads whether the model is loaded for it, so that the body of its reply may take long too
 */
public record Check(
    Supplier<Request.Builder> request, Function<Reply, Vitals> judge, boolean loads) {
  static Check get(HttpUrl url, Function<Reply, Vitals> judge) {
    return new Check(
        () -> new Request.Builder().url(url).header("Accept", "application/json"), judge, false);
  }
}
