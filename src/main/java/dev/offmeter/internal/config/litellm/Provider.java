// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.config.litellm;

import dev.offmeter.internal.config.Environment;
import dev.offmeter.internal.config.ServerType;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** The provider before the slash of a LiteLLM model. */
enum Provider {
  ANTHROPIC("anthropic/", ServerType.ANTHROPIC, "ANTHROPIC_API_KEY"),
  GEMINI("gemini/", ServerType.GEMINI, "GEMINI_API_KEY"),
  HOSTED_VLLM("hosted_vllm/", ServerType.VLLM, null),
  OLLAMA("ollama/", ServerType.OLLAMA, null),
  OLLAMA_CHAT("ollama_chat/", ServerType.OLLAMA, null),
  OPENAI("openai/", ServerType.OPENAI, "OPENAI_API_KEY");

  private final String prefix;
  private final ServerType type;
  private final @Nullable String keyVariable;

  Provider(String prefix, ServerType type, @Nullable String keyVariable) {
    this.prefix = prefix;
    this.type = type;
    this.keyVariable = keyVariable;
  }

  static Optional<Provider> of(String model) {
    return Arrays.stream(values()).filter(next -> model.startsWith(next.prefix)).findFirst();
  }

  static List<String> prefixes() {
    return Arrays.stream(values()).map(next -> next.prefix).toList();
  }

  ServerType type() {
    return type;
  }

  /** Returns the address of a deployment without {@code api_base}; null if one is required. */
  @Nullable String url() {
    return type == ServerType.OLLAMA ? Environment.DEFAULT_URL : type.ownUrl();
  }

  /** Returns the variable with the key for the provider's own address; null if none is needed. */
  @Nullable String keyVariable() {
    return keyVariable;
  }

  /**
   * Returns the address without the path of a call, which LiteLLM accepts with or without it for
   * servers with such a path here.
   */
  String root(String address) {
    String path =
        switch (this) {
          case OLLAMA, OLLAMA_CHAT -> "/api/(generate|chat)/?$";
          case ANTHROPIC -> "/v1/messages/?$";
          default -> "";
        };
    return path.isEmpty() ? address : address.replaceFirst(path, "");
  }

  /** Returns the model as the server names it. */
  String model(String model) {
    return model.substring(prefix.length());
  }
}
