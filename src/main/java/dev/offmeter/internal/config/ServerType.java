// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.config;

import dev.offmeter.Dialect;
import dev.offmeter.Endpoint;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** The types of servers by their names in configurations. */
public enum ServerType {
  OLLAMA("ollama", null),
  OPENAI("openai", "https://api.openai.com/v1"),
  VLLM("vllm", null),
  LLAMA_SERVER("llama-server", null),
  TGI("tgi", null),
  LOCAL_AI("localai", null),
  LM_STUDIO("lmstudio", null),
  LITELLM("litellm", null),
  GEMINI("gemini", "https://generativelanguage.googleapis.com"),
  ANTHROPIC("anthropic", "https://api.anthropic.com");

  private final String label;
  private final @Nullable String ownUrl;

  ServerType(String label, @Nullable String ownUrl) {
    this.label = label;
    this.ownUrl = ownUrl;
  }

  static Optional<ServerType> of(String label) {
    return Arrays.stream(values()).filter(type -> type.label.equals(label)).findFirst();
  }

  static List<String> labels() {
    return Arrays.stream(values()).map(type -> type.label).toList();
  }

  /** Returns the provider's own address; null for software that runs anywhere. */
  @Nullable
  public String ownUrl() {
    return ownUrl;
  }

  public Endpoint.Builder endpoint(String name, String url) {
    return switch (this) {
      case OLLAMA -> Endpoint.ollama(name, url);
      case OPENAI -> Endpoint.openAi(name, url);
      case VLLM -> Endpoint.openAi(name, url).dialect(Dialect.VLLM);
      case LLAMA_SERVER -> Endpoint.openAi(name, url).dialect(Dialect.LLAMA_SERVER);
      case TGI -> Endpoint.openAi(name, url).dialect(Dialect.TGI);
      case LOCAL_AI -> Endpoint.openAi(name, url).dialect(Dialect.LOCAL_AI);
      case LM_STUDIO -> Endpoint.openAi(name, url).dialect(Dialect.LM_STUDIO);
      case LITELLM -> Endpoint.openAi(name, url).dialect(Dialect.LITELLM);
      case GEMINI -> Endpoint.gemini(name, url);
      case ANTHROPIC -> Endpoint.anthropic(name, url);
    };
  }
}
