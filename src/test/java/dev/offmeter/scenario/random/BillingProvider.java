// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.random;

import dev.offmeter.testing.Connection;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.ServerReplies;
import java.io.IOException;
import java.math.BigDecimal;
import java.time.Instant;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A provider that does with each request what was planned, and writes bills of its own: it charges
 * what it has read and written, whatever becomes of the reply.
 */
final class BillingProvider implements Node.Script {
  /** What becomes of a request. */
  enum Fate {
    /** It has an answer, with its usage if the provider reports any. */
    ANSWERED,
    /** It is refused by an HTTP status, and costs nothing. */
    REFUSED,
    /** Its connection is closed after the pieces. */
    CUT,
    /**
     * Nothing follows the pieces until the client closes; without pieces nothing is sent at all.
     */
    HELD
  }

  /**
   * What to do with the requests of one call.
   *
   * @param feature for which the bill is
   * @param status of a refusal
   * @param input the tokens of the request
   * @param cached those of them that are charged as cached
   * @param pieces of the answer, each of one token
   * @param ending the last piece of a complete answer
   */
  record Plan(
      Fate fate, String feature, int status, int input, int cached, int pieces, String ending) {}

  /**
   * One line of a bill.
   *
   * @param reported whether the client was told the usage
   */
  record Bill(Instant at, String feature, BigDecimal amount, boolean reported) {}

  /** The prices of a million tokens. */
  record Prices(BigDecimal input, BigDecimal cached, BigDecimal output) {
    static Prices of(String input, String cached, String output) {
      return new Prices(new BigDecimal(input), new BigDecimal(cached), new BigDecimal(output));
    }
  }

  private final ManualTime time;
  private final Prices prices;
  private final boolean reports;
  private final List<Bill> bills = new CopyOnWriteArrayList<>();
  private final AtomicInteger held = new AtomicInteger();
  private volatile Plan plan = new Plan(Fate.REFUSED, "", 500, 0, 0, 0, "");

  private volatile boolean failed;

  BillingProvider(ManualTime time, Prices prices, boolean reports) {
    this.time = time;
    this.prices = prices;
    this.reports = reports;
  }

  void plan(Plan next) {
    plan = next;
  }

  List<Bill> bills() {
    return bills;
  }

  /**
   * Returns whether a failure that counts against the endpoint's health has come since its last
   * answer that no check rejects.
   */
  boolean hasFailed() {
    return failed;
  }

  /** Returns how many requests have been left without an end so far. */
  int held() {
    return held.get();
  }

  @Override
  public void answer(Connection connection, Connection.Request request) throws IOException {
    Plan plan = this.plan;
    failed = hasFailed(plan);
    if (plan.fate() == Fate.REFUSED) {
      OllamaReplies.status(plan.status(), "text/plain", "no").answer(connection, request);
      return;
    }
    bill(plan);
    if (plan.fate() != Fate.HELD || plan.pieces() > 0) {
      connection.send(ServerReplies.EVENTS_HEAD);
    }
    for (int i = 1; i < plan.pieces(); i++) {
      event(connection, ServerReplies.openAiPiece("word" + i + " "));
    }
    if (plan.pieces() > 0) {
      event(connection, ServerReplies.openAiPiece(plan.ending()));
    }
    end(connection, plan);
  }

  private boolean hasFailed(Plan plan) {
    return switch (plan.fate()) {
      case ANSWERED -> failed && !plan.ending().equals(SimulatedMonth.AGREED);
      case REFUSED -> failed || plan.status() >= 500;
      case CUT, HELD -> true;
    };
  }

  private void end(Connection connection, Plan plan) throws IOException {
    switch (plan.fate()) {
      case CUT -> connection.close();
      case HELD -> {
        held.incrementAndGet();
        connection.hang();
      }
      default -> {
        event(connection, ServerReplies.openAiEnd("stop"));
        if (reports) {
          event(connection, usage(plan));
        }
        event(connection, "[DONE]");
        connection.send(OllamaReplies.LAST_CHUNK);
      }
    }
  }

  /** Writes the bill before the reply: who has read the reply finds the bill. */
  private void bill(Plan plan) {
    BigDecimal uncached = BigDecimal.valueOf(plan.input() - plan.cached());
    BigDecimal amount =
        uncached
            .multiply(prices.input())
            .add(BigDecimal.valueOf(plan.cached()).multiply(prices.cached()))
            .add(BigDecimal.valueOf(plan.pieces()).multiply(prices.output()))
            .movePointLeft(6);
    boolean reported = reports && plan.fate() == Fate.ANSWERED;
    bills.add(new Bill(time.instant(), plan.feature(), amount, reported));
  }

  private static String usage(Plan plan) {
    return ("{\"choices\":[],\"usage\":{\"prompt_tokens\":" + plan.input())
        + (",\"completion_tokens\":" + plan.pieces())
        + (",\"prompt_tokens_details\":{\"cached_tokens\":" + plan.cached() + "}}}");
  }

  private static void event(Connection connection, String data) throws IOException {
    connection.send(OllamaReplies.chunk("data: " + data + "\n\n"));
  }
}
