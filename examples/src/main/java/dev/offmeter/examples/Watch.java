// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples;

import dev.offmeter.ChatResponse;
import dev.offmeter.LlmClient;
import java.io.PrintStream;
import java.nio.charset.Charset;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/** Shows how the endpoints are while drafts are made. */
final class Watch implements AutoCloseable {
  private static final long PERIOD_MILLIS = 250;

  private final LlmClient llm;
  private final PatientAnswers answers;
  private final Tally tally;
  private final Panel panel;
  private final PrintStream err = System.err;
  private final ScheduledExecutorService ticking =
      Executors.newSingleThreadScheduledExecutor(Watch::daemon);
  private List<String> news;

  Watch(LlmClient llm, int invoices, Panel panel) {
    this.llm = llm;
    this.answers = new PatientAnswers(llm, invoice -> llm.chat(Letter.request(invoice)));
    this.tally = new Tally(invoices);
    this.panel = panel;
    this.news = new EndpointTable(llm.status()).news();
    if (panel.isInPlace()) {
      // The log goes there, and would be drawn over.
      System.setErr(panel.above(err, Charset.defaultCharset()));
    }
    ticking.scheduleWithFixedDelay(this::look, 0, PERIOD_MILLIS, TimeUnit.MILLISECONDS);
  }

  private static Thread daemon(Runnable task) {
    Thread thread = new Thread(task, "watch");
    thread.setDaemon(true);
    return thread;
  }

  ChatResponse answerTo(Invoice invoice) {
    boolean drafted = false;
    try {
      ChatResponse answer = answers.to(invoice);
      tally.drafted(answer.endpoint());
      drafted = true;
      return answer;
    } finally {
      if (!drafted) {
        tally.failed();
      }
      look();
    }
  }

  private synchronized void look() {
    EndpointTable table = new EndpointTable(llm.status());
    if (panel.isInPlace() || !table.news().equals(news)) {
      news = table.news();
      List<String> rows = rows(table);
      if (!panel.isInPlace()) {
        rows.add("");
      }
      panel.show(rows);
    }
  }

  private List<String> rows(EndpointTable table) {
    List<String> rows = new ArrayList<>();
    rows.add("");
    rows.addAll(table.rows());
    rows.add(tally.toString());
    return rows;
  }

  /** Ends the watch; the last rows stay on the screen. */
  @Override
  public synchronized void close() {
    ticking.shutdownNow();
    panel.show(rows(new EndpointTable(llm.status())));
    panel.close();
    System.setErr(err);
  }
}
