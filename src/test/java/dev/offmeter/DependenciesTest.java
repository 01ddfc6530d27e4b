// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import static dev.offmeter.testing.Loopback.ollama;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import io.github.resilience4j.bulkhead.Bulkhead;
import io.github.resilience4j.circuitbreaker.CircuitBreaker;
import io.github.resilience4j.core.IntervalFunction;
import io.github.resilience4j.timelimiter.TimeLimiter;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import kotlin.Unit;
import okhttp3.OkHttpClient;
import okio.Buffer;
import org.jspecify.annotations.NullMarked;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.slf4j.Logger;

/** A library that is too old is named, and is no reason that nobody answers. */
@Timeout(60)
public class DependenciesTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  /** The folder into which the build puts old libraries: see the dependency plugin in the pom. */
  private static final Path OLD = Path.of("target/old-libraries");

  /** One class of each library that a client needs, and of the library and its tests. */
  public static final List<Class<?>> NEEDED =
      List.of(
          LlmClient.class,
          OldLibraries.class,
          OkHttpClient.class,
          Buffer.class,
          Unit.class,
          JsonFactory.class,
          ObjectMapper.class,
          JsonProperty.class,
          Logger.class,
          CircuitBreaker.class,
          TimeLimiter.class,
          Bulkhead.class,
          IntervalFunction.class,
          NullMarked.class);

  /** Runs with these jars in the place of those whose names begin so; without any, they lack. */
  private static String run(String replaced, List<Path> others, String method, Object... arguments)
      throws Exception {
    List<URL> urls = new ArrayList<>();
    for (Path other : others) {
      assertThat(other).as("run mvn generate-test-resources first").exists();
      urls.add(url(other));
    }
    for (Class<?> type : NEEDED) {
      Path jar = Path.of(type.getProtectionDomain().getCodeSource().getLocation().toURI());
      if (!jar.getFileName().toString().startsWith(replaced)) {
        urls.add(url(jar));
      }
    }
    try (URLClassLoader loader =
        new URLClassLoader(urls.toArray(URL[]::new), ClassLoader.getPlatformClassLoader())) {
      Class<?> program = loader.loadClass(OldLibraries.class.getName());
      Class<?>[] types = new Class<?>[arguments.length];
      Arrays.fill(types, String.class);
      return (String) program.getMethod(method, types).invoke(null, arguments);
    }
  }

  private static URL url(Path path) throws MalformedURLException {
    return path.toUri().toURL();
  }

  private static List<Path> jackson(String version) {
    return List.of(
        OLD.resolve("jackson-core-" + version + ".jar"),
        OLD.resolve("jackson-databind-" + version + ".jar"),
        OLD.resolve("jackson-annotations-" + version + ".jar"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"2.15.4", "2.17.3"})
  void anOldJacksonIsNamedWhenTheClientIsBuilt(String version) throws Exception {
    String said = run("jackson-", jackson(version), "built", Loopback.unusedUrl());

    assertThat(said)
        .startsWith(
            "com.fasterxml.jackson.core:jackson-core must be 2.18 or later, "
                + version
                + " was found: set its version in your build; see https://");
  }

  @ParameterizedTest
  @ValueSource(strings = {"2.15.4", "2.17.3"})
  void aClientOfFunctionsNeedsNoneOfIt(String version) throws Exception {
    assertThat(run("jackson-", jackson(version), "answerOfAFunction"))
        .isEqualTo("from the template");
  }

  @ParameterizedTest
  @ValueSource(strings = {"2.15.4", "2.17.3"})
  void uncheckedItIsAFailedAttemptAndTheTemplateAnswers(String version) throws Exception {
    Node node = loopback.node(OllamaReplies.answering("never to be read"));

    assertThat(run("jackson-", jackson(version), "uncheckedAnswer", node.url()))
        .contains("INTERNAL", "a library is missing or of another version: ")
        .endsWith("/ from the template / from the template");
  }

  @ParameterizedTest
  @CsvSource({
    "okhttp, com.squareup.okhttp3:okhttp-jvm must be 5.0 or later",
    "jackson-, com.fasterxml.jackson.core:jackson-core must be 2.18 or later",
    "jackson-databind, com.fasterxml.jackson.core:jackson-databind must be 2.18 or later"
  })
  void aMissingLibraryIsNamedToo(String missing, String said) throws Exception {
    assertThat(run(missing, List.of(), "built", Loopback.unusedUrl()))
        .startsWith(said + ", none was found");
    assertThat(run(missing, List.of(), "answerOfAFunction")).isEqualTo("from the template");
  }

  @Test
  void whatIsHereIsNewEnough() {
    Dependencies.check();
    Dependencies.checkForServers();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "'void com.example.Parser.skip(int, java.lang.String)'",
        "com/example/Parser",
        "Could not initialize class com.example.Parser"
      })
  void aFaultOfLinkingIsAFailedAttemptThatNamesWhatIsMissing(String message) {
    assertThat(firstMessage(message)).endsWith("another version: " + message);
  }

  @Test
  void anyOtherMessageStaysOut() {
    assertThat(firstMessage("the canary sings")).doesNotContain("canary").contains("NoSuchMethod");
  }

  private String firstMessage(String message) {
    Node node = loopback.node(OllamaReplies.answering("never to be asked"));
    OkHttpClient breaking =
        new OkHttpClient.Builder()
            .addInterceptor(
                chain -> {
                  throw new NoSuchMethodError(message);
                })
            .build();
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .endpoint(ollama("node", node).build())
                .endpoint(Endpoint.local("template", request -> "from the template").build())
                .httpClient(breaking));
    ChatResponse response = client.chat("a reminder");

    assertThat(response.text()).isEqualTo("from the template");
    assertThat(response.attempts().get(0).failure()).contains(FailureKind.INTERNAL);
    return response.attempts().get(0).message();
  }
}
