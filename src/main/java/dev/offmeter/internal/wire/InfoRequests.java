// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import static dev.offmeter.internal.wire.Protocol.Topic.CONTEXT;
import static dev.offmeter.internal.wire.Protocol.Topic.KEY;
import static dev.offmeter.internal.wire.Protocol.Topic.MODEL;
import static dev.offmeter.internal.wire.Protocol.Topic.VERSION;

import com.fasterxml.jackson.databind.JsonNode;
import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.json.Json;
import dev.offmeter.internal.wire.Protocol.Fact;
import dev.offmeter.internal.wire.Protocol.InfoRequest;
import dev.offmeter.internal.wire.Protocol.Topic;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BiConsumer;
import java.util.function.Predicate;
import okhttp3.HttpUrl;
import okhttp3.Request;

/** Creates the requests for information that several kinds of servers have in common. */
public final class InfoRequests {
  /** The most names of a list that are shown. */
  private static final int MOST_NAMES = 5;

  private InfoRequests() {}

  /** Creates a request without a body. */
  public static InfoRequest get(
      HttpUrl url, BiConsumer<JsonNode, List<Fact>> reader, Topic... about) {
    return new InfoRequest(
        List.of(about),
        () -> new Request.Builder().url(url).header("Accept", "application/json"),
        reply -> read(reply, reader));
  }

  public static List<Fact> read(ErrorResponse reply, BiConsumer<JsonNode, List<Fact>> reader) {
    List<Fact> facts = new ArrayList<>();
    reader.accept(Json.tree(reply.body()), facts);
    return facts;
  }

  /** Requests the list of models, and looks for the endpoint's own in it. */
  public static InfoRequest models(HttpUrl url, Predicate<String> isOurs, boolean nameMatters) {
    return get(
        url,
        (list, facts) -> {
          JsonNode models = list.path("data");
          if (models.isArray()) {
            facts.add(Fact.well(KEY, ""));
            model(models, isOurs, nameMatters, facts);
          }
        },
        KEY,
        MODEL,
        CONTEXT);
  }

  private static void model(
      JsonNode models, Predicate<String> isOurs, boolean nameMatters, List<Fact> facts) {
    for (JsonNode model : models) {
      if (isOurs.test(model.path("id").asText())) {
        facts.add(Fact.well(MODEL, "in the list of " + models.size()));
        context(model, facts);
        return;
      }
    }
    if (nameMatters) {
      facts.add(missing(models, "id"));
    } else {
      facts.add(Fact.well(MODEL, "the server takes any name, and has " + names(models, "id")));
      context(models.path(0), facts);
    }
  }

  /**
   * Adds the context as vLLM, llama-server (for which the model was trained) and routers report it.
   */
  private static void context(JsonNode model, List<Fact> facts) {
    for (String name : List.of("max_model_len", "context_length", "context_window")) {
      int tokens = JsonFields.count(model, name);
      if (tokens > 0) {
        facts.add(Fact.well(CONTEXT, tokens + " tokens"));
        return;
      }
    }
    int trained = JsonFields.count(model.path("meta"), "n_ctx_train");
    if (trained > 0) {
      facts.add(Fact.well(CONTEXT, "up to " + trained + " tokens, as the model was trained"));
    }
  }

  public static Fact missing(JsonNode models, String field) {
    return Fact.wrong(
        MODEL,
        AttemptException.of(
            FailureKind.MODEL_NOT_FOUND,
            "not in the list; the server has " + names(models, field)));
  }

  private static String names(JsonNode models, String field) {
    List<String> names = new ArrayList<>();
    for (int i = 0; i < Math.min(MOST_NAMES, models.size()); i++) {
      names.add(models.path(i).path(field).asText());
    }
    String more = models.size() > MOST_NAMES ? " and " + (models.size() - MOST_NAMES) : "";
    return names.isEmpty() ? "none" : String.join(", ", names) + more;
  }

  /** Requests a field that holds the server's version. */
  public static InfoRequest version(HttpUrl url, String field) {
    return get(
        url,
        (reply, facts) -> {
          String version = reply.path(field).asText();
          if (!version.isBlank()) {
            facts.add(Fact.well(VERSION, version));
          }
        },
        VERSION);
  }
}
