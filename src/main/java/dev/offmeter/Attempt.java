// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import dev.offmeter.meter.Cost;
import java.time.Duration;
import java.util.Locale;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/**
 * One attempt at one endpoint, or the reason why it was not asked. Immutable, so safe for use by
 * many threads. Holds no prompt, no answer and no secret.
 */
public final class Attempt {
  private final String endpoint;
  private final String origin;
  private final String provider;
  private final String model;
  private final @Nullable FailureKind failure;
  private final @Nullable FailureKind openedBy;
  private final int status;
  private final Duration elapsed;
  private final String message;
  private final Usage usage;
  private final Duration computeTime;
  private final Cost cost;
  private final boolean possiblyBilled;

  private Attempt(Builder builder) {
    endpoint = builder.endpoint;
    origin = builder.origin;
    provider = builder.provider;
    model = builder.model;
    failure = builder.failure;
    openedBy = builder.openedBy;
    status = builder.status;
    elapsed = builder.elapsed;
    message = builder.message;
    usage = builder.usage;
    computeTime = builder.computeTime;
    cost = builder.cost;
    possiblyBilled = builder.possiblyBilled;
  }

  /** Returns a builder for an attempt at {@code endpoint}, by default one that answered at once. */
  public static Builder builder(String endpoint) {
    return new Builder(endpoint);
  }

  /** Returns a builder that starts from this attempt. */
  public Builder toBuilder() {
    Builder builder =
        new Builder(endpoint)
            .origin(origin)
            .provider(provider)
            .model(model)
            .status(status)
            .elapsed(elapsed)
            .message(message)
            .usage(usage)
            .computeTime(computeTime)
            .cost(cost)
            .possiblyBilled(possiblyBilled);
    builder.failure = failure;
    builder.openedBy = openedBy;
    return builder;
  }

  /** Returns the name of the endpoint. */
  public String endpoint() {
    return endpoint;
  }

  /**
   * Returns the endpoint's origin: scheme, host and port, such as {@code https://llm.example.org}
   * or {@code http://10.0.0.5:11434}, without a path; empty for a function in this process.
   */
  public String origin() {
    return origin;
  }

  /**
   * Returns the provider's name, as OpenTelemetry's conventions for generative AI write it: {@code
   * openai}, {@code anthropic}, {@code gcp.gemini}; for a server that they do not name, what a
   * configuration calls it: {@code ollama}, {@code vllm}, {@code llama-server}, {@code tgi}, {@code
   * localai}, {@code lmstudio}, {@code litellm}. Any other server with OpenAI's API is {@code
   * openai} too, a function in this process {@code function}. Empty if it is not known.
   */
  public String provider() {
    return provider;
  }

  /**
   * Returns the model that was asked for; for an attempt that answered, the one the server
   * reported.
   */
  public String model() {
    return model;
  }

  /** Returns what went wrong; empty when the endpoint answered. */
  public Optional<FailureKind> failure() {
    return Optional.ofNullable(failure);
  }

  /**
   * Returns the failure that took the endpoint DOWN, where {@link #failure()} is {@link
   * FailureKind#CIRCUIT_OPEN}; empty otherwise, or if that is not known.
   */
  public Optional<FailureKind> openedBy() {
    return Optional.ofNullable(openedBy);
  }

  /** Returns the HTTP status; empty when none arrived. */
  public OptionalInt status() {
    return status == 0 ? OptionalInt.empty() : OptionalInt.of(status);
  }

  /**
   * Returns the time from the attempt's dispatch to its end; zero when the endpoint was not asked.
   */
  public Duration elapsed() {
    return elapsed;
  }

  /**
   * Returns what happened, in words; the server's own words are included where they are safe to
   * repeat: known secrets are masked, and a text that quotes the request or the answer is withheld.
   * Empty when the endpoint answered.
   */
  public String message() {
    return message;
  }

  /**
   * Returns the tokens that the attempt used, as the server reports them. Where it reports none,
   * and for an attempt that was given up after its request had been sent, they are estimated from
   * the texts sent and received, and not {@link Usage#reported()}. {@link Usage#NONE} for an
   * attempt that did not reach the server, or was refused, and for a function.
   */
  public Usage usage() {
    return usage;
  }

  /**
   * Returns the time for which the attempt kept the server busy, without the load of its model: as
   * the server reports it ({@link Usage#computeTime()}), else from dispatch to the end, a wait
   * inside the server included. Zero if the request was not sent, or refused.
   */
  public Duration computeTime() {
    return computeTime;
  }

  /**
   * Returns what the attempt cost; {@link Cost#UNKNOWN} if the endpoint is managed and no price is
   * declared for it.
   */
  public Cost cost() {
    return cost;
  }

  /**
   * Returns whether the attempt was given up after its request had been sent to an endpoint that is
   * not free: its provider may bill what it had read and written by then. {@link #cost()} holds an
   * estimate of that.
   */
  public boolean possiblyBilled() {
    return possiblyBilled;
  }

  /** Returns one line: endpoint and origin, model, outcome, status, time, message. */
  @Override
  public String toString() {
    StringBuilder line = new StringBuilder(endpoint);
    if (!origin.isEmpty()) {
      line.append(" at ").append(origin);
    }
    if (!model.isEmpty()) {
      line.append(" [").append(model).append(']');
    }
    line.append(": ").append(failure == null ? "answered" : failure.name());
    if (status != 0) {
      line.append(", HTTP ").append(status);
    }
    line.append(String.format(Locale.ROOT, ", %.3f s", elapsed.toNanos() / 1e9));
    return message.isEmpty() ? line.toString() : line.append(": ").append(message).toString();
  }

  /** Builds an {@link Attempt}. Not safe for use by several threads. */
  public static final class Builder {
    private final String endpoint;
    private String origin = "";
    private String provider = "";
    private String model = "";
    private @Nullable FailureKind failure;
    private @Nullable FailureKind openedBy;
    private int status;
    private Duration elapsed = Duration.ZERO;
    private String message = "";
    private Usage usage = Usage.NONE;
    private Duration computeTime = Duration.ZERO;
    private Cost cost = Cost.NONE;
    private boolean possiblyBilled;

    private Builder(String endpoint) {
      this.endpoint = Objects.requireNonNull(endpoint, "endpoint");
    }

    /** Sets the endpoint's origin; default empty. Must hold no user info, path or secret. */
    public Builder origin(String origin) {
      this.origin = Objects.requireNonNull(origin, "origin");
      return this;
    }

    /** Sets the provider's name; default empty. */
    public Builder provider(String provider) {
      this.provider = Objects.requireNonNull(provider, "provider");
      return this;
    }

    /** Sets the model; default empty. */
    public Builder model(String model) {
      this.model = Objects.requireNonNull(model, "model");
      return this;
    }

    /** Sets what went wrong; default none. */
    public Builder failure(FailureKind failure) {
      this.failure = Objects.requireNonNull(failure, "failure");
      return this;
    }

    /** Sets the failure that took DOWN an endpoint that was not asked; default none. */
    public Builder openedBy(FailureKind openedBy) {
      this.openedBy = Objects.requireNonNull(openedBy, "openedBy");
      return this;
    }

    /** Sets the HTTP status; default 0, for none. */
    public Builder status(int status) {
      this.status = status;
      return this;
    }

    /** Sets how long the attempt took; default zero. */
    public Builder elapsed(Duration elapsed) {
      this.elapsed = Objects.requireNonNull(elapsed, "elapsed");
      return this;
    }

    /** Sets what happened, in words; default empty. Must hold no prompt, answer or secret. */
    public Builder message(String message) {
      this.message = Objects.requireNonNull(message, "message");
      return this;
    }

    /** Sets the tokens that it used; default {@link Usage#NONE}. */
    public Builder usage(Usage usage) {
      this.usage = Objects.requireNonNull(usage, "usage");
      return this;
    }

    /** Sets the time for which it kept the server busy; default zero. */
    public Builder computeTime(Duration computeTime) {
      this.computeTime = Objects.requireNonNull(computeTime, "computeTime");
      return this;
    }

    /** Sets what it cost; default {@link Cost#NONE}. */
    public Builder cost(Cost cost) {
      this.cost = Objects.requireNonNull(cost, "cost");
      return this;
    }

    /** Sets whether it was given up and may be billed all the same; default false. */
    public Builder possiblyBilled(boolean possiblyBilled) {
      this.possiblyBilled = possiblyBilled;
      return this;
    }

    /** Returns the attempt. */
    public Attempt build() {
      return new Attempt(this);
    }
  }
}
