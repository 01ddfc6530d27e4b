// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import dev.offmeter.FailureKind;
import dev.offmeter.endpoint.Checkup;
import dev.offmeter.wire.Failure;
import java.time.Duration;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/** A simulated machine with an Ollama, and what of it can be seen from where the calls are made. */
final class VirtualNode {
  private final VirtualTime time;
  private final String name;
  private final Duration way;
  private final Duration patience;
  private final VirtualOllama ollama;
  private final Set<VirtualLine> open = new LinkedHashSet<>();
  private Sight sight = Sight.ANSWERS;

  /** What can be seen of it. */
  enum Sight {
    /** It works. */
    ANSWERS,
    /** A connection is made, and then nothing comes. */
    SILENT,
    /** The edge of the tunnel answers that it has no connection. */
    TUNNEL_DOWN,
    /** The tunnel answers that it cannot reach the server. */
    NO_SERVER,
    /** The host refuses connections. */
    REFUSES,
    /** Packets are swallowed. */
    GONE
  }

  /**
   * A machine.
   *
   * @param way how long a message takes to it, or from it
   * @param patience how long a proxy in between waits for the beginning of a reply
   */
  VirtualNode(
      VirtualTime time, String name, Duration way, Duration patience, VirtualOllama ollama) {
    this.time = time;
    this.name = name;
    this.way = way;
    this.patience = patience;
    this.ollama = ollama;
  }

  VirtualTime time() {
    return time;
  }

  String name() {
    return name;
  }

  Duration way() {
    return way;
  }

  VirtualOllama ollama() {
    return ollama;
  }

  /** Nanoseconds that it takes to make the answer to a call, and to send it. */
  long work(int call) {
    return ollama.nature().works().of(call).total().plus(way).plus(way).toNanos();
  }

  boolean isConnectable() {
    return sight != Sight.GONE;
  }

  /** From now on it looks so. What is under way ends, or is not heard of again. */
  void shows(Sight now) {
    sight = now;
    ollama.abort();
    if (now != Sight.SILENT && now != Sight.GONE) {
      List<VirtualLine> cut = List.copyOf(open);
      open.clear();
      cut.forEach(line -> line.fails(cut(now)));
    }
    if (now == Sight.ANSWERS) {
      ollama.starts(VirtualLine.check(this, Checkup.Kind.LOAD));
    }
  }

  private static Failure cut(Sight now) {
    return now == Sight.TUNNEL_DOWN
        ? Failure.of(FailureKind.ORIGIN_UNREACHABLE, "the tunnel broke off").withStatus(502)
        : Failure.of(FailureKind.CONNECTION_LOST, "the connection broke off");
  }

  /** A request has arrived. */
  void takes(VirtualLine line) {
    open.removeIf(VirtualLine::isEnded);
    open.add(line);
    time.in(patience, () -> line.failsUnlessBegun(timedOut()));
    switch (sight) {
      case ANSWERS -> ollama.takes(line);
      case SILENT, GONE -> {}
      case TUNNEL_DOWN -> line.fails(noTunnel());
      case NO_SERVER ->
          line.fails(Failure.of(FailureKind.ORIGIN_UNREACHABLE, "Bad Gateway").withStatus(502));
      case REFUSES -> line.fails(Failure.of(FailureKind.CONNECTION_REFUSED, "refused"));
    }
  }

  private static Failure timedOut() {
    return Failure.of(FailureKind.GATEWAY_TIMEOUT, "a timeout occurred").withStatus(524);
  }

  /** Cloudflare names a pause. */
  private static Failure noTunnel() {
    return Failure.of(FailureKind.TUNNEL_DOWN, "error code: 1033")
        .withStatus(530)
        .withRetryAfter(Duration.ofSeconds(120));
  }

  /** Whoever asked has gone. */
  void dropped(VirtualLine line) {
    open.remove(line);
    ollama.dropped(line);
  }
}
