// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.testkit;

import dev.offmeter.ChatRequest;
import dev.offmeter.internal.http.Exchange;
import dev.offmeter.internal.http.ExchangeListener;
import dev.offmeter.internal.http.Transport;
import java.util.List;
import java.util.function.Supplier;

/**
 * Opens exchanges that follow a script. Reaches the client as the supplier of a header, which is
 * never asked.
 */
final class ScriptedExchanges implements Transport.ExchangeFactory, Supplier<String> {
  private final Script script;
  private final Arrivals<ChatRequest> asked = new Arrivals<>("the endpoint");

  ScriptedExchanges(Script script) {
    this.script = script;
  }

  @Override
  public Exchange open(ChatRequest request, ExchangeListener listener) {
    return new ScriptedExchange(script, listener, () -> asked.add(request));
  }

  @Override
  public String get() {
    throw new IllegalStateException("no request is sent");
  }

  List<ChatRequest> requests() {
    return asked.all();
  }

  ChatRequest await(int requests) throws InterruptedException {
    return asked.await(requests);
  }

  void forget() {
    asked.clear();
  }
}
