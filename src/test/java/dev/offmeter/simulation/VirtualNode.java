// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.simulation;

import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.http.Probe;
import java.time.Duration;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/** A simulated machine with an Ollama, and what of it can be seen from where the calls are made. */
final class VirtualNode {
  private final VirtualTime time;
  private final String name;
  private final Duration roundTrip;
  private final Duration patience;
  private final VirtualOllama ollama;
  private final Set<VirtualRequest> open = new LinkedHashSet<>();
  private Reachability sight = Reachability.ANSWERS;

  /** The ways in which a node shows itself to callers. */
  enum Reachability {
    /** The node answers. */
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
      VirtualTime time, String name, Duration roundTrip, Duration patience, VirtualOllama ollama) {
    this.time = time;
    this.name = name;
    this.roundTrip = roundTrip;
    this.patience = patience;
    this.ollama = ollama;
  }

  VirtualTime time() {
    return time;
  }

  String name() {
    return name;
  }

  Duration roundTrip() {
    return roundTrip;
  }

  VirtualOllama ollama() {
    return ollama;
  }

  /** Nanoseconds that it takes to make the answer to a call, and to send it. */
  long work(int call) {
    return ollama.nature().works().of(call).total().plus(roundTrip).plus(roundTrip).toNanos();
  }

  boolean isConnectable() {
    return sight != Reachability.GONE;
  }

  /** Sets how the node looks from now on. Open requests end, or are not heard of again. */
  void setReachability(Reachability now) {
    sight = now;
    ollama.abort();
    if (now != Reachability.SILENT && now != Reachability.GONE) {
      List<VirtualRequest> cut = List.copyOf(open);
      open.clear();
      cut.forEach(line -> line.fail(cut(now)));
    }
    if (now == Reachability.ANSWERS) {
      ollama.startNext(VirtualRequest.check(this, Probe.Kind.LOAD_MODEL));
    }
  }

  private static AttemptException cut(Reachability now) {
    return now == Reachability.TUNNEL_DOWN
        ? AttemptException.of(FailureKind.ORIGIN_UNREACHABLE, "the tunnel broke off")
            .withStatus(502)
        : AttemptException.of(FailureKind.CONNECTION_LOST, "the connection broke off");
  }

  /** A request has arrived. */
  void accept(VirtualRequest line) {
    open.removeIf(VirtualRequest::isEnded);
    open.add(line);
    time.in(patience, () -> line.failUnlessBegun(timedOut()));
    switch (sight) {
      case ANSWERS -> ollama.accept(line);
      case SILENT, GONE -> {}
      case TUNNEL_DOWN -> line.fail(noTunnel());
      case NO_SERVER ->
          line.fail(
              AttemptException.of(FailureKind.ORIGIN_UNREACHABLE, "Bad Gateway").withStatus(502));
      case REFUSES -> line.fail(AttemptException.of(FailureKind.CONNECTION_REFUSED, "refused"));
    }
  }

  private static AttemptException timedOut() {
    return AttemptException.of(FailureKind.GATEWAY_TIMEOUT, "a timeout occurred").withStatus(524);
  }

  /** Cloudflare names a pause. */
  private static AttemptException noTunnel() {
    return AttemptException.of(FailureKind.TUNNEL_DOWN, "error code: 1033")
        .withStatus(530)
        .withRetryAfter(Duration.ofSeconds(120));
  }

  /** Called when the client of a request has gone. */
  void onDropped(VirtualRequest line) {
    open.remove(line);
    ollama.onDropped(line);
  }
}
