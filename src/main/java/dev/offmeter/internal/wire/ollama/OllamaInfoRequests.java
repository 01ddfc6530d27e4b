// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire.ollama;

import static dev.offmeter.internal.wire.Protocol.Topic.CONTEXT;
import static dev.offmeter.internal.wire.Protocol.Topic.KEY;
import static dev.offmeter.internal.wire.Protocol.Topic.LOADED;
import static dev.offmeter.internal.wire.Protocol.Topic.MODEL;

import com.fasterxml.jackson.databind.JsonNode;
import dev.offmeter.internal.wire.InfoRequests;
import dev.offmeter.internal.wire.JsonFields;
import dev.offmeter.internal.wire.JsonRequest;
import dev.offmeter.internal.wire.Protocol.Fact;
import dev.offmeter.internal.wire.Protocol.InfoRequest;
import dev.offmeter.internal.wire.ProtocolDescriptor;
import dev.offmeter.internal.wire.TokenCount;
import java.util.List;
import java.util.Map;
import okhttp3.HttpUrl;

/**
 * Asks {@code /api/version}, {@code /api/tags}, {@code /api/ps} and {@code /api/show}, as in
 * Ollama's API documentation. Without {@code num_ctx} the server decides the context of a model
 * that is not loaded, so only the model's maximum can be shown.
 */
final class OllamaInfoRequests {
  private final ProtocolDescriptor.ServerConfig server;

  private OllamaInfoRequests(ProtocolDescriptor.ServerConfig server) {
    this.server = server;
  }

  static List<InfoRequest> of(ProtocolDescriptor.ServerConfig server) {
    OllamaInfoRequests inquiries = new OllamaInfoRequests(server);
    return List.of(
        InfoRequests.version(inquiries.url("api/version"), "version"),
        InfoRequests.get(inquiries.url("api/tags"), inquiries::installed, KEY, MODEL),
        inquiries.shown(),
        InfoRequests.get(inquiries.url("api/ps"), inquiries::loaded, LOADED, CONTEXT));
  }

  private HttpUrl url(String path) {
    return server.baseUrl().newBuilder().addPathSegments(path).build();
  }

  private void installed(JsonNode reply, List<Fact> facts) {
    JsonNode models = reply.path("models");
    if (!models.isArray()) {
      return;
    }
    facts.add(Fact.well(KEY, ""));
    facts.add(
        ours(models).isMissingNode()
            ? InfoRequests.missing(models, "name")
            : Fact.well(MODEL, "installed, one of " + models.size()));
  }

  private JsonNode ours(JsonNode models) {
    for (JsonNode model : models) {
      String name = model.path("name").asText(model.path("model").asText());
      if (OllamaProbes.isSame(name, server.model())) {
        return model;
      }
    }
    return models.path("none");
  }

  private void loaded(JsonNode reply, List<Fact> facts) {
    JsonNode models = reply.path("models");
    if (!models.isArray()) {
      return;
    }
    JsonNode model = ours(models);
    facts.add(
        Fact.well(
            LOADED,
            model.isMissingNode()
                ? "not in memory; the first call has it loaded"
                : "in memory until " + model.path("expires_at").asText("its time is over")));
    int context = JsonFields.count(model, "context_length");
    if (context > 0) {
      facts.add(Fact.well(CONTEXT, context + " tokens"));
    }
  }

  private InfoRequest shown() {
    return new InfoRequest(
        List.of(CONTEXT),
        () ->
            JsonRequest.post(
                url("api/show"),
                "application/json",
                out -> out.writeStringField("model", server.model())),
        reply -> InfoRequests.read(reply, this::context));
  }

  private void context(JsonNode reply, List<Fact> facts) {
    JsonNode info = reply.path("model_info");
    for (Map.Entry<String, JsonNode> field : info.properties()) {
      int most = TokenCount.of(field.getValue());
      if (most > 0 && field.getKey().endsWith(".context_length")) {
        Object set = server.options().get("num_ctx");
        String asked = set == null ? "" : "num_ctx " + set + ", ";
        facts.add(Fact.well(CONTEXT, asked + "the model has up to " + most));
        return;
      }
    }
  }
}
