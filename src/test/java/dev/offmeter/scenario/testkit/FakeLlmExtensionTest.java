// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.testkit;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.Endpoint;
import dev.offmeter.LlmClient;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testkit.FakeLlm;
import java.io.IOException;
import java.net.Socket;
import java.net.URI;
import java.net.URL;
import java.net.URLClassLoader;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.RegisterExtension;

class FakeLlmExtensionTest {
  /** The threads of a server begin with it. */
  private static final String THREADS = "fake-llm";

  @RegisterExtension
  private static final FakeLlm OF_THE_CLASS = FakeLlm.ollama().answers("Dear Ms Kern");

  @RegisterExtension private final FakeLlm ofTheTest = FakeLlm.openAi();

  private static String answer(FakeLlm node) {
    try (LlmClient client = LlmClient.builder().endpoint(node.endpoint("node").build()).build()) {
      return client.chat("Say x.").text();
    }
  }

  @Test
  void oneTestFindsTheScriptAsItWasInItsField() {
    assertThat(answer(OF_THE_CLASS)).isEqualTo("Dear Ms Kern");
    assertThat(OF_THE_CLASS.askedTimes()).isEqualTo(1);
    OF_THE_CLASS.answers("other");
    assertThat(answer(ofTheTest)).isEqualTo("This is a scripted answer.");
  }

  @Test
  void anotherTestFindsTheScriptAsItWasInItsField() {
    oneTestFindsTheScriptAsItWasInItsField();
  }

  @Test
  void inAStaticFieldItIsResetAfterEachTestAndClosedAfterTheClass() throws Exception {
    FakeLlm node = FakeLlm.ollama();
    ((BeforeAllCallback) node).beforeAll(null);
    ((BeforeEachCallback) node).beforeEach(null);
    node.refuses();

    ((AfterEachCallback) node).afterEach(null);

    assertThat(answer(node)).isEqualTo("This is a scripted answer.");
    ((AfterAllCallback) node).afterAll(null);
    assertThat(isListening(node)).isFalse();
  }

  @Test
  void inAStaticFieldOfABaseClassItListensAgainForTheNextClass() throws Exception {
    FakeLlm node = FakeLlm.ollama();
    String url = node.url();
    ((BeforeAllCallback) node).beforeAll(null);
    ((AfterAllCallback) node).afterAll(null);

    ((BeforeAllCallback) node).beforeAll(null);

    assertThat(node.url()).isEqualTo(url);
    assertThat(isListening(node)).isTrue();
    ((AfterAllCallback) node).afterAll(null);
  }

  @Test
  void aNestedClassDoesNotCloseTheOneAroundIt() throws Exception {
    FakeLlm node = FakeLlm.ollama();
    ((BeforeAllCallback) node).beforeAll(null);
    ((BeforeAllCallback) node).beforeAll(null);

    ((AfterAllCallback) node).afterAll(null);

    assertThat(isListening(node)).isTrue();
    ((AfterAllCallback) node).afterAll(null);
    assertThat(isListening(node)).isFalse();
  }

  @Test
  void inAnInstanceFieldItIsClosedAfterTheTest() throws Exception {
    FakeLlm node = FakeLlm.ollama();
    ((BeforeEachCallback) node).beforeEach(null);

    ((AfterEachCallback) node).afterEach(null);

    assertThat(isListening(node)).isFalse();
    node.answers("too late");
    assertThat(isListening(node)).isFalse();
  }

  @Test
  void whatTheFieldSetsUpHoldsForEachTest() throws Exception {
    FakeLlm node = FakeLlm.ollama().oneSlot().loadsFor(Duration.ofMillis(1));
    ((BeforeAllCallback) node).beforeAll(null);
    for (int test = 0; test < 2; test++) {
      ((BeforeEachCallback) node).beforeEach(null);
      assertThat(answer(node)).isEqualTo("This is a scripted answer.");
      assertThat(node.loadsBegun()).as("test " + test).isEqualTo(1);
      ((AfterEachCallback) node).afterEach(null);
    }
    ((AfterAllCallback) node).afterAll(null);
  }

  @Test
  void aCloseLeavesNoThread() {
    long before = threads();
    FakeLlm node = FakeLlm.ollama().hangs();
    try (LlmClient client = LlmClient.builder().endpoint(node.endpoint("node").build()).build()) {
      var unused = client.chatAsync("Say x.");
      Loopback.awaitSoon(() -> node.askedTimes() == 1);
      assertThat(threads()).isGreaterThan(before);

      node.close();

      Loopback.awaitSoon(() -> threads() == before);
    }
  }

  private static long threads() {
    return Thread.getAllStackTraces().keySet().stream()
        .filter(thread -> thread.getName().startsWith(THREADS))
        .count();
  }

  @Test
  void needsNoJUnit() throws Exception {
    List<URL> places = new ArrayList<>();
    for (Class<?> needed :
        List.of(
            FakeLlm.class,
            Endpoint.class,
            com.fasterxml.jackson.databind.ObjectMapper.class,
            com.fasterxml.jackson.core.JsonFactory.class,
            com.fasterxml.jackson.annotation.JsonProperty.class,
            okhttp3.HttpUrl.class,
            okio.Buffer.class,
            kotlin.Unit.class,
            org.slf4j.Logger.class)) {
      places.add(needed.getProtectionDomain().getCodeSource().getLocation());
    }
    ClassLoader jdk = ClassLoader.getPlatformClassLoader();
    try (URLClassLoader loader = new URLClassLoader(places.toArray(URL[]::new), jdk)) {
      Object node = loader.loadClass(FakeLlm.class.getName()).getMethod("ollama").invoke(null);
      assertThat(node.getClass().getSimpleName()).isEqualTo("FakeLlm");
      String url = node.getClass().getMethod("url").invoke(node).toString();
      assertThat(isListening(url)).isTrue();
      node.getClass().getMethod("close").invoke(node);
      assertThat(isListening(url)).isFalse();
    }
  }

  private static boolean isListening(FakeLlm node) {
    return isListening(node.url());
  }

  private static boolean isListening(String url) {
    try (Socket socket = new Socket("127.0.0.1", URI.create(url).getPort())) {
      return socket.isConnected();
    } catch (IOException e) {
      return false;
    }
  }
}
