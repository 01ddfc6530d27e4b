// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.endpoint;

import java.io.IOException;
import okhttp3.Interceptor;
import okhttp3.Response;

/** Tells an exchange that its connection is there, and keeps OkHttp from asking twice. */
final class Connected implements Interceptor {
  @Override
  public Response intercept(Chain chain) throws IOException {
    Progress progress = chain.request().tag(Progress.class);
    if (progress != null) {
      progress.connected();
    }
    Response response = chain.proceed(chain.request());
    String pause = response.header("Retry-After");
    if (response.code() == 503 && pause != null && pause.matches("0+")) {
      // OkHttp repeats a request by itself on "503, Retry-After: 0"; whether to is not its affair.
      return response
          .newBuilder()
          .removeHeader("Retry-After")
          .header("Retry-After-Ms", "0")
          .build();
    }
    return response;
  }
}
