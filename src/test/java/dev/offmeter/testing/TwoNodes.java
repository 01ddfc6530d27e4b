// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.testing;

import dev.offmeter.ClientInternals;
import dev.offmeter.Endpoint;
import dev.offmeter.LlmClient;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.observe.EndpointStatus;
import java.util.Objects;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * A primary node that answers {@code PRIMARY}, a fallback node that answers {@code FALLBACK}, and
 * clients that try them in this order. Made in a field, after the {@link Loopback} that it is
 * given.
 */
public final class TwoNodes {
  private final Loopback loopback;
  private final @Nullable ManualTime time;
  private final String name;
  private final Node primary;
  private final Node fallback;

  private TwoNodes(Loopback loopback, @Nullable ManualTime time, String name, Node primary) {
    this.loopback = loopback;
    this.time = time;
    this.name = name;
    this.primary = primary;
    this.fallback = loopback.node(OllamaReplies.answering("FALLBACK"));
  }

  /** Returns two nodes whose clients take their time from {@link #time()}. */
  public static TwoNodes inManualTime(Loopback loopback) {
    return new TwoNodes(loopback, loopback.manualTime(), "primary", answering(loopback));
  }

  /** Returns two nodes whose clients take their time from the machine. */
  public static TwoNodes inRealTime(Loopback loopback) {
    return new TwoNodes(loopback, null, "primary", answering(loopback));
  }

  /** Returns {@code home}, an endpoint of this name, and a fallback node behind it. */
  public static TwoNodes behind(LoadingNode home, Loopback loopback, ManualTime time) {
    return new TwoNodes(loopback, time, "home", home.node());
  }

  private static Node answering(Loopback loopback) {
    return loopback.node(OllamaReplies.answering("PRIMARY"));
  }

  /** Returns the node that is tried first. */
  public Node primary() {
    return primary;
  }

  /** Returns the node that is tried when the primary fails. */
  public Node fallback() {
    return fallback;
  }

  /** Returns the time of all clients built here. */
  public ManualTime time() {
    return Objects.requireNonNull(time, "these nodes are in real time");
  }

  /** Returns a client of both nodes; it is closed after the test. */
  public LlmClient client() {
    return loopback.client(builder());
  }

  /** Returns a client of both nodes, with {@code settings} on the primary's endpoint. */
  public LlmClient client(UnaryOperator<Endpoint.Builder> settings) {
    return loopback.client(builder(settings));
  }

  /** Returns a client that tries {@code primary}, of whatever protocol, before the fallback. */
  public LlmClient client(Endpoint.Builder primary) {
    return loopback.client(builder(primary));
  }

  /** Returns a builder with both endpoints, for {@link Loopback#client} to build. */
  public LlmClient.Builder builder() {
    return builder(endpoint());
  }

  /** Returns a builder with both endpoints and {@code settings} on the primary's. */
  public LlmClient.Builder builder(UnaryOperator<Endpoint.Builder> settings) {
    return builder(settings.apply(endpoint()));
  }

  /** Returns a builder with {@code primary}, of whatever protocol, before the fallback. */
  public LlmClient.Builder builder(Endpoint.Builder primary) {
    LlmClient.Builder builder = time == null ? LlmClient.builder() : ClientInternals.builder(time);
    return builder
        .endpoint(primary.build())
        .endpoint(Loopback.ollama("fallback", fallback).build());
  }

  private Endpoint.Builder endpoint() {
    return Loopback.ollama(name, primary);
  }

  /** Returns the status of the client's first endpoint. */
  public static EndpointStatus primaryStatus(LlmClient client) {
    return client.status().endpoints().get(0);
  }

  /** Returns the state of the client's first endpoint. */
  public static EndpointState primaryState(LlmClient client) {
    return primaryStatus(client).state();
  }

  /** Returns an endpoint of last resort: a function that answers {@code TEMPLATE}. */
  public static Endpoint template() {
    return Endpoint.local("template", request -> "TEMPLATE").build();
  }
}
