// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire.openai;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import dev.offmeter.Capability;
import dev.offmeter.Dialect;
import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.json.Json;
import dev.offmeter.internal.wire.ErrorResponse;
import dev.offmeter.internal.wire.HttpErrorClassifier;
import dev.offmeter.internal.wire.InBandError;
import dev.offmeter.internal.wire.JsonRequest;
import dev.offmeter.internal.wire.ModelTraits;
import dev.offmeter.internal.wire.ProbeRequest;
import dev.offmeter.internal.wire.ProbeResult;
import dev.offmeter.internal.wire.ProtocolDescriptor;
import dev.offmeter.internal.wire.ServerProbes;
import dev.offmeter.internal.wire.TokenCount;
import dev.offmeter.internal.wire.ollama.OllamaContextWindow;
import dev.offmeter.internal.wire.ollama.OllamaProbes;
import java.util.EnumSet;
import java.util.Set;
import okhttp3.HttpUrl;
import org.jspecify.annotations.Nullable;

/**
 * Probes OpenAI-compatible servers: {@code /health} of vLLM, TGI and llama-server, {@code /readyz}
 * of LocalAI, as in their sources; the list of models everywhere else.
 */
final class OpenAiProbes {
  private OpenAiProbes() {}

  /**
   * Returns the probes of one server.
   *
   * @param versioned the base URL of the list of models
   * @param chat the URL of calls
   * @param oneToken the shortest request; null if its length cannot be limited
   */
  static ServerProbes of(
      ProtocolDescriptor.ServerConfig server,
      HttpUrl versioned,
      HttpUrl chat,
      JsonRequest.@Nullable Body oneToken) {
    HttpUrl root = root(versioned);
    ProbeRequest alive =
        switch (server.dialect()) {
          // The body is empty at vLLM and TGI, and says little more at llama-server and LocalAI.
          case VLLM, TGI, LLAMA_SERVER -> health(root, "health");
          case LOCAL_AI -> health(root, "readyz");
          default ->
              ProbeRequest.get(at(versioned, "models"), reply -> models(reply, server.model()));
        };
    ProbeRequest shortest = oneToken == null ? null : oneToken(chat, oneToken);
    if (server.dialect() == Dialect.OLLAMA) {
      ProtocolDescriptor.ServerConfig atRoot = server.at(root);
      ServerProbes ollama = OllamaProbes.of(atRoot, new OllamaContextWindow(atRoot));
      return new ServerProbes(
          alive,
          ollama.modelLoaded(),
          ollama.loadModel(),
          null,
          shortest,
          ollama.modelInfo(),
          OllamaProbes.isOllama(root));
    }
    boolean generic = server.dialect() == Dialect.GENERIC;
    return new ServerProbes(
        alive,
        null,
        null,
        null,
        shortest,
        server.dialect() == Dialect.LLAMA_SERVER ? props(root) : null,
        generic ? OllamaProbes.isOllama(root) : null);
  }

  /**
   * Asks llama-server, which holds any model to a schema, for the context of one slot and whether
   * the model reads images, as observed on 0.7.0.
   */
  private static ProbeRequest props(HttpUrl root) {
    ProbeRequest get = ProbeRequest.get(at(root, "props"), OpenAiProbes::description);
    return ProbeRequest.description(get.request(), get.reader());
  }

  private static ProbeResult description(ErrorResponse reply) {
    String settings = "default_generation_settings";
    ProbeResult probeResult = ProbeResult.of(reply, body -> Json.isObjectWith(body, settings));
    if (probeResult.status() != ProbeResult.Status.READY) {
      return probeResult;
    }
    JsonNode props = Json.tree(reply.body());
    JsonNode vision = props.path("modalities").path("vision");
    Set<Capability> has = EnumSet.of(Capability.JSON_SCHEMA);
    Set<Capability> lacks = EnumSet.noneOf(Capability.class);
    if (vision.isBoolean()) {
      (vision.booleanValue() ? has : lacks).add(Capability.VISION);
    }
    int context = TokenCount.of(props.path(settings).path("n_ctx"));
    return probeResult.withTraits(new ModelTraits(has, lacks, context));
  }

  private static ProbeRequest oneToken(HttpUrl chat, JsonRequest.Body request) {
    return new ProbeRequest(
        () -> JsonRequest.post(chat, "application/json", request), OpenAiProbes::generated, true);
  }

  private static ProbeResult generated(ErrorResponse reply) {
    JsonNode body = reply.status() == 200 ? Json.tree(reply.body()) : MissingNode.getInstance();
    // A server may stream even if not asked to.
    return InBandError.isIn(body)
        ? ProbeResult.ofError(InBandError.of(body).withStatus(200))
        : ProbeResult.of(reply, text -> text.contains("\"choices\""));
  }

  private static ProbeRequest health(HttpUrl root, String path) {
    return ProbeRequest.get(
        at(root, path), reply -> ProbeResult.of(reply, body -> !HttpErrorClassifier.isHtml(body)));
  }

  private static ProbeResult models(ErrorResponse reply, String model) {
    ProbeResult probeResult =
        ProbeResult.of(reply, body -> Json.isObjectWith(body, "data", "models"));
    return probeResult.status() == ProbeResult.Status.READY && isUnlisted(reply.body(), model)
        ? ProbeResult.of(
            ProbeResult.Status.READY,
            AttemptException.of(FailureKind.MODEL_NOT_FOUND, "the model is not listed")
                .withStatus(200))
        : probeResult;
  }

  /**
   * Returns whether a list lacks the model. Some servers list no aliases, and a long list is cut:
   * only a call can tell for certain.
   */
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

  /**
   * Returns the root: the version is the last part of the path, except for what Gemini appends to
   * it.
   */
  static HttpUrl root(HttpUrl versioned) {
    String path = versioned.encodedPath().replaceFirst("/v\\d+[a-z]*(/openai)?/?$", "/");
    return versioned.newBuilder().encodedPath(path).build();
  }
}
