// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.wire;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import dev.offmeter.FailureKind;
import java.io.IOException;
import java.util.Locale;
import java.util.Set;
import okhttp3.HttpUrl;

/**
 * {@code /api/version}, {@code /api/ps} and an {@code /api/generate} without a prompt, which loads
 * the model, as in Ollama's API documentation and as observed on 0.24 and 0.32.
 */
final class OllamaChecks {
  private static final String JSON = "application/json";

  private static final Set<String> NAMES = Set.of("name", "model");

  private static final Vitals COLD =
      Vitals.of(Vitals.Sign.COLD, Failure.of(FailureKind.MODEL_COLD, "the model is not in memory"));

  private static final Vitals CUT =
      Vitals.of(
          Vitals.Sign.UNKNOWN,
          Failure.of(FailureKind.TRUNCATED, "the list of models in memory is cut").withStatus(200));

  /** A name has up to three parts, and the first of three is its registry. */
  private static final String UNLISTED =
      "(?i)^([a-z]+://)?(registry\\.ollama\\.ai/(?=[^/]+/))?(library/(?=[^/]+$))?";

  /** One model of the list, as far as it has been read. */
  private static final class Listed {
    boolean ours;
    int context;
  }

  private final Api.Server server;
  private final OllamaContext context;

  private OllamaChecks(Api.Server server, OllamaContext context) {
    this.server = server;
    this.context = context;
  }

  /**
   * Of one server.
   *
   * @param context is told of what the server says of it
   */
  static Checks of(Api.Server server, OllamaContext context) {
    OllamaChecks checks = new OllamaChecks(server, context);
    // With a keep_alive of zero the model is gone again before anybody could use it.
    boolean kept = server.keepAlive() == null || !server.keepAlive().isZero();
    return new Checks(
        Check.get(checks.url("api/version"), OllamaChecks::version),
        kept ? Check.get(checks.url("api/ps"), checks::loaded) : null,
        kept
            ? new Check(
                () -> JsonRequest.post(checks.url("api/generate"), JSON, checks::load),
                checks::loading,
                true)
            : null,
        new Check(
            () -> JsonRequest.post(checks.url("api/generate"), JSON, checks::unload),
            OllamaChecks::unloading,
            false),
        null,
        null);
  }

  /** Whether it is an Ollama. */
  static Check isOllama(HttpUrl root) {
    return Check.get(
        root.newBuilder().addPathSegments("api/version").build(), OllamaChecks::version);
  }

  private HttpUrl url(String path) {
    return server.baseUrl().newBuilder().addPathSegments(path).build();
  }

  private static Vitals version(Reply reply) {
    return Vitals.of(reply, body -> Json.tree(body).path("version").isTextual());
  }

  /**
   * What is still being loaded is listed too, as observed on 0.24 and 0.32, though not on 0.33, so
   * that only a load that has ended is proof.
   */
  private Vitals loaded(Reply reply) {
    Vitals vitals = Vitals.of(reply, body -> Json.begins(body, "models"));
    if (vitals.sign() != Vitals.Sign.READY) {
      return vitals;
    }
    try (JsonParser list = Json.FACTORY.createParser(reply.body())) {
      return Json.comesTo(list, "models") ? ofOurs(list) : COLD;
    } catch (IOException e) {
      // Ours may be in what was cut off; COLD would have it loaded for nothing.
      return CUT;
    }
  }

  private Vitals ofOurs(JsonParser list) throws IOException {
    list.nextToken();
    while (list.nextToken() == JsonToken.START_OBJECT) {
      Listed model = new Listed();
      try {
        read(list, model);
      } catch (IOException e) {
        if (!model.ours) {
          throw e;
        }
      }
      if (model.ours) {
        context.onListed(model.context);
        return withContext(model.context);
      }
    }
    return COLD;
  }

  private void read(JsonParser list, Listed model) throws IOException {
    while (list.nextToken() == JsonToken.FIELD_NAME) {
      String field = list.currentName();
      JsonToken value = list.nextToken();
      if (field.equals("context_length") && value.isNumeric()) {
        model.context = Count.of(list, value);
      }
      model.ours |= NAMES.contains(field) && isOurs(list.getValueAsString(""));
      list.skipChildren();
    }
  }

  /** Well all the same: Ollama grants no more context than the model was made for. */
  private Vitals withContext(int context) {
    if (context <= 0 || !(server.options().get("num_ctx") instanceof Number asked)) {
      return Vitals.READY;
    }
    double wanted = asked.doubleValue();
    return context == wanted
        ? Vitals.READY
        : Vitals.of(
            Vitals.Sign.READY,
            Failure.of(
                FailureKind.MODEL_COLD,
                String.format(
                    Locale.ROOT,
                    "the model is in memory with a context of %d tokens and has to be loaded anew"
                        + " for a num_ctx of %.0f, which waits until nobody else uses it; use one"
                        + " num_ctx everywhere",
                    context,
                    wanted)));
  }

  private boolean isOurs(String name) {
    return isSame(name, server.model());
  }

  /** Whether two names are those of one model. */
  static boolean isSame(String name, String other) {
    return listed(name).equalsIgnoreCase(listed(other));
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
    OllamaChat.shift(server, out);
    OllamaChat.keepAlive(server, out);
    out.writeObjectFieldStart("options");
    JsonRequest.options(server.options(), out);
    out.writeEndObject();
  }

  /** Ollama does this before it looks at anything else, as in its sources of 0.33. */
  private void unload(JsonGenerator out) throws IOException {
    out.writeStringField("model", server.model());
    out.writeBooleanField("stream", false);
    out.writeNumberField("keep_alive", 0);
  }

  private static Vitals unloading(Reply reply) {
    return reply.status() == 200
        ? Vitals.of(reply, body -> Json.tree(body).path("done").asBoolean())
        : Vitals.ofError(OllamaChat.refusal(reply));
  }

  private Vitals loading(Reply reply) {
    return reply.status() == 200
        ? Vitals.of(reply, body -> Json.tree(body).path("done").asBoolean())
        : Vitals.ofError(OllamaChat.refusal(reply));
  }
}
