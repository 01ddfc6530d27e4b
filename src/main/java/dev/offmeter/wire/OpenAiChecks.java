// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.wire;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import dev.offmeter.Dialect;
import dev.offmeter.FailureKind;
import okhttp3.HttpUrl;
import org.jspecify.annotations.Nullable;

/**
 * How OpenAI-compatible servers show that they are well: {@code /health} of vLLM, TGI and
 * llama-server, {@code /readyz} of LocalAI, as in their sources; the list of models everywhere
 * else.
 */
final class OpenAiChecks {
  private OpenAiChecks() {}

  /**
   * The checks of one server.
   *
   * @param versioned where its list of models is
   * @param chat where it is asked
   * @param oneToken the shortest request; null if its length cannot be limited
   */
  static Checks of(
      Api.Server server, HttpUrl versioned, HttpUrl chat, JsonRequest.@Nullable Body oneToken) {
    HttpUrl root = root(versioned);
    Check alive =
        switch (server.dialect()) {
          // Theirs have an empty body; llama-server's and LocalAI's say little more.
          case VLLM, TGI, LLAMA_SERVER -> health(root, "health");
          case LOCAL_AI -> health(root, "readyz");
          default -> Check.get(at(versioned, "models"), reply -> models(reply, server.model()));
        };
    Check shortest = oneToken == null ? null : oneToken(chat, oneToken);
    if (server.dialect() == Dialect.OLLAMA) {
      Api.Server atRoot = server.at(root);
      Checks ollama = OllamaChecks.of(atRoot, new OllamaContext(atRoot));
      return new Checks(
          alive, ollama.resident(), ollama.load(), null, shortest, OllamaChecks.isOllama(root));
    }
    boolean generic = server.dialect() == Dialect.GENERIC;
    return new Checks(
        alive, null, null, null, shortest, generic ? OllamaChecks.isOllama(root) : null);
  }

  private static Check oneToken(HttpUrl chat, JsonRequest.Body request) {
    return new Check(
        () -> JsonRequest.post(chat, "application/json", request), OpenAiChecks::generated, true);
  }

  private static Vitals generated(Reply reply) {
    JsonNode body = reply.status() == 200 ? Json.tree(reply.body()) : MissingNode.getInstance();
    // A server may stream all the same.
    return InBandError.isIn(body)
        ? Vitals.ofError(InBandError.of(body).withStatus(200))
        : Vitals.of(reply, text -> text.contains("\"choices\""));
  }

  private static Check health(HttpUrl root, String path) {
    return Check.get(at(root, path), reply -> Vitals.of(reply, body -> !Refusals.isHtml(body)));
  }

  private static Vitals models(Reply reply, String model) {
    Vitals vitals = Vitals.of(reply, body -> Json.begins(body, "data", "models"));
    return vitals.sign() == Vitals.Sign.READY && isUnlisted(reply.body(), model)
        ? Vitals.of(
            Vitals.Sign.READY,
            Failure.of(FailureKind.MODEL_NOT_FOUND, "the model is not listed").withStatus(200))
        : vitals;
  }

  /** Some servers list no alias, and a long list is cut: only a call can tell for certain. */
  private static boolean isUnlisted(String body, String model) {
    JsonNode data = Json.tree(body).path("data");
    for (JsonNode entry : data) {
      if (entry.path("id").asText().equalsIgnoreCase(model)) {
        return false;
      }
    }
    return data.isArray();
  }

  static HttpUrl at(HttpUrl base, String path) {
    return base.newBuilder().addPathSegments(path).build();
  }

  /** The version is the last part of the path but for what Gemini puts after it. */
  static HttpUrl root(HttpUrl versioned) {
    String path = versioned.encodedPath().replaceFirst("/v\\d+[a-z]*(/openai)?/?$", "/");
    return versioned.newBuilder().encodedPath(path).build();
  }
}
