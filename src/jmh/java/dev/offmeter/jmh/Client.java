// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.jmh;

import dev.langchain4j.http.client.jdk.JdkHttpClient;
import dev.langchain4j.model.ollama.OllamaChatModel;
import dev.offmeter.Endpoint;
import dev.offmeter.LlmClient;
import dev.offmeter.guard.Budget;
import io.github.ollama4j.Ollama;
import io.github.ollama4j.models.chat.OllamaChatMessageRole;
import io.github.ollama4j.models.chat.OllamaChatRequest;
import org.springframework.ai.ollama.api.OllamaApi;
import org.springframework.ai.ollama.api.OllamaChatOptions;

/** A way to ask. Each is set up as its own documentation does, with retries off. */
interface Client {
  String ask(String prompt) throws Exception;

  static Client of(String name, String url) {
    return switch (name) {
      case "offmeter" -> offmeter(url, LlmClient.builder());
      case "offmeter-budget" ->
          offmeter(url, LlmClient.builder().budget(Budget.calls("all", Long.MAX_VALUE / 2)));
      case "okhttp" -> new BareOkHttp(url)::ask;
      case "langchain4j" -> again(langChain4j(url));
      case "ollama4j" -> ollama4j(url);
      case "springai" -> again(springAi(url));
      default -> throw new IllegalArgumentException(name);
    };
  }

  private static Client offmeter(String url, LlmClient.Builder builder) {
    LlmClient llm = builder.endpoint(Endpoint.ollama("server", url).model("m").build()).build();
    return prompt -> llm.chat(prompt).text();
  }

  private static Client langChain4j(String url) {
    OllamaChatModel model =
        OllamaChatModel.builder()
            .httpClientBuilder(JdkHttpClient.builder())
            .baseUrl(url)
            .modelName("m")
            .maxRetries(0)
            .build();
    return model::chat;
  }

  private static Client ollama4j(String url) {
    Ollama ollama = new Ollama(url);
    return prompt -> {
      OllamaChatRequest request =
          OllamaChatRequest.builder()
              .withModel("m")
              .withMessage(OllamaChatMessageRole.USER, prompt)
              .build();
      return ollama.chat(request, null).getResponseModel().getMessage().getResponse();
    };
  }

  private static Client springAi(String url) {
    org.springframework.ai.ollama.OllamaChatModel model =
        org.springframework.ai.ollama.OllamaChatModel.builder()
            .ollamaApi(OllamaApi.builder().baseUrl(url).build())
            .options(OllamaChatOptions.builder().model("m").build())
            .build();
    return model::call;
  }

  /**
   * Asks again after a failure, once. Java's own HttpClient takes a reply that comes very fast for
   * one that nobody asked for, once in some 100,000 calls (JDK-8336655); that would end the run.
   */
  private static Client again(Client client) {
    return prompt -> {
      try {
        return client.ask(prompt);
      } catch (RuntimeException e) {
        return client.ask(prompt);
      }
    };
  }
}
