// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.jmh;

import static dev.offmeter.jmh.Report.find;
import static dev.offmeter.jmh.Report.line;
import static dev.offmeter.jmh.Report.name;
import static dev.offmeter.jmh.Report.percentile;

import java.util.Collection;
import org.openjdk.jmh.results.RunResult;

/** The results of the stream benchmarks as Markdown, and beside each goal what came out. */
final class StreamReport {
  private final Collection<RunResult> alone;
  private final Collection<RunResult> amongHundred;
  private final Collection<RunResult> longStream;

  StreamReport(
      Collection<RunResult> alone,
      Collection<RunResult> amongHundred,
      Collection<RunResult> longStream) {
    this.alone = alone;
    this.amongHundred = amongHundred;
    this.longStream = longStream;
  }

  @Override
  public String toString() {
    return firstToken("alone", alone)
        + "\n"
        + firstToken("among 100", amongHundred)
        + "\n"
        + longStream()
        + "\n"
        + goals();
  }

  private static String firstToken(String where, Collection<RunResult> runs) {
    StringBuilder table = new StringBuilder();
    line(table, "| First token, %s | median, us | p99, us |", where);
    line(table, "|---|--:|--:|");
    for (RunResult run : runs) {
      line(table, "| %s | %.0f | %.0f |", name(run), percentile(run, 50), percentile(run, 99));
    }
    return table.toString();
  }

  private String longStream() {
    StringBuilder table = new StringBuilder();
    line(table, "| One long stream | tokens/s | bytes a token |");
    line(table, "|---|--:|--:|");
    for (RunResult run : longStream) {
      String client = name(run);
      line(table, "| %s | %.0f | %.0f |", client, tokensPerSecond(client), bytes(client));
    }
    return table.toString();
  }

  private String goals() {
    StringBuilder table = new StringBuilder();
    line(table, "| Goal | limit | measured |");
    line(table, "|---|--:|--:|");
    line(
        table, "| first token alone, median above OkHttp, us | <= 1000 | %.0f |", above(alone, 50));
    line(table, "| among 100, median above OkHttp, us | <= 1000 | %.0f |", above(amongHundred, 50));
    line(table, "| among 100, p99 above OkHttp, us | <= 5000 | %.0f |", above(amongHundred, 99));
    line(
        table,
        "| tokens/s by OkHttp's | >= 0.90 | %.2f |",
        tokensPerSecond("offmeter") / tokensPerSecond("okhttp"));
    return table.toString();
  }

  private static double above(Collection<RunResult> runs, double percent) {
    return percentile(find(runs, "offmeter"), percent) - percentile(find(runs, "okhttp"), percent);
  }

  private double tokensPerSecond(String client) {
    double micros = find(longStream, client).getPrimaryResult().getScore();
    return LongStreamBenchmark.TOKENS * 1e6 / micros;
  }

  private double bytes(String client) {
    return find(longStream, client).getSecondaryResults().get("gc.alloc.rate.norm").getScore()
        / LongStreamBenchmark.TOKENS;
  }
}
