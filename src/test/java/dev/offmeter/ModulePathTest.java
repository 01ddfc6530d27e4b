// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.testing.Connection;
import dev.offmeter.testing.JavaProcess;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import java.io.File;
import java.io.IOException;
import java.io.StringWriter;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.tools.JavaCompiler;
import javax.tools.StandardJavaFileManager;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** An application on the module path, {@code src/it/module-consumer}, is compiled and run. */
@Timeout(120)
class ModulePathTest {
  private static final String INVOICE = "{\"number\":\"A 1\",\"days\":30}";
  private static final String WITHOUT_FLAGS =
      "no connection is kept for a second request: okhttp3.internal.connection.RealConnection does"
          + " not show what it has read ahead; --add-opens"
          + " okhttp3/okhttp3.internal.connection=dev.offmeter";

  /** The options of {@code docs/configuration.md}. */
  private static final List<String> FLAGS =
      List.of(
          "--add-opens",
          "okhttp3/okhttp3.internal.connection=dev.offmeter",
          "--add-exports",
          "okhttp3/okhttp3.internal.concurrent=dev.offmeter");

  @RegisterExtension final Loopback loopback = new Loopback();

  @TempDir Path folder;

  private final Set<Connection> connections = ConcurrentHashMap.newKeySet();
  private final Set<String> userAgents = ConcurrentHashMap.newKeySet();
  private Node node;

  @BeforeEach
  void start() {
    Node.Script invoice = OllamaReplies.answering(INVOICE.replace("\"", "\\\""));
    node =
        loopback.node(
            (connection, request) -> {
              connections.add(connection);
              userAgents.add(request.header("User-Agent"));
              invoice.answer(connection, request);
            });
  }

  @Test
  void anApplicationNeedsNothingButToRequireTheModule() throws Exception {
    assertThat(compile("module-consumer")).isEmpty();

    String said = run(List.of(), List.of());

    assertAllWasAnswered(said);
    assertThat(said).contains(WITHOUT_FLAGS);
    assertThat(userAgents).singleElement().asString().startsWith("offmeter/");
  }

  @Test
  void anApplicationThatOpensOkHttpKeepsItsConnection() throws Exception {
    assertThat(compile("module-consumer")).isEmpty();

    String said = run(FLAGS, List.of());

    assertAllWasAnswered(said);
    assertThat(said).doesNotContain("no connection is kept").doesNotContain("threads of its own");
    assertThat(connections).hasSize(1);
  }

  @Test
  void anApplicationMayHaveSpringOnItsModulePath() throws Exception {
    assertThat(compile("module-consumer")).isEmpty();
    Path spring = Path.of("target/spring");
    assertThat(spring).as("run mvn generate-test-resources first").exists();

    String said =
        run(List.of("--add-modules", "spring.context,spring.core"), List.of(spring.toString()));

    assertAllWasAnswered(said);
  }

  @Test
  void withoutItsPackageOpenedARecordIsRejectedByName() throws Exception {
    Path closed = folder.resolve("closed");
    copy(Path.of("src/it/module-consumer"), closed);
    Path descriptor = closed.resolve("module-info.java");
    Files.writeString(
        descriptor,
        Files.readString(descriptor).replaceFirst("(?s)opens consumer to\\s+dev.offmeter;", ""));
    assertThat(compile(closed)).isEmpty();

    assertThat(run(List.of(), List.of()))
        .contains("consumer.Consumer$Invoice must be open to reflection");
  }

  @Test
  void nobodyElseReachesTheInternalPackages() throws Exception {
    assertThat(compile("module-intruder"))
        .contains("dev.offmeter.internal.failover is not visible")
        .contains("does not export it");
  }

  private static void assertAllWasAnswered(String said) {
    assertThat(said)
        .contains("chat " + INVOICE)
        .contains("stream " + INVOICE)
        .contains("record Invoice[number=A 1, days=30]")
        .contains("circuit breaker node CLOSED")
        .doesNotContain("Exception in thread");
  }

  private String compile(String project) throws Exception {
    return compile(Path.of("src/it", project));
  }

  /** Returns what the compiler says of a project, warnings too. */
  private String compile(Path project) throws Exception {
    JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
    StringWriter said = new StringWriter();
    try (StandardJavaFileManager files = compiler.getStandardFileManager(null, null, null);
        Stream<Path> sources = Files.walk(project)) {
      compiler
          .getTask(
              said,
              files,
              null,
              List.of(
                  "-Xlint:all,-requires-automatic,-requires-transitive-automatic",
                  "-d",
                  folder.resolve("classes").toString(),
                  "--class-path",
                  "",
                  "--module-path",
                  modulePath(List.of())),
              null,
              files.getJavaFileObjectsFromPaths(
                  sources.filter(path -> path.toString().endsWith(".java")).toList()))
          .call();
    }
    return said.toString();
  }

  /** Returns what the consumer has printed and logged. */
  private String run(List<String> options, List<String> others) throws Exception {
    List<String> path = new ArrayList<>(others);
    path.add(folder.resolve("classes").toString());
    path.add(jar(ch.qos.logback.classic.Logger.class));
    path.add(jar(ch.qos.logback.core.Context.class));
    List<String> arguments = new ArrayList<>(List.of("-XX:TieredStopAtLevel=1"));
    arguments.addAll(options);
    arguments.addAll(
        List.of("--module-path", modulePath(path), "-m", "consumer/consumer.Consumer"));
    arguments.add(node.url());
    JavaProcess.Outcome outcome =
        JavaProcess.run(arguments, folder.resolve("said"), Duration.ofSeconds(100));
    assertThat(outcome.exitValue()).isPresent();
    return outcome.said();
  }

  private static String modulePath(List<String> others) throws URISyntaxException {
    List<String> path = new ArrayList<>(others);
    for (Class<?> type : DependenciesTest.NEEDED) {
      if (type != OldLibraries.class) {
        path.add(jar(type));
      }
    }
    assertThat(Path.of(jar(LlmClient.class)).resolve("module-info.class"))
        .as("run mvn compile first")
        .exists();
    return path.stream().distinct().collect(Collectors.joining(File.pathSeparator));
  }

  private static String jar(Class<?> type) throws URISyntaxException {
    return Path.of(type.getProtectionDomain().getCodeSource().getLocation().toURI()).toString();
  }

  private static void copy(Path from, Path to) throws IOException {
    try (Stream<Path> paths = Files.walk(from)) {
      for (Path path : paths.toList()) {
        Files.copy(path, to.resolve(from.relativize(path).toString()));
      }
    }
  }
}
