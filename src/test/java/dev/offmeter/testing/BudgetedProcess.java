// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.testing;

import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** A process that runs {@link BudgetedProgram}, and is told on its standard input what to do. */
public final class BudgetedProcess implements AutoCloseable {
  private final Process process;
  private final Writer orders;
  private final BufferedReader answers;
  private final List<String> said = new ArrayList<>();

  /**
   * Starts a process.
   *
   * @param stores how it opens its budget store
   * @param address where that keeps its counts
   * @param primary a server that fails
   * @param reserve a server that costs
   */
  public BudgetedProcess(
      Class<? extends SharedStores> stores, String address, Node primary, Node reserve) {
    List<String> command =
        List.of(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-Xshare:auto",
            "-XX:TieredStopAtLevel=1",
            "-XX:+UseSerialGC",
            "-Xmx128m",
            "-cp",
            classPath(),
            BudgetedProgram.class.getName(),
            stores.getName(),
            address,
            primary.url(),
            reserve.url());
    try {
      process = new ProcessBuilder(command).redirectErrorStream(true).start();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    orders = process.outputWriter(StandardCharsets.UTF_8);
    answers =
        new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
  }

  private static String classPath() {
    return BudgetedProgram.class.getClassLoader() instanceof URLClassLoader loader
        ? Stream.of(loader.getURLs())
            .map(URL::getPath)
            .collect(Collectors.joining(File.pathSeparator))
        : System.getProperty("java.class.path");
  }

  /** Tells the process what to do: see {@link BudgetedProgram}. */
  public void tell(String order) {
    try {
      orders.write(order + "\n");
      orders.flush();
    } catch (IOException e) {
      throw new AssertionError("the process has ended:\n" + String.join("\n", said), e);
    }
  }

  /** Waits for the answer to an order. */
  public String answer() {
    try {
      String line = answers.readLine();
      while (line != null && !line.startsWith(BudgetedProgram.ANSWER)) {
        said.add(line);
        line = answers.readLine();
      }
      if (line == null) {
        throw new AssertionError("the process has ended:\n" + String.join("\n", said));
      }
      return line.substring(BudgetedProgram.ANSWER.length());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Ends the process by the signal that none can catch, and waits until it is gone. */
  @Override
  public void close() {
    process.destroyForcibly().onExit().join();
  }
}
