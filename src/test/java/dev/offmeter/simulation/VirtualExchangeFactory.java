// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.simulation;

import dev.offmeter.ChatRequest;
import dev.offmeter.FailureKind;
import dev.offmeter.FinishReason;
import dev.offmeter.Usage;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.http.Exchange;
import dev.offmeter.internal.http.ExchangeListener;
import dev.offmeter.internal.http.ExchangeResult;
import dev.offmeter.internal.http.PartialAnswer;
import dev.offmeter.internal.http.Probe;
import dev.offmeter.internal.http.Transport;
import dev.offmeter.internal.wire.ProbeResult;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** The way to a simulated node. */
record VirtualExchangeFactory(VirtualNode node) implements Transport.ExchangeFactory {
  /** The tag with the number of the call. */
  static final String CALL = "call";

  private static final ExchangeResult ANSWER =
      new ExchangeResult("Dear", "", "m", Usage.NONE, FinishReason.STOP, List.of(), 200);

  @Override
  public Exchange open(ChatRequest request, ExchangeListener listener) {
    int call = Integer.parseInt(Objects.requireNonNull(request.tags().get(CALL)));
    return new VirtualExchange(node, VirtualRequest.call(node, call), listener);
  }

  @Override
  public @Nullable Probe probe(Probe.Kind kind) {
    return kind == Probe.Kind.MODEL_INFO
        ? null
        : new VirtualProbe(node.isConnectable(), VirtualRequest.check(node, kind));
  }

  private static final class VirtualExchange implements Exchange {
    private final VirtualNode node;
    private final VirtualRequest line;
    private final ExchangeListener listener;
    private boolean asked;

    VirtualExchange(VirtualNode node, VirtualRequest line, ExchangeListener listener) {
      this.node = node;
      this.line = line;
      this.listener = listener;
    }

    @Override
    public @Nullable ExchangeResult next() throws AttemptException {
      if (!asked) {
        asked = true;
        connect();
      }
      VirtualRequest.Event event = line.next();
      if (event.failure() != null) {
        throw event.failure();
      }
      if (!event.last()) {
        listener.onDelta();
      }
      return event.last() ? ANSWER : null;
    }

    private void connect() {
      listener.onConnecting();
      if (node.isConnectable()) {
        listener.onConnected();
      }
    }

    @Override
    public PartialAnswer partialAnswer() {
      return PartialAnswer.NOTHING;
    }

    @Override
    public void cancel() {
      line.cancel();
    }

    @Override
    public void close() {
      line.cancel();
    }
  }

  private record VirtualProbe(boolean connectable, VirtualRequest line) implements Probe {
    @Override
    public ProbeResult run() {
      VirtualRequest.Event event = line.next();
      AttemptException failure = event.failure();
      if (failure == null) {
        return Objects.requireNonNull(event.probeResult());
      }
      return ProbeResult.withoutReply(
          failure.kind() == FailureKind.CONNECTION_LOST ? silent() : failure);
    }

    private AttemptException silent() {
      return connectable
          ? AttemptException.of(FailureKind.UNRESPONSIVE, "no reply to a health check")
          : AttemptException.of(FailureKind.CONNECT_TIMEOUT, "no connection for a health check");
    }

    @Override
    public void cancel() {
      line.cancel();
    }
  }
}
