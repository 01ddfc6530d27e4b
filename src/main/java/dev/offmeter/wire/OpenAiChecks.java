// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.wire;

import okhttp3.HttpUrl;

/**
 * How OpenAI-compatible servers show that they are well: {@code /health} of vLLM, TGI and
 * llama-server, {@code /readyz} of LocalAI, as in their sources; the list of models everywhere
 * else.
 */
final class OpenAiChecks {
  private OpenAiChecks() {}

  static Checks of(Api.Server server, HttpUrl versioned) {
    HttpUrl root = root(versioned);
    Check alive =
        switch (server.dialect()) {
          // Theirs have an empty body; llama-server's and LocalAI's say little more.
          case VLLM, TGI, LLAMA_SERVER -> health(root, "health");
          case LOCAL_AI -> health(root, "readyz");
          default -> Check.get(at(versioned, "models"), OpenAiChecks::models);
        };
    return new Checks(alive, null, null);
  }

  private static Check health(HttpUrl root, String path) {
    return Check.get(at(root, path), reply -> Vitals.of(reply, body -> !Refusals.isHtml(body)));
  }

  private static Vitals models(Reply reply) {
    return Vitals.of(reply, body -> Json.begins(body, "data", "models"));
  }

  private static HttpUrl at(HttpUrl base, String path) {
    return base.newBuilder().addPathSegments(path).build();
  }

  /** The version is the last part of the path but for what Gemini puts after it. */
  private static HttpUrl root(HttpUrl versioned) {
    String path = versioned.encodedPath().replaceFirst("/v\\d+[a-z]*(/openai)?/?$", "/");
    return versioned.newBuilder().encodedPath(path).build();
  }
}
