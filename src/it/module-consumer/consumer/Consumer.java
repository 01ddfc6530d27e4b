// SPDX-License-Identifier: Apache-2.0
package consumer;

import dev.offmeter.ChatRequest;
import dev.offmeter.ChatStream;
import dev.offmeter.Endpoint;
import dev.offmeter.LlmClient;
import dev.offmeter.StreamRecovery;
import java.util.stream.Collectors;

/** Asks the server at the given address, which answers everything with an invoice. */
public final class Consumer {
  private Consumer() {}

  record Invoice(String number, int days) {}

  /** Prints what each way to ask has brought. */
  public static void main(String[] arguments) {
    ChatRequest request = ChatRequest.builder().user("which invoice?").build();
    ChatRequest unbroken = request.toBuilder().onBrokenStream(StreamRecovery.HOLD).build();
    try (LlmClient client =
        LlmClient.builder()
            .endpoint(Endpoint.ollama("node", arguments[0]).model("m").build())
            .build()) {
      System.out.println("chat " + client.chat(request).text());
      try (ChatStream stream = client.stream(unbroken)) {
        System.out.println("stream " + stream.textStream().collect(Collectors.joining()));
      }
      System.out.println("record " + client.chat(request, Invoice.class).value());
      client.resilience4j().circuitBreakers().getAllCircuitBreakers().stream()
          .map(breaker -> "circuit breaker " + breaker.getName() + " " + breaker.getState())
          .forEach(System.out::println);
    }
  }
}
