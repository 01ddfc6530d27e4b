// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.testing;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.concurrent.TimeUnit;

/** Runs a Java program in a process of its own, on the JDK of this one. */
public final class JavaProcess {
  private JavaProcess() {}

  /**
   * The end of a program.
   *
   * @param exitValue empty if the program was still running at the limit
   * @param said what it has printed until then, errors included
   */
  public record Outcome(OptionalInt exitValue, String said) {}

  /**
   * Runs a program to its end, or to the limit.
   *
   * @param arguments of the command {@code java}
   * @param log where the program prints to
   */
  public static Outcome run(List<String> arguments, Path log, Duration limit)
      throws IOException, InterruptedException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(arguments);
    Process process =
        new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(log.toFile()).start();
    try {
      boolean over = process.waitFor(limit.toSeconds(), TimeUnit.SECONDS);
      return new Outcome(
          over ? OptionalInt.of(process.exitValue()) : OptionalInt.empty(), Files.readString(log));
    } finally {
      process.destroyForcibly();
    }
  }
}
