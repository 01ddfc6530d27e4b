// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.jmh;

import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Scanner;
import java.util.function.ToLongFunction;
import java.util.stream.Collectors;

/**
 * Measures a process that has just begun: the time to its first answer, and the speed of 32 callers
 * in its first half minute. New processes are started in turn, one of bare OkHttp and one of
 * Offmeter, so that a busy machine is as busy for both; medians are printed. {@code jmh.args} is
 * how many of each, 21 for the first answer and 3 for the callers if it is empty.
 */
public final class ColdStart {
  private static final String NOTHING = "nothing";

  /** Offmeter with TLS set up, as for an https address. */
  private static final String WITH_TLS = "offmeter-tls";

  private static final List<String> CLIENTS = List.of("okhttp", "offmeter");
  private static final int CALLERS = 32;
  private static final int WINDOWS = 6;
  private static final int SECONDS = 5;

  /** The class path of an application that makes a call, without a logger behind SLF4J. */
  private static final List<String> LIBRARIES =
      List.of(
          "/okhttp-jvm/",
          "/okio-jvm/",
          "/kotlin-stdlib/",
          "/com/fasterxml/jackson/",
          "/slf4j-api/",
          "/io/github/resilience4j/",
          "/jspecify/");

  private final String url;

  private ColdStart(String url) {
    this.url = url;
  }

  public static void main(String[] args) throws Exception {
    Scanner wanted = new Scanner(System.getProperty("jmh.args", ""));
    int answers = wanted.hasNextInt() ? wanted.nextInt() : 21;
    int crowds = wanted.hasNextInt() ? wanted.nextInt() : 3;
    try (ServerProcess server = ServerProcess.start(BenchServer.class)) {
      ColdStart run = new ColdStart(server.url());
      run.firstAnswers(answers);
      run.firstSeconds(crowds);
      System.out.println("processor time of the server: " + server.processorTime());
    }
  }

  private void firstAnswers(int rounds) throws IOException, InterruptedException {
    Map<String, List<long[]>> runs = new LinkedHashMap<>();
    List<String> all = List.of(NOTHING, CLIENTS.get(0), CLIENTS.get(1), WITH_TLS);
    for (int i = -1; i < rounds; i++) {
      for (String client : all) {
        long[] run = numbers(lines(FirstAnswer.class, client, url).get(0));
        if (i >= 0) {
          runs.computeIfAbsent(client, name -> new ArrayList<>()).add(run);
        }
      }
    }
    long idle = median(runs.getOrDefault(NOTHING, List.of()), run -> run[1]);
    System.out.println("| first answer | wall, ms | processor time, ms | classes loaded |");
    System.out.println("|---|--:|--:|--:|");
    for (String client : all.subList(1, all.size())) {
      List<long[]> own = runs.getOrDefault(client, List.of());
      System.out.printf(
          Locale.ROOT,
          "| %s | %d | %d | %d |%n",
          client,
          median(own, run -> run[0]) / 1000,
          (median(own, run -> run[1]) - idle) / 1000,
          median(own, run -> run[2]));
    }
  }

  private void firstSeconds(int rounds) throws IOException, InterruptedException {
    Map<String, List<long[]>> runs = new LinkedHashMap<>();
    for (int i = 0; i < rounds; i++) {
      for (String client : CLIENTS) {
        List<String> windows = lines(FirstSeconds.class, client, url, CALLERS, WINDOWS, SECONDS);
        runs.computeIfAbsent(client, name -> new ArrayList<>())
            .add(windows.stream().mapToLong(Long::parseLong).toArray());
      }
    }
    System.out.println("calls a second with " + CALLERS + " callers, every " + SECONDS + " s:");
    runs.forEach(
        (client, own) -> {
          List<Long> windows = new ArrayList<>();
          for (int i = 0; i < WINDOWS; i++) {
            int window = i;
            windows.add(median(own, run -> run[window]));
          }
          System.out.println(client + " " + windows);
        });
  }

  private static long median(List<long[]> runs, ToLongFunction<long[]> value) {
    long[] sorted = runs.stream().mapToLong(value).sorted().toArray();
    return sorted.length == 0 ? 0 : sorted[sorted.length / 2];
  }

  private static long[] numbers(String line) {
    return Arrays.stream(line.split(" ")).mapToLong(Long::parseLong).toArray();
  }

  private static List<String> lines(Class<?> program, Object... arguments)
      throws IOException, InterruptedException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of("-Xms1g", "-Xmx1g", "-cp", classPath(), program.getName()));
    Arrays.stream(arguments).map(String::valueOf).forEach(command::add);
    Process process =
        new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.DISCARD).start();
    List<String> lines;
    try (BufferedReader out =
        new BufferedReader(
            new InputStreamReader(process.getInputStream(), StandardCharsets.US_ASCII))) {
      lines = out.lines().toList();
    }
    if (process.waitFor() != 0 || lines.isEmpty()) {
      throw new IOException(program.getSimpleName() + " failed: " + String.join(" ", command));
    }
    return lines;
  }

  private static String classPath() {
    return Arrays.stream(System.getProperty("java.class.path").split(File.pathSeparator))
        .filter(entry -> !entry.endsWith(".jar") || LIBRARIES.stream().anyMatch(entry::contains))
        .collect(Collectors.joining(File.pathSeparator));
  }
}
