// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.jmh;

import java.util.Collection;
import java.util.Locale;
import org.openjdk.jmh.results.BenchmarkResult;
import org.openjdk.jmh.results.IterationResult;
import org.openjdk.jmh.results.RunResult;

/** The results as Markdown, and beside each goal what came out. */
final class Report {
  private final Collection<RunResult> oneThread;
  private final Collection<RunResult> manyThreads;
  private final Collection<RunResult> failover;
  private final Collection<RunResult> limit;

  Report(
      Collection<RunResult> oneThread,
      Collection<RunResult> manyThreads,
      Collection<RunResult> failover,
      Collection<RunResult> limit) {
    this.oneThread = oneThread;
    this.manyThreads = manyThreads;
    this.failover = failover;
    this.limit = limit;
  }

  @Override
  public String toString() {
    return clients() + "\n" + failover() + "\n" + goals();
  }

  private String clients() {
    StringBuilder table = new StringBuilder();
    line(table, "| Client | median, us | p99, us | bytes a call | calls/s at 32 threads |");
    line(table, "|---|--:|--:|--:|--:|");
    for (RunResult run : oneThread) {
      String client = run.getParams().getParam("client");
      line(
          table,
          "| %s | %.0f | %.0f | %.0f | %s |",
          client,
          percentile(run, 50),
          percentile(run, 99),
          bytes(client),
          manyThreads.stream().anyMatch(other -> name(other).equals(client))
              ? String.format(Locale.ROOT, "%.0f", callsPerSecond(client))
              : "-");
    }
    return table.toString();
  }

  private String failover() {
    StringBuilder table = new StringBuilder();
    line(table, "| Offmeter | median, us | p99, us |");
    line(table, "|---|--:|--:|");
    for (RunResult run : failover) {
      String name = name(run);
      line(table, "| %s | %.0f | %.0f |", name, percentile(run, 50), percentile(run, 99));
    }
    return table.toString();
  }

  private String goals() {
    double slower = median(oneThread, "offmeter") - median(oneThread, "okhttp");
    double alone = median(failover, "fallbackAlone");
    StringBuilder table = new StringBuilder();
    line(table, "| Goal | limit | measured |");
    line(table, "|---|--:|--:|");
    line(table, "| median above OkHttp, us | <= 50 | %.0f |", slower);
    line(
        table,
        "| calls/s by OkHttp's | >= 0.90 | %.2f |",
        callsPerSecond("offmeter") / callsPerSecond("okhttp"));
    line(
        table,
        "| bytes a call by OkHttp's | <= 1.50 | %.2f |",
        bytes("offmeter") / bytes("okhttp"));
    line(
        table,
        "| a primary that refuses, us | <= 2000 | %.0f |",
        median(failover, "primaryRefuses") - alone);
    line(
        table,
        "| a primary known to be down, us | <= 50 | %.0f |",
        median(failover, "primaryIsDown") - alone);
    line(table, "| a limit of 15 s, fires after ms | <= 15050 | %.1f |", latestLimit());
    return table.toString();
  }

  static void line(StringBuilder table, String format, Object... values) {
    table.append(String.format(Locale.ROOT, format, values)).append('\n');
  }

  static String name(RunResult run) {
    String client = run.getParams().getParam("client");
    return client == null ? run.getPrimaryResult().getLabel() : client;
  }

  static RunResult find(Collection<RunResult> runs, String name) {
    return runs.stream().filter(run -> name(run).equals(name)).findFirst().orElseThrow();
  }

  private static double median(Collection<RunResult> runs, String name) {
    return percentile(find(runs, name), 50);
  }

  static double percentile(RunResult run, double percent) {
    return run.getPrimaryResult().getStatistics().getPercentile(percent);
  }

  private double bytes(String client) {
    return find(oneThread, client).getSecondaryResults().get("gc.alloc.rate.norm").getScore();
  }

  private double callsPerSecond(String client) {
    return find(manyThreads, client).getPrimaryResult().getScore() * 1e6;
  }

  private double latestLimit() {
    double latest = 0;
    for (RunResult run : limit) {
      for (BenchmarkResult fork : run.getBenchmarkResults()) {
        for (IterationResult iteration : fork.getIterationResults()) {
          double micros = iteration.getSecondaryResults().get("micros").getScore();
          latest = Math.max(latest, micros / 1000);
        }
      }
    }
    return latest;
  }
}
