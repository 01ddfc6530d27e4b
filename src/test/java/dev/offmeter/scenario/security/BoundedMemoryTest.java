// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.security;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.testing.JavaProcess;
import java.io.File;
import java.io.IOException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A small heap, servers that would fill any, and many that do not. */
class BoundedMemoryTest {
  @TempDir Path folder;

  @Test
  @Timeout(300)
  void noServerCanFillASmallHeap() throws IOException, InterruptedException {
    expectNothingWrong(EndlessResponseProgram.class, "-Xmx256m");
  }

  @Test
  @Timeout(300)
  void manyLongStreamsAtOnceFitIntoASmallHeap() throws IOException, InterruptedException {
    expectNothingWrong(ManyStreamsProgram.class, "-Xmx128m");
  }

  /** The process ends at the first error for want of memory, whoever would catch it. */
  private void expectNothingWrong(Class<?> program, String heap)
      throws IOException, InterruptedException {
    JavaProcess.Outcome outcome =
        JavaProcess.run(
            List.of(
                heap,
                "-XX:+ExitOnOutOfMemoryError",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-cp",
                classPath(),
                program.getName()),
            folder.resolve("said"),
            Duration.ofSeconds(280));
    List<String> lines = outcome.said().lines().toList();

    assertThat(outcome.exitValue()).as("over, after %s", lines).isPresent();
    assertThat(lines).noneMatch(line -> line.startsWith("WRONG"));
    assertThat(outcome.exitValue()).as("after %s", lines).hasValue(0);
  }

  private static String classPath() {
    return EndlessResponseProgram.class.getClassLoader() instanceof URLClassLoader loader
        ? Stream.of(loader.getURLs())
            .map(URL::getPath)
            .collect(Collectors.joining(File.pathSeparator))
        : System.getProperty("java.class.path");
  }
}
