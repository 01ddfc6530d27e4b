// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.testing;

import dev.offmeter.ChatRequest;
import dev.offmeter.FinishReason;
import dev.offmeter.Usage;
import dev.offmeter.internal.http.Exchange;
import dev.offmeter.internal.http.ExchangeListener;
import dev.offmeter.internal.http.ExchangeResult;
import dev.offmeter.internal.http.PartialAnswer;
import dev.offmeter.internal.http.Transport;
import java.util.List;

/** Opens exchanges with a function that answers at once, on the caller's own thread. */
public final class TemplateExchangeFactory implements Transport.ExchangeFactory {
  @Override
  public Exchange open(ChatRequest request, ExchangeListener listener) {
    return new Exchange() {
      @Override
      public ExchangeResult next() {
        return new ExchangeResult("Dear", "", "", Usage.NONE, FinishReason.STOP, List.of(), 0);
      }

      @Override
      public PartialAnswer partialAnswer() {
        return PartialAnswer.NOTHING;
      }

      @Override
      public void cancel() {}

      @Override
      public void close() {}
    };
  }
}
