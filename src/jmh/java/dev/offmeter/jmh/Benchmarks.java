// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.jmh;

import java.io.IOException;
import java.util.Collection;
import java.util.Objects;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.profile.GCProfiler;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.ChainedOptionsBuilder;
import org.openjdk.jmh.runner.options.CommandLineOptions;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;

/**
 * Runs all benchmarks against one server and prints what the goals are about. Without {@code
 * jmh.args} the whole set; with {@code streams} only those of streams; with {@code quick} or {@code
 * streams quick} a trial; with anything else, what JMH's own command line makes of that.
 */
public final class Benchmarks {
  private static final String SERVER = "offmeter.jmh.server";
  private static final int THREADS = 32;

  private Benchmarks() {}

  /** The address of the server that all clients ask. */
  static String server() {
    return Objects.requireNonNull(System.getProperty(SERVER), SERVER);
  }

  public static void main(String[] args) throws Exception {
    try (ServerProcess server = ServerProcess.start(BenchServer.class)) {
      warmUp(server.url());
      run(System.getProperty("jmh.args", ""), server.url());
    }
  }

  /**
   * Warms the server up: the client measured first would else meet a slower one than the others.
   */
  private static void warmUp(String url) throws IOException {
    BareOkHttp client = new BareOkHttp(url);
    for (int i = 0; i < 30_000; i++) {
      client.ask(ChatBenchmark.PROMPT);
    }
  }

  private static void run(String args, String url) throws Exception {
    switch (args) {
      case "" -> System.out.println(calls(url, false) + "\n" + streams(url, false));
      case "quick" -> System.out.println(calls(url, true) + "\n" + streams(url, true));
      case "streams" -> System.out.println(streams(url, false));
      case "streams quick" -> System.out.println(streams(url, true));
      default -> {
        CommandLineOptions own = new CommandLineOptions(args.split("\\s+"));
        new Runner(forks(url).parent(own).build()).run();
      }
    }
  }

  private static Report calls(String url, boolean quick) throws RunnerException {
    ChainedOptionsBuilder sampled =
        timed(url, quick).mode(Mode.SampleTime).addProfiler(GCProfiler.class);
    // The compiler gets little of a processor that so many threads want: it needs a minute or more.
    ChainedOptionsBuilder crowded =
        timed(url, quick)
            .mode(Mode.Throughput)
            .threads(THREADS)
            // ollama4j makes a client for each call, and would run out of open files.
            .param("client", "offmeter", "okhttp", "langchain4j", "springai")
            .forks(1)
            .warmupIterations(quick ? 3 : 45);
    ChainedOptionsBuilder once = forks(url).forks(1).measurementIterations(quick ? 1 : 3);
    return new Report(
        run(sampled, ChatBenchmark.class),
        run(crowded, ChatBenchmark.class),
        run(timed(url, quick), FailoverBenchmark.class),
        run(once, LimitBenchmark.class));
  }

  private static StreamReport streams(String url, boolean quick) throws RunnerException {
    // Some 250 streams begin in a second: it takes long for them to be compiled, and counted.
    ChainedOptionsBuilder hundred =
        timed(url, quick)
            .include("FirstTokenBenchmark.amongHundred")
            .warmupIterations(quick ? 3 : 10)
            .measurementIterations(quick ? 4 : 10);
    ChainedOptionsBuilder fast =
        timed(url, quick).warmupIterations(quick ? 3 : 10).addProfiler(GCProfiler.class);
    return new StreamReport(
        run(timed(url, quick).include("FirstTokenBenchmark.alone")),
        run(hundred),
        run(fast, LongStreamBenchmark.class));
  }

  private static ChainedOptionsBuilder forks(String url) {
    return new OptionsBuilder()
        .shouldFailOnError(true)
        .jvmArgsAppend(
            "-Xms1g",
            "-Xmx1g",
            "-Dlogback.configurationFile=logback-jmh.xml",
            "-D" + SERVER + "=" + url);
  }

  private static ChainedOptionsBuilder timed(String url, boolean quick) {
    TimeValue length = TimeValue.milliseconds(quick ? 500 : 2000);
    return forks(url)
        .forks(quick ? 1 : 2)
        .warmupIterations(3)
        .warmupTime(length)
        .measurementIterations(quick ? 2 : 5)
        .measurementTime(length);
  }

  private static Collection<RunResult> run(ChainedOptionsBuilder options, Class<?> benchmark)
      throws RunnerException {
    return run(options.include(benchmark.getSimpleName()));
  }

  private static Collection<RunResult> run(ChainedOptionsBuilder options) throws RunnerException {
    return new Runner(options.build()).run();
  }
}
