// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.wire;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.databind.JsonNode;
import dev.offmeter.FailureKind;
import java.io.IOException;
import okhttp3.HttpUrl;

/**
 * {@code /api/version}, {@code /api/ps} and an {@code /api/generate} without a prompt, which loads
 * the model, as in Ollama's API documentation and as observed on 0.24 and 0.32.
 */
final class OllamaChecks {
  private final Api.Server server;

  private OllamaChecks(Api.Server server) {
    this.server = server;
  }

  static Checks of(Api.Server server) {
    OllamaChecks checks = new OllamaChecks(server);
    // With a keep_alive of zero the model is gone again before anybody could use it.
    boolean kept = server.keepAlive() == null || !server.keepAlive().isZero();
    return new Checks(
        Check.get(checks.url("api/version"), checks::version),
        kept ? Check.get(checks.url("api/ps"), checks::loaded) : null,
        kept
            ? new Check(
                () -> JsonRequest.post(checks.url("api/generate"), JSON, checks::load),
                checks::loading)
            : null);
  }

  private static final String JSON = "application/json";

  /** A name has up to three parts, and the first of three is its registry. */
  private static final String UNLISTED =
      "(?i)^([a-z]+://)?(registry\\.ollama\\.ai/(?=[^/]+/))?(library/(?=[^/]+$))?";

  private HttpUrl url(String path) {
    return server.baseUrl().newBuilder().addPathSegments(path).build();
  }

  private Vitals version(Reply reply) {
    return Vitals.of(reply, body -> Json.tree(body).path("version").isTextual());
  }

  /** What is still being loaded is listed too, so that only a load that has ended is proof. */
  private Vitals loaded(Reply reply) {
    Vitals vitals = Vitals.of(reply, body -> Json.tree(body).has("models"));
    if (vitals.sign() != Vitals.Sign.READY) {
      return vitals;
    }
    for (JsonNode model : Json.tree(reply.body()).path("models")) {
      if (isOurs(model.path("name").asText()) || isOurs(model.path("model").asText())) {
        return Vitals.READY;
      }
    }
    return Vitals.of(
        Vitals.Sign.COLD, Failure.of(FailureKind.MODEL_COLD, "the model is not in memory"));
  }

  private boolean isOurs(String name) {
    return listed(name).equalsIgnoreCase(listed(server.model()));
  }

  /** As Ollama lists it: with its tag, but without a scheme, its own registry and library. */
  private static String listed(String name) {
    return tagged(name).replaceFirst(UNLISTED, "");
  }

  private static String tagged(String name) {
    return name.indexOf(':', name.lastIndexOf('/') + 1) < 0 ? name + ":latest" : name;
  }

  /** With the same load-time options as a call: other ones would make the call load it anew. */
  private void load(JsonGenerator out) throws IOException {
    out.writeStringField("model", server.model());
    out.writeStringField("prompt", "");
    out.writeBooleanField("stream", false);
    OllamaChat.keepAlive(server.keepAlive(), out);
    out.writeObjectFieldStart("options");
    JsonRequest.options(server.options(), out);
    out.writeEndObject();
  }

  private Vitals loading(Reply reply) {
    return Vitals.of(reply, body -> Json.tree(body).path("done").asBoolean());
  }
}
