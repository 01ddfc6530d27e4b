// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.jmh;

import dev.langchain4j.http.client.jdk.JdkHttpClient;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import dev.langchain4j.model.ollama.OllamaStreamingChatModel;
import dev.offmeter.ChatEvent;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatStream;
import dev.offmeter.Endpoint;
import dev.offmeter.LlmClient;
import io.github.ollama4j.Ollama;
import io.github.ollama4j.exceptions.OllamaException;
import io.github.ollama4j.models.chat.OllamaChatMessageRole;
import io.github.ollama4j.models.chat.OllamaChatRequest;
import java.util.Iterator;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/** A way to ask for an answer and to read it while it comes, set up as {@link Client} is. */
interface Streaming {
  Reading stream(String prompt) throws Exception;

  /** One answer. */
  interface Reading {
    /** The first piece of text, as soon as it is there. */
    String first() throws Exception;

    /** Reads to the end, and tells how long the whole text was. */
    int rest() throws Exception;
  }

  static Streaming of(String name, String url) {
    return switch (name) {
      case "offmeter" -> offmeter(url);
      case "okhttp" -> new BareOkHttp(url)::stream;
      case "langchain4j" -> langChain4j(url);
      case "ollama4j" -> ollama4j(url);
      default -> throw new IllegalArgumentException(name);
    };
  }

  private static Streaming offmeter(String url) {
    LlmClient llm =
        LlmClient.builder().endpoint(Endpoint.ollama("server", url).model("m").build()).build();
    // An answer that goes on for long after its limit is a failure.
    int most = LongStreamBenchmark.TOKENS;
    return prompt ->
        new OffmeterReading(llm.stream(ChatRequest.builder().user(prompt).maxTokens(most).build()));
  }

  private static Streaming langChain4j(String url) {
    OllamaStreamingChatModel model =
        OllamaStreamingChatModel.builder()
            .httpClientBuilder(JdkHttpClient.builder())
            .baseUrl(url)
            .modelName("m")
            .build();
    return prompt -> new Pushed(handler -> model.chat(prompt, handler(handler)));
  }

  private static StreamingChatResponseHandler handler(Pushed.Pieces handler) {
    return new StreamingChatResponseHandler() {
      @Override
      public void onPartialResponse(String text) {
        handler.add(text);
      }

      @Override
      public void onCompleteResponse(ChatResponse response) {
        handler.complete();
      }

      @Override
      public void onError(Throwable error) {
        handler.fail(error);
      }
    };
  }

  /** Reads on a thread of its own: Ollama4j occupies its caller's until the answer is complete. */
  private static Streaming ollama4j(String url) {
    Ollama ollama = new Ollama(url);
    ExecutorService threads =
        Executors.newCachedThreadPool(
            task -> {
              Thread thread = new Thread(task);
              thread.setDaemon(true);
              return thread;
            });
    return prompt -> new Pushed(handler -> threads.execute(() -> chat(ollama, prompt, handler)));
  }

  private static void chat(Ollama ollama, String prompt, Pushed.Pieces handler) {
    OllamaChatRequest request =
        OllamaChatRequest.builder()
            .withModel("m")
            .withMessage(OllamaChatMessageRole.USER, prompt)
            .withStreaming()
            .build();
    try {
      ollama.chat(request, part -> handler.add(part.getMessage().getResponse()));
      handler.complete();
    } catch (OllamaException e) {
      handler.fail(e);
    }
  }

  /** Offmeter's, read as its documentation says. */
  final class OffmeterReading implements Reading {
    private final ChatStream stream;
    private final Iterator<ChatEvent> events;
    private int length;

    OffmeterReading(ChatStream stream) {
      this.stream = stream;
      this.events = stream.iterator();
    }

    @Override
    public String first() {
      while (events.hasNext()) {
        if (events.next() instanceof ChatEvent.TextDelta delta) {
          length += delta.text().length();
          return delta.text();
        }
      }
      throw new IllegalStateException("no text");
    }

    @Override
    public int rest() {
      try (stream) {
        while (events.hasNext()) {
          if (events.next() instanceof ChatEvent.TextDelta delta) {
            length += delta.text().length();
          }
        }
        return length;
      }
    }
  }
}
