// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.security;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.io.IOException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
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
    Path said = folder.resolve("said");
    List<String> command =
        List.of(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            heap,
            "-XX:+ExitOnOutOfMemoryError",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-cp",
            classPath(),
            program.getName());
    Process process =
        new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(said.toFile()).start();
    try {
      boolean over = process.waitFor(280, TimeUnit.SECONDS);
      List<String> lines = Files.readAllLines(said, StandardCharsets.UTF_8);

      assertThat(over).as("over, after %s", lines).isTrue();
      assertThat(lines).noneMatch(line -> line.startsWith("WRONG"));
      assertThat(process.exitValue()).as("after %s", lines).isZero();
    } finally {
      process.destroyForcibly();
    }
  }

  private static String classPath() {
    return EndlessResponseProgram.class.getClassLoader() instanceof URLClassLoader loader
        ? Stream.of(loader.getURLs())
            .map(URL::getPath)
            .collect(Collectors.joining(File.pathSeparator))
        : System.getProperty("java.class.path");
  }
}
