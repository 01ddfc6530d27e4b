// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import dev.offmeter.ChatRequest;
import dev.offmeter.Usage;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.http.EndpointConfig;
import dev.offmeter.internal.http.Exchange;
import dev.offmeter.internal.http.ExchangeResult;
import dev.offmeter.internal.http.PartialAnswer;
import dev.offmeter.internal.meter.AttemptBill;
import dev.offmeter.internal.meter.TokenEstimator;
import dev.offmeter.meter.Price;

/**
 * Decides what one attempt used and costs. Called when it has ended, by the thread that reads, or
 * by the one whose hedge was first.
 */
final class AttemptBilling {
  private final EndpointConfig config;
  private final ChatRequest request;
  private final Exchange exchange;

  AttemptBilling(EndpointConfig config, ChatRequest request, Exchange exchange) {
    this.config = config;
    this.request = request;
    this.exchange = exchange;
  }

  /**
   * Returns the bill of an attempt without an answer. A server that refuses a request does not bill
   * it; behind a gateway that gave up waiting may be one that does.
   *
   * @param sent whether the request may have reached the server
   * @param pieces how many pieces of the answer had come
   * @param nanos from dispatch to the end
   */
  AttemptBill ofFailure(AttemptException failure, boolean sent, int pieces, long nanos) {
    Usage usage = exchange.usage();
    if (usage.reported()) {
      return AttemptBill.complete(config.price(), usage, nanos);
    }
    return isFreeFunction() || !sent || isRefusal(failure.status())
        ? AttemptBill.NONE
        : AttemptBill.givenUp(config.price(), estimate(usage, pieces), nanos);
  }

  private static boolean isRefusal(int status) {
    boolean ofGateway = status == 408 || status == 502 || status == 504 || status / 10 == 52;
    return status != 0 && status != 200 && !ofGateway;
  }

  /** Returns the bill of an attempt with its answer; for the parameters see {@link #ofFailure}. */
  AttemptBill ofAnswer(ExchangeResult answer, int pieces, long nanos) {
    if (isFreeFunction()) {
      return AttemptBill.NONE;
    }
    Usage usage = answer.usage();
    return AttemptBill.complete(
        config.price(), usage.reported() ? usage : estimate(usage, pieces), nanos);
  }

  private boolean isFreeFunction() {
    Price price = config.price();
    return config.isLocal() && price != null && price.isFree();
  }

  /** Returns the counts that are known, and estimates of those that are not. */
  private Usage estimate(Usage known, int pieces) {
    int input = known.inputTokens() > 0 ? known.inputTokens() : TokenEstimator.ofRequest(request);
    // A count that was told before the end, as Anthropic's first one is, may lie below what came.
    int output = Math.max(known.outputTokens(), Math.min(request.maxTokens(), received(pieces)));
    return new Usage(input, output)
        .withTimes(known.computeTime(), known.loadTime())
        .asNotReported();
  }

  /**
   * Estimates what had come by its length alone, because another thread may be adding to it. A
   * piece is a token or more.
   */
  private int received(int pieces) {
    PartialAnswer partial = exchange.partialAnswer();
    return Math.max(pieces, (partial.text().length() + partial.thinking().length() + 1) / 2);
  }
}
