// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

import dev.offmeter.ChatRequest;
import dev.offmeter.Locality;
import dev.offmeter.internal.wire.ModelTraits;
import dev.offmeter.internal.wire.Protocol;
import dev.offmeter.meter.Price;
import java.time.Duration;
import java.util.List;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * Holds the validated settings of one endpoint.
 *
 * @param name the endpoint's name, unique in a client
 * @param origin scheme, host and port; empty for an in-process function
 * @param model the model asked for, empty for an in-process function
 * @param locality on whose hardware the endpoint runs
 * @param onThisMachine whether the address is a loopback one
 * @param traits what is declared about its model
 * @param timeouts the timeouts of an attempt
 * @param maxConcurrent most concurrent calls
 * @param requestsPerMinute the most requests within 60 s, {@code MAX_VALUE} for any number
 * @param maxWait how long a call waits for a bulkhead slot before it moves on, zero for not at all
 * @param keepWarm whether the model is kept in the server's memory
 * @param unloadWhenWedged whether the server is asked to unload a model that hangs
 * @param modelKeepAlive how long the server keeps an idle model
 * @param retries further attempts here before the next endpoint
 * @param defaults fills in what a request leaves unset
 * @param headers sent with every request
 * @param protocol how a server is asked, null for an in-process function
 * @param function the in-process function, null for a server
 * @param answerWhileModelLoads whether a function answers while a model is being loaded that could
 *     answer
 * @param optionTexts the texts in the options, which a server may repeat
 * @param price the price of a call; null if it is unknown
 */
public record EndpointConfig(
    String name,
    String origin,
    String model,
    Locality locality,
    boolean onThisMachine,
    ModelTraits traits,
    AttemptTimeouts timeouts,
    int maxConcurrent,
    int requestsPerMinute,
    Duration maxWait,
    boolean keepWarm,
    boolean unloadWhenWedged,
    Duration modelKeepAlive,
    int retries,
    UnaryOperator<ChatRequest> defaults,
    List<Header> headers,
    @Nullable Protocol protocol,
    @Nullable Function<ChatRequest, String> function,
    boolean answerWhileModelLoads,
    List<String> optionTexts,
    @Nullable Price price) {

  /** Returns a copy with a price. */
  public EndpointConfig withPrice(Price known) {
    return new EndpointConfig(
        name,
        origin,
        model,
        locality,
        onThisMachine,
        traits,
        timeouts,
        maxConcurrent,
        requestsPerMinute,
        maxWait,
        keepWarm,
        unloadWhenWedged,
        modelKeepAlive,
        retries,
        defaults,
        headers,
        protocol,
        function,
        answerWhileModelLoads,
        optionTexts,
        known);
  }

  /** Returns the provider's name, as {@link dev.offmeter.Attempt#provider()} defines it. */
  public String provider() {
    if (protocol == null) {
      return isLocal() ? "function" : "";
    }
    return protocol.provider();
  }

  /** Returns whether the endpoint is a function in this process. */
  public boolean isLocal() {
    return function != null;
  }

  /**
   * Returns whether the endpoint is a function that answers only if no model that is being loaded
   * can.
   */
  public boolean isLastResort() {
    return isLocal() && !answerWhileModelLoads;
  }

  /**
   * Returns the exchanges that the test kit puts in the place of connections; null for any other
   * endpoint. The kit hands them over as the supplier of a header, since no builder takes them.
   */
  Transport.@Nullable ExchangeFactory scriptedExchanges() {
    for (Header header : headers) {
      if (header.supplier() instanceof Transport.ExchangeFactory scripted) {
        return scripted;
      }
    }
    return null;
  }
}
