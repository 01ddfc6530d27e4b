// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import java.util.List;
import java.util.OptionalInt;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;

/** Holds values for what requests leave unset. Immutable once made. */
final class RequestDefaults {
  static final RequestDefaults NONE = new RequestDefaults(ChatRequest.builder(), true);

  private final ChatRequest.Builder values;
  private final boolean empty;

  private RequestDefaults(ChatRequest.Builder values, boolean empty) {
    this.values = values;
    this.empty = empty;
  }

  /**
   * Returns the defaults of a client.
   *
   * @throws IllegalArgumentException if a value is wrong
   * @throws IllegalStateException if something is set that only a request can have
   */
  static RequestDefaults ofClient(List<Consumer<ChatRequest.Builder>> settings) {
    return of("defaults", settings);
  }

  /** Returns the defaults of an endpoint, which concern the model only. */
  static RequestDefaults ofEndpoint(String name, List<Consumer<ChatRequest.Builder>> settings) {
    String subject = "endpoint '" + name + "': defaults";
    RequestDefaults defaults = of(subject, settings);
    if (defaults.values.hasCallSettings()) {
      throw new IllegalStateException(
          subject
              + " must be of maxTokens, temperature, topP, seed, stop and thinking only; the others"
              + " are the client's");
    }
    return defaults;
  }

  private static RequestDefaults of(String subject, List<Consumer<ChatRequest.Builder>> settings) {
    if (settings.isEmpty()) {
      return NONE;
    }
    ChatRequest.Builder values = ChatRequest.builder();
    settings.forEach(setting -> setting.accept(values));
    if (values.hasConversation()) {
      throw new IllegalStateException(
          subject
              + " must not have messages, tools or an answerSchema: these are the request's own");
    }
    if (values.hasSession()) {
      throw new IllegalStateException(
          subject + " must not have a session: it is the request's own");
    }
    if (values.hasModel()) {
      throw new IllegalStateException(subject + " must not have a model: it is the request's own");
    }
    return new RequestDefaults(values, false);
  }

  /**
   * Returns a function that fills in what concerns the model: from these defaults first, then from
   * the others.
   */
  UnaryOperator<ChatRequest> before(RequestDefaults others) {
    return empty && others.empty
        ? UnaryOperator.identity()
        : request -> others.forModel(forModel(request));
  }

  private ChatRequest forModel(ChatRequest request) {
    return empty ? request : request.withModelDefaults(values);
  }

  /** Fills in what concerns the whole call. */
  ChatRequest forCall(ChatRequest request) {
    return empty ? request : request.withCallDefaults(values);
  }

  /** Returns the most tokens of an answer, for requests that set none, if set. */
  OptionalInt maxTokens() {
    return values.maxTokens();
  }
}
