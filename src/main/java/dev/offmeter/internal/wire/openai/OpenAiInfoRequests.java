// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire.openai;

import static dev.offmeter.internal.wire.Protocol.Topic.CONTEXT;
import static dev.offmeter.internal.wire.Protocol.Topic.LOADED;
import static dev.offmeter.internal.wire.Protocol.Topic.VERSION;

import com.fasterxml.jackson.databind.JsonNode;
import dev.offmeter.Dialect;
import dev.offmeter.internal.wire.InfoRequests;
import dev.offmeter.internal.wire.Protocol.Fact;
import dev.offmeter.internal.wire.Protocol.InfoRequest;
import dev.offmeter.internal.wire.ProtocolDescriptor;
import dev.offmeter.internal.wire.TokenCount;
import dev.offmeter.internal.wire.ollama.OllamaProbes;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import okhttp3.HttpUrl;

/**
 * Asks OpenAI-compatible servers about themselves, as in their sources: the list of models
 * everywhere; {@code /version} of vLLM and LocalAI, {@code /info} of TGI, {@code /health} and
 * {@code /props} of llama-server, {@code /api/version} of Ollama. A server of unknown kind is asked
 * as vLLM and llama-server are.
 */
final class OpenAiInfoRequests {
  /** Servers of one model, which accept any name for it. */
  private static final Set<Dialect> ANY_NAME = EnumSet.of(Dialect.LLAMA_SERVER, Dialect.TGI);

  private OpenAiInfoRequests() {}

  static List<InfoRequest> of(ProtocolDescriptor.ServerConfig server, HttpUrl versioned) {
    HttpUrl root = OpenAiProbes.root(versioned);
    Dialect dialect = server.dialect();
    List<InfoRequest> inquiries = new ArrayList<>();
    inquiries.add(
        InfoRequests.models(
            OpenAiProbes.at(versioned, "models"),
            name -> isSame(name, server),
            !ANY_NAME.contains(dialect)));
    switch (dialect) {
      case VLLM -> inquiries.add(version(root, "version"));
      case LOCAL_AI -> inquiries.add(version(root, "version"));
      case OLLAMA -> inquiries.add(version(root, "api/version"));
      case TGI -> inquiries.add(info(root));
      case LLAMA_SERVER -> inquiries.add(props(root));
      case GENERIC -> inquiries.addAll(List.of(version(root, "version"), props(root)));
      default -> {}
    }
    return inquiries;
  }

  /**
   * Returns whether a listed name is the endpoint's: Gemini lists its models with a prefix, Ollama
   * with a tag.
   */
  private static boolean isSame(String name, ProtocolDescriptor.ServerConfig server) {
    return name.equals(server.model())
        || name.equals("models/" + server.model())
        || (server.dialect() == Dialect.OLLAMA && OllamaProbes.isSame(name, server.model()));
  }

  private static InfoRequest version(HttpUrl root, String path) {
    return InfoRequests.version(OpenAiProbes.at(root, path), "version");
  }

  private static InfoRequest info(HttpUrl root) {
    return InfoRequests.get(
        OpenAiProbes.at(root, "info"),
        (reply, facts) -> {
          text(reply, "version", facts);
          tokens(reply.path("max_total_tokens"), facts);
        },
        VERSION,
        CONTEXT);
  }

  private static InfoRequest props(HttpUrl root) {
    return InfoRequests.get(
        OpenAiProbes.at(root, "props"),
        (reply, facts) -> {
          text(reply, "build_info", facts);
          JsonNode slot = reply.path("default_generation_settings").path("n_ctx");
          tokens(slot, facts);
          if (TokenCount.of(slot) > 0) {
            facts.add(Fact.well(LOADED, "in memory"));
          }
        },
        VERSION,
        CONTEXT,
        LOADED);
  }

  private static void text(JsonNode reply, String field, List<Fact> facts) {
    if (!reply.path(field).asText().isBlank()) {
      facts.add(Fact.well(VERSION, reply.path(field).asText()));
    }
  }

  private static void tokens(JsonNode number, List<Fact> facts) {
    int tokens = TokenCount.of(number);
    if (tokens > 0) {
      facts.add(Fact.well(CONTEXT, tokens + " tokens"));
    }
  }
}
