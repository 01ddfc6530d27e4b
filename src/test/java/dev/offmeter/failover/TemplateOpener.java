// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import dev.offmeter.ChatRequest;
import dev.offmeter.FinishReason;
import dev.offmeter.Usage;
import dev.offmeter.endpoint.Answer;
import dev.offmeter.endpoint.Exchange;
import dev.offmeter.endpoint.Heard;
import dev.offmeter.endpoint.Progress;
import dev.offmeter.endpoint.Transport;
import java.util.List;

/** The way to a function that answers at once, on the caller's own thread. */
final class TemplateOpener implements Transport.Opener {
  @Override
  public Exchange open(ChatRequest request, Progress progress) {
    return new Exchange() {
      @Override
      public Answer next() {
        return new Answer("Dear", "", "", Usage.NONE, FinishReason.STOP, List.of(), 0);
      }

      @Override
      public Heard heard() {
        return Heard.NOTHING;
      }

      @Override
      public void cancel() {}

      @Override
      public void close() {}
    };
  }
}
