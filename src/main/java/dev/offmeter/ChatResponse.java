// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import dev.offmeter.internal.json.Json;
import java.time.Duration;
import java.util.List;
import java.util.Objects;

/**
 * One complete answer, all of it from one endpoint. Immutable, so safe for use by many threads.
 *
 * <p>{@link #toString()} gives the facts and the length of the text, never the text.
 */
public final class ChatResponse {
  private final String text;
  private final String thinking;
  private final String endpoint;
  private final String model;
  private final Usage usage;
  private final FinishReason finishReason;
  private final List<ToolCall> toolCalls;
  private final List<Attempt> attempts;
  private final Duration elapsed;
  private final Duration timeToFirstToken;

  private ChatResponse(Builder builder) {
    text = builder.text;
    thinking = builder.thinking;
    endpoint = builder.endpoint;
    model = builder.model;
    usage = builder.usage;
    finishReason = builder.finishReason;
    toolCalls = builder.toolCalls;
    attempts = builder.attempts;
    elapsed = builder.elapsed;
    timeToFirstToken = builder.timeToFirstToken;
  }

  /** Returns a builder, for code that stands in for a client, such as a test of your own. */
  public static Builder builder() {
    return new Builder();
  }

  /** Returns a builder that starts from this response. */
  public Builder toBuilder() {
    Builder builder = new Builder().text(text).thinking(thinking).endpoint(endpoint).model(model);
    builder.usage(usage).finishReason(finishReason).toolCalls(toolCalls).attempts(attempts);
    return builder.elapsed(elapsed).timeToFirstToken(timeToFirstToken);
  }

  /**
   * One call of a tool that the model asks for. The library never runs a tool: the application
   * does, and hands the result back with {@link Message#toolResult}.
   *
   * @param id the server's name for this call; empty if it gave none
   * @param name the tool's name, as the model wrote it: not always one that was offered
   * @param arguments a JSON object as the model wrote it; not checked against the tool's schema
   */
  public record ToolCall(String id, String name, String arguments) {
    /**
     * A call; all three are required. A surrogate without its other half becomes U+FFFD.
     *
     * @throws IllegalArgumentException if the arguments are no JSON object
     */
    public ToolCall {
      Objects.requireNonNull(id, "id");
      Objects.requireNonNull(name, "name");
      Objects.requireNonNull(arguments, "arguments");
      if (!Json.isObject(arguments)) {
        throw new IllegalArgumentException("arguments of a tool call must be a JSON object");
      }
      id = Surrogates.mended(id);
      name = Surrogates.mended(name);
      arguments = Surrogates.mendedJson(arguments);
    }

    /** Without the arguments, which are part of the answer. */
    @Override
    public String toString() {
      return "ToolCall[" + arguments.length() + " chars of arguments]";
    }
  }

  /**
   * An answer in the shape that was asked for.
   *
   * @param value the answer, parsed and checked
   * @param response where it came from and how; its text is the JSON
   */
  public record Structured<T>(T value, ChatResponse response) {
    /** Without the value, which is the answer. */
    @Override
    public String toString() {
      return "Structured[" + response + "]";
    }
  }

  /**
   * Returns the answer; never any of the model's thinking, and never blank unless there are {@link
   * #toolCalls()}.
   */
  public String text() {
    return text;
  }

  /**
   * What the model thought before it answered, whether the server sent it apart or between {@code
   * <think>} tags in the text; empty when there was none.
   */
  public String thinking() {
    return thinking;
  }

  /** Returns the name of the endpoint that answered. */
  public String endpoint() {
    return endpoint;
  }

  /** Returns the model as the server reported it, which may differ from the one asked for. */
  public String model() {
    return model;
  }

  /** Tokens as the server reported them. */
  public Usage usage() {
    return usage;
  }

  /** Why the model stopped. {@link FinishReason#LENGTH} means that the text may end abruptly. */
  public FinishReason finishReason() {
    return finishReason;
  }

  /** The tools that the model wants to be called; empty for most answers. */
  public List<ToolCall> toolCalls() {
    return toolCalls;
  }

  /**
   * Returns every attempt in order, endpoints that were passed over without being asked included;
   * the last one is the one that answered.
   */
  public List<Attempt> attempts() {
    return attempts;
  }

  /** Returns the whole call, from its start to the complete answer, failed attempts included. */
  public Duration elapsed() {
    return elapsed;
  }

  /**
   * From the dispatch of the attempt that answered to its first piece of answer or thinking. For
   * what the caller waited in all, add the attempts before it.
   */
  public Duration timeToFirstToken() {
    return timeToFirstToken;
  }

  @Override
  public String toString() {
    return "ChatResponse["
        + text.length()
        + " chars from "
        + endpoint
        + " ("
        + model
        + "), "
        + finishReason
        + ", attempts "
        + attempts.size()
        + ", "
        + elapsed.toMillis()
        + " ms]";
  }

  /** Builds a {@link ChatResponse}. Not safe for use by several threads. */
  public static final class Builder {
    private String text = "";
    private String thinking = "";
    private String endpoint = "";
    private String model = "";
    private Usage usage = Usage.NONE;
    private FinishReason finishReason = FinishReason.STOP;
    private List<ToolCall> toolCalls = List.of();
    private List<Attempt> attempts = List.of();
    private Duration elapsed = Duration.ZERO;
    private Duration timeToFirstToken = Duration.ZERO;

    private Builder() {}

    /** Sets the answer; required, not blank unless there are tool calls. */
    public Builder text(String text) {
      this.text = Objects.requireNonNull(text, "text");
      return this;
    }

    /** Sets the thinking; default empty. */
    public Builder thinking(String thinking) {
      this.thinking = Objects.requireNonNull(thinking, "thinking");
      return this;
    }

    /** Adds the endpoint's name; default empty. */
    public Builder endpoint(String endpoint) {
      this.endpoint = Objects.requireNonNull(endpoint, "endpoint");
      return this;
    }

    /** Sets the model; default empty. */
    public Builder model(String model) {
      this.model = Objects.requireNonNull(model, "model");
      return this;
    }

    /** Sets the tokens; default {@link Usage#NONE}. */
    public Builder usage(Usage usage) {
      this.usage = Objects.requireNonNull(usage, "usage");
      return this;
    }

    /** Why the model stopped; default {@link FinishReason#STOP}. */
    public Builder finishReason(FinishReason finishReason) {
      this.finishReason = Objects.requireNonNull(finishReason, "finishReason");
      return this;
    }

    /** Sets the tool calls; default none. */
    public Builder toolCalls(List<ToolCall> toolCalls) {
      this.toolCalls = List.copyOf(toolCalls);
      return this;
    }

    /** Sets the attempts in order; default none. */
    public Builder attempts(List<Attempt> attempts) {
      this.attempts = List.copyOf(attempts);
      return this;
    }

    /** Sets the time of the whole call; default zero. */
    public Builder elapsed(Duration elapsed) {
      this.elapsed = Objects.requireNonNull(elapsed, "elapsed");
      return this;
    }

    /** Sets the time to the first piece; default zero. */
    public Builder timeToFirstToken(Duration timeToFirstToken) {
      this.timeToFirstToken = Objects.requireNonNull(timeToFirstToken, "timeToFirstToken");
      return this;
    }

    /**
     * Returns the response.
     *
     * @throws IllegalStateException if the text is blank and there is no tool call
     */
    public ChatResponse build() {
      if (text.isBlank() && toolCalls.isEmpty()) {
        throw new IllegalStateException("text must not be blank: a blank reply is no answer");
      }
      return new ChatResponse(this);
    }
  }
}
