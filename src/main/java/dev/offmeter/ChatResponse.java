// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import dev.offmeter.internal.json.Json;
import dev.offmeter.meter.Cost;
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
  private final Cost baselineCost;

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
    baselineCost = builder.baselineCost;
  }

  /** Returns a builder, for code that stands in for a client, such as your own tests. */
  public static Builder builder() {
    return new Builder();
  }

  /** Returns a builder that starts from this response. */
  public Builder toBuilder() {
    Builder builder = new Builder().text(text).thinking(thinking).endpoint(endpoint).model(model);
    builder.usage(usage).finishReason(finishReason).toolCalls(toolCalls).attempts(attempts);
    builder.elapsed(elapsed).timeToFirstToken(timeToFirstToken);
    return builder.baselineCost(baselineCost);
  }

  /**
   * A tool call that the model asks for. The library never runs a tool: the application does, and
   * returns the result with {@link Message#toolResult}.
   *
   * @param id the server's id of this call; empty if it gave none
   * @param name the tool's name, as the model wrote it: not necessarily one that was offered
   * @param arguments a JSON object as the model wrote it; not checked against the tool's schema
   */
  public record ToolCall(String id, String name, String arguments) {
    /**
     * Creates a tool call; all three values are required. A surrogate without its other half
     * becomes U+FFFD.
     *
     * @throws IllegalArgumentException if the arguments are not a JSON object
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

    /** Returns no name and no arguments, because both are part of the answer. */
    @Override
    public String toString() {
      return "ToolCall[" + arguments.length() + " chars of arguments]";
    }
  }

  /**
   * An answer in the form of a record.
   *
   * @param value the answer, parsed and checked
   * @param response the response that it was read from; its text is the JSON
   */
  public record Structured<T>(T value, ChatResponse response) {
    /** Returns the response without the value, because the value is the answer. */
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
   * Returns what the model thought before it answered, whether the server sent it in a field of its
   * own or between {@code <think>} tags; empty if there was none.
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

  /** Returns the tokens as the server reported them. */
  public Usage usage() {
    return usage;
  }

  /**
   * Returns why the model stopped. {@link FinishReason#LENGTH} means that the text may end
   * abruptly.
   */
  public FinishReason finishReason() {
    return finishReason;
  }

  /** The tools that the model wants to be called; empty for most answers. */
  public List<ToolCall> toolCalls() {
    return toolCalls;
  }

  /**
   * Returns every attempt in order, endpoints that were skipped without being asked included; the
   * last one answered.
   */
  public List<Attempt> attempts() {
    return attempts;
  }

  /**
   * Returns the time of the whole call, from its start to the complete answer, failed attempts
   * included.
   */
  public Duration elapsed() {
    return elapsed;
  }

  /**
   * Returns the time from the dispatch of the attempt that answered to its first piece of answer or
   * thinking. For the caller's whole wait, add the attempts before it.
   */
  public Duration timeToFirstToken() {
    return timeToFirstToken;
  }

  /**
   * Returns what the whole call cost: the sum of its attempts' costs, those included that failed
   * and were billed, or may have been. {@link Cost#UNKNOWN} if one of them is unknown.
   */
  public Cost cost() {
    Cost sum = Cost.NONE;
    for (Attempt attempt : attempts) {
      sum = sum.plus(attempt.cost());
    }
    return sum;
  }

  /**
   * Returns what the client's baseline would have charged for the tokens of this answer, less
   * {@link #cost()}: negative if the call cost more. {@link Cost#UNKNOWN} without a baseline, or if
   * either is unknown. The baseline charges nothing for the answer of a function, which no model
   * gave.
   */
  public Cost saved() {
    return baselineCost.minus(cost());
  }

  /**
   * Returns the time for which all attempts of the call kept servers busy; see {@link
   * Attempt#computeTime()}.
   */
  public Duration computeTime() {
    return attempts.stream().map(Attempt::computeTime).reduce(Duration.ZERO, Duration::plus);
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
    private Cost baselineCost = Cost.UNKNOWN;

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

    /** Sets the endpoint's name; default empty. */
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

    /** Sets why the model stopped; default {@link FinishReason#STOP}. */
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

    /** Sets what the baseline would have charged for this answer; default {@link Cost#UNKNOWN}. */
    public Builder baselineCost(Cost baselineCost) {
      this.baselineCost = Objects.requireNonNull(baselineCost, "baselineCost");
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
