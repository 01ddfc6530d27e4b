// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import dev.offmeter.ChatRequest;
import dev.offmeter.FailureKind;
import dev.offmeter.FinishReason;
import dev.offmeter.Usage;
import dev.offmeter.endpoint.Answer;
import dev.offmeter.endpoint.Checkup;
import dev.offmeter.endpoint.Exchange;
import dev.offmeter.endpoint.Heard;
import dev.offmeter.endpoint.Progress;
import dev.offmeter.endpoint.Transport;
import dev.offmeter.wire.Failure;
import dev.offmeter.wire.Vitals;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** The way to a simulated node. */
record VirtualOpener(VirtualNode node) implements Transport.Opener {
  /** The tag with the number of the call. */
  static final String CALL = "call";

  private static final Answer ANSWER =
      new Answer("Dear", "", "m", Usage.NONE, FinishReason.STOP, List.of(), 200);

  @Override
  public Exchange open(ChatRequest request, Progress progress) {
    int call = Integer.parseInt(Objects.requireNonNull(request.tags().get(CALL)));
    return new Call(node, VirtualLine.call(node, call), progress);
  }

  @Override
  public Checkup checkup(Checkup.Kind kind) {
    return new Check(node.isConnectable(), VirtualLine.check(node, kind));
  }

  private static final class Call implements Exchange {
    private final VirtualNode node;
    private final VirtualLine line;
    private final Progress progress;
    private boolean asked;

    Call(VirtualNode node, VirtualLine line, Progress progress) {
      this.node = node;
      this.line = line;
      this.progress = progress;
    }

    @Override
    public @Nullable Answer next() throws Failure {
      if (!asked) {
        asked = true;
        connect();
      }
      VirtualLine.Event event = line.next();
      if (event.failure() != null) {
        throw event.failure();
      }
      if (!event.last()) {
        progress.piece();
      }
      return event.last() ? ANSWER : null;
    }

    private void connect() {
      progress.connecting();
      if (node.isConnectable()) {
        progress.connected();
      }
    }

    @Override
    public Heard heard() {
      return Heard.NOTHING;
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

  private record Check(boolean connectable, VirtualLine line) implements Checkup {
    @Override
    public Vitals run() {
      VirtualLine.Event event = line.next();
      Failure failure = event.failure();
      if (failure == null) {
        return Objects.requireNonNull(event.vitals());
      }
      return Vitals.withoutReply(
          failure.kind() == FailureKind.CONNECTION_LOST ? silent() : failure);
    }

    private Failure silent() {
      return connectable
          ? Failure.of(FailureKind.UNRESPONSIVE, "no reply to a health check")
          : Failure.of(FailureKind.CONNECT_TIMEOUT, "no connection for a health check");
    }

    @Override
    public void cancel() {
      line.cancel();
    }
  }
}
