// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import java.lang.reflect.Constructor;
import java.time.Duration;

/** The code that {@link DependenciesTest} runs in a class loader with other libraries. */
public final class OldLibraries {
  private OldLibraries() {}

  /**
   * Builds a client with a server and a function; returns its text, or the message of the
   * rejection.
   */
  public static String built(String url) {
    try (LlmClient client = withAServer(url).build()) {
      return client.toString();
    } catch (IllegalStateException e) {
      return String.valueOf(e.getMessage());
    }
  }

  /** Asks a client with a function alone; returns its answer. */
  public static String answerOfAFunction() {
    try (LlmClient client = LlmClient.builder().endpoint(template()).build()) {
      return client.chat("a reminder").text();
    }
  }

  /** Asks a client that was built unchecked; returns the first attempt's failure and the text. */
  public static String uncheckedAnswer(String url) throws ReflectiveOperationException {
    Constructor<LlmClient> constructor =
        LlmClient.class.getDeclaredConstructor(LlmClient.Builder.class);
    constructor.setAccessible(true);
    try (LlmClient client = constructor.newInstance(withAServer(url))) {
      ChatResponse response = client.chat("a reminder");
      try (ChatStream stream = client.stream("a reminder")) {
        return response.attempts().get(0)
            + " / "
            + response.text()
            + " / "
            + stream.response().text();
      }
    }
  }

  private static LlmClient.Builder withAServer(String url) {
    Endpoint server =
        Endpoint.ollama("server", url).model("m").timeout(Duration.ofSeconds(5)).build();
    return LlmClient.builder().endpoint(server).endpoint(template());
  }

  private static Endpoint template() {
    return Endpoint.local("template", request -> "from the template").build();
  }
}
