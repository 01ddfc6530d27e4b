// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire.ollama;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.json.Json;
import dev.offmeter.internal.wire.ErrorResponse;
import dev.offmeter.internal.wire.JsonRequest;
import dev.offmeter.internal.wire.ModelTraits;
import dev.offmeter.internal.wire.ProbeRequest;
import dev.offmeter.internal.wire.ProbeResult;
import dev.offmeter.internal.wire.ProtocolDescriptor;
import dev.offmeter.internal.wire.ServerProbes;
import dev.offmeter.internal.wire.TokenCount;
import java.io.IOException;
import java.util.Locale;
import java.util.Set;
import okhttp3.HttpUrl;
import okhttp3.Request;

/**
 * Probes Ollama by {@code /api/version}, {@code /api/ps} and an {@code /api/generate} without a
 * prompt, which loads the model, as in Ollama's API documentation and as observed on 0.24 and 0.32.
 */
public final class OllamaProbes {
  private static final String JSON = "application/json";

  private static final Set<String> NAMES = Set.of("name", "model");

  private static final ProbeResult COLD =
      ProbeResult.of(
          ProbeResult.Status.MODEL_NOT_LOADED,
          AttemptException.of(FailureKind.MODEL_COLD, "the model is not in memory"));

  private static final ProbeResult CUT =
      ProbeResult.of(
          ProbeResult.Status.UNKNOWN,
          AttemptException.of(FailureKind.TRUNCATED, "the list of models in memory is cut")
              .withStatus(200));

  /**
   * Matches what Ollama leaves out of its list. A name has up to three parts, and the first of
   * three is the registry.
   */
  private static final String UNLISTED =
      "(?i)^([a-z]+://)?(registry\\.ollama\\.ai/(?=[^/]+/))?(library/(?=[^/]+$))?";

  /** Holds one model of the list, as far as it has been read. */
  private static final class ListedModel {
    boolean ours;
    int context;
  }

  private final ProtocolDescriptor.ServerConfig server;
  private final OllamaContextWindow context;

  private OllamaProbes(ProtocolDescriptor.ServerConfig server, OllamaContextWindow context) {
    this.server = server;
    this.context = context;
  }

  /**
   * Returns the probes of one server.
   *
   * @param context is updated by what the server reports
   */
  public static ServerProbes of(
      ProtocolDescriptor.ServerConfig server, OllamaContextWindow context) {
    OllamaProbes checks = new OllamaProbes(server, context);
    // With a keep_alive of zero the model is unloaded before anybody could use it.
    boolean kept = server.keepAlive() == null || !server.keepAlive().isZero();
    return new ServerProbes(
        ProbeRequest.get(checks.url("api/version"), OllamaProbes::version),
        kept ? ProbeRequest.get(checks.url("api/ps"), checks::loaded) : null,
        kept
            ? new ProbeRequest(
                () -> JsonRequest.post(checks.url("api/generate"), JSON, checks::load),
                checks::readLoad,
                true)
            : null,
        new ProbeRequest(
            () -> JsonRequest.post(checks.url("api/generate"), JSON, checks::unload),
            OllamaProbes::readUnload,
            false),
        null,
        ProbeRequest.description(checks::show, checks::description),
        null);
  }

  /** Returns the probe for an Ollama. */
  public static ProbeRequest isOllama(HttpUrl root) {
    return ProbeRequest.get(
        root.newBuilder().addPathSegments("api/version").build(), OllamaProbes::version);
  }

  private HttpUrl url(String path) {
    return server.baseUrl().newBuilder().addPathSegments(path).build();
  }

  private static ProbeResult version(ErrorResponse reply) {
    return ProbeResult.of(reply, body -> Json.tree(body).path("version").isTextual());
  }

  /**
   * Reads the list of loaded models. A model that is still being loaded is listed too, as observed
   * on 0.24 and 0.32, though not on 0.33: only a load that has ended proves that it is loaded.
   */
  private ProbeResult loaded(ErrorResponse reply) {
    ProbeResult probeResult = ProbeResult.of(reply, body -> Json.isObjectWith(body, "models"));
    if (probeResult.status() != ProbeResult.Status.READY) {
      return probeResult;
    }
    try (JsonParser list = Json.FACTORY.createParser(reply.body())) {
      return Json.skipToField(list, "models") ? ofOurs(list) : COLD;
    } catch (IOException e) {
      // The model may be in the part that was cut off; reporting it missing would load it for
      // nothing.
      return CUT;
    }
  }

  private ProbeResult ofOurs(JsonParser list) throws IOException {
    list.nextToken();
    while (list.nextToken() == JsonToken.START_OBJECT) {
      ListedModel model = new ListedModel();
      try {
        read(list, model);
      } catch (IOException e) {
        if (!model.ours) {
          throw e;
        }
      }
      if (model.ours) {
        context.onListed(model.context);
        return withContext(model.context).withTraits(ModelTraits.ofContext(model.context));
      }
    }
    return COLD;
  }

  private void read(JsonParser list, ListedModel model) throws IOException {
    while (list.nextToken() == JsonToken.FIELD_NAME) {
      String field = list.currentName();
      JsonToken value = list.nextToken();
      if (field.equals("context_length") && value.isNumeric()) {
        model.context = TokenCount.of(list, value);
      }
      model.ours |= NAMES.contains(field) && isOurs(list.getValueAsString(""));
      list.skipChildren();
    }
  }

  /**
   * Returns READY for another context too, with the reason: Ollama grants no more context than the
   * model was made for.
   */
  private ProbeResult withContext(int context) {
    if (context <= 0 || !(server.options().get("num_ctx") instanceof Number asked)) {
      return ProbeResult.READY;
    }
    double wanted = asked.doubleValue();
    return context == wanted
        ? ProbeResult.READY
        : ProbeResult.of(
            ProbeResult.Status.READY,
            AttemptException.of(
                FailureKind.MODEL_COLD,
                String.format(
                    Locale.ROOT,
                    "the model is in memory with a context of %d tokens and has to be loaded anew"
                        + " for a num_ctx of %.0f, which waits until nobody else uses it; use one"
                        + " num_ctx everywhere",
                    context,
                    wanted)));
  }

  private Request.Builder show() {
    return JsonRequest.post(
        url("api/show"), JSON, out -> out.writeStringField("model", server.model()));
  }

  private ProbeResult description(ErrorResponse reply) {
    ProbeResult probeResult =
        ProbeResult.of(reply, body -> Json.isObjectWith(body, "model_info", "capabilities"));
    return probeResult.status() == ProbeResult.Status.READY
        ? probeResult.withTraits(OllamaModelDescription.read(reply.body(), server.options()))
        : probeResult;
  }

  private boolean isOurs(String name) {
    return isSame(name, server.model());
  }

  /** Returns whether two names are those of one model. */
  public static boolean isSame(String name, String other) {
    return listed(name).equalsIgnoreCase(listed(other));
  }

  /**
   * Returns a name as Ollama lists it: with its tag, but without a scheme, its own registry and
   * library.
   */
  private static String listed(String name) {
    return tagged(name).replaceFirst(UNLISTED, "");
  }

  private static String tagged(String name) {
    return name.indexOf(':', name.lastIndexOf('/') + 1) < 0 ? name + ":latest" : name;
  }

  /**
   * Loads with the load-time options of a call: other ones would make the call reload the model.
   */
  private void load(JsonGenerator out) throws IOException {
    out.writeStringField("model", server.model());
    out.writeStringField("prompt", "");
    out.writeBooleanField("stream", false);
    OllamaChat.shift(server, out);
    OllamaChat.keepAlive(server, out);
    out.writeObjectFieldStart("options");
    JsonRequest.options(server.options(), out);
    out.writeEndObject();
  }

  /** Unloads, which Ollama does before it validates anything else (sources of 0.33). */
  private void unload(JsonGenerator out) throws IOException {
    out.writeStringField("model", server.model());
    out.writeBooleanField("stream", false);
    out.writeNumberField("keep_alive", 0);
  }

  private static ProbeResult readUnload(ErrorResponse reply) {
    return reply.status() == 200
        ? ProbeResult.of(reply, body -> Json.tree(body).path("done").asBoolean())
        : ProbeResult.ofError(OllamaChat.refusal(reply));
  }

  private ProbeResult readLoad(ErrorResponse reply) {
    return reply.status() == 200
        ? ProbeResult.of(reply, body -> Json.tree(body).path("done").asBoolean())
        : ProbeResult.ofError(OllamaChat.refusal(reply));
  }
}
