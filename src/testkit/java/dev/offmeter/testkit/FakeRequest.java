// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.testkit;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/**
 * One request that a {@link FakeLlm} received. Immutable, so safe for use by many threads.
 *
 * <p>{@link #toString()} gives the method, the path, the model and the number of messages; never a
 * message or a header, which may hold a key.
 */
public final class FakeRequest {
  private static final Duration PATIENCE = Duration.ofSeconds(10);

  private final HttpConnection connection;
  private final HttpConnection.Request request;
  private final String model;
  private final boolean streaming;
  private final List<String> messages;

  FakeRequest(HttpConnection connection, HttpConnection.Request request, Api api) {
    JsonNode body = JsonText.tree(request.body());
    this.connection = connection;
    this.request = request;
    this.model = api.model(request.path(), body);
    this.streaming = api.isStreamed(request.path(), body);
    this.messages = Conversation.texts(body);
  }

  /** Returns the HTTP method, such as {@code POST}. */
  public String method() {
    return request.method();
  }

  /** Returns the path with its query, such as {@code /api/chat}. */
  public String path() {
    return request.target();
  }

  /** Returns the model that was asked for; empty if the request names none. */
  public String model() {
    return model;
  }

  /** Returns whether a stream was asked for, as Offmeter always does. */
  public boolean isStreaming() {
    return streaming;
  }

  /** Returns the texts of the messages, the system's first, then as the conversation went. */
  public List<String> messages() {
    return messages;
  }

  /** Returns the text of the last message; empty if there is none. */
  public String lastMessage() {
    return messages.isEmpty() ? "" : messages.get(messages.size() - 1);
  }

  /** Returns the body as it was sent, a JSON text for a call. */
  public String body() {
    return request.body();
  }

  /** Returns the value of a header, whatever the case of its name; keys are readable. */
  public Optional<String> header(String name) {
    return Optional.ofNullable(request.header(Objects.requireNonNull(name, "name")));
  }

  /** Returns whether the connection over which the request came is closed, by either end. */
  public boolean isClosed() {
    return connection.closed().getCount() == 0;
  }

  /**
   * Waits until the connection over which the request came is closed. A client closes that of a
   * call which it gives up; that of a complete answer it keeps for the next call.
   *
   * @throws AssertionError if it is not closed within 10 s
   * @throws InterruptedException if the thread is interrupted
   */
  public void awaitClosed() throws InterruptedException {
    if (!connection.closed().await(PATIENCE.toMillis(), TimeUnit.MILLISECONDS)) {
      throw new AssertionError("the connection of " + this + " is still open");
    }
  }

  @Override
  public String toString() {
    String about = model.isEmpty() ? "" : ", " + model + ", " + messages.size() + " messages";
    return "FakeRequest[" + method() + " " + request.path() + about + "]";
  }
}
