// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import dev.offmeter.guard.AnswerCheck;
import dev.offmeter.internal.json.Json;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A request to whichever endpoint can answer it. Immutable, so safe for use by many threads.
 *
 * <p>A value that a request leaves unset is taken from the endpoint's defaults, then from the
 * client's ({@link LlmClient.Builder#defaults}), then from these:
 *
 * <ul>
 *   <li>{@code maxTokens}: 1024
 *   <li>{@code thinking}: off
 *   <li>{@code temperature}, {@code topP}, {@code seed}, {@code stop}: the model's own
 *   <li>{@code deadline}: the client's
 *   <li>{@code onBrokenStream}: {@link StreamRecovery#RESTART}; {@link StreamRecovery#FAIL} with
 *       tool results
 *   <li>{@code tool}: none
 *   <li>{@code model}: any
 *   <li>{@code selfHostedOnly}: off
 *   <li>{@code requires}: nothing; {@code VISION} with an image
 *   <li>{@code answerSchema}, {@code accept}: none; {@code repairTurn}: off
 *   <li>{@code continueWhenFiltered}: off
 *   <li>{@code allowRepetition}: off
 *   <li>{@code session}: none
 * </ul>
 *
 * <p>{@link #toString()} gives counts, never the conversation.
 */
public final class ChatRequest {
  static final int DEFAULT_MAX_TOKENS = 1024;

  private final List<Message> messages;
  private final @Nullable Integer maxTokens;
  private final @Nullable Double temperature;
  private final @Nullable Double topP;
  private final @Nullable Long seed;
  private final List<String> stop;
  private final @Nullable Boolean thinking;
  private final @Nullable Duration deadline;
  private final Map<String, String> tags;
  private final @Nullable StreamRecovery onBrokenStream;
  private final List<Tool> tools;
  private final boolean selfHostedOnly;
  private final Set<Capability> requires;
  private final @Nullable String answerSchema;
  private final @Nullable Boolean repairTurn;
  private final List<AnswerCheck> checks;
  private final @Nullable Boolean continueWhenFiltered;
  private final boolean allowRepetition;
  private final @Nullable String session;
  private final @Nullable String model;

  private ChatRequest(Builder builder) {
    messages = List.copyOf(builder.messages);
    maxTokens = builder.maxTokens;
    temperature = builder.temperature;
    topP = builder.topP;
    seed = builder.seed;
    stop = List.copyOf(builder.stop);
    thinking = builder.thinking;
    deadline = builder.deadline;
    tags = Map.copyOf(builder.tags);
    onBrokenStream = builder.onBrokenStream;
    tools = List.copyOf(builder.tools);
    selfHostedOnly = builder.selfHostedOnly;
    requires = required(builder);
    answerSchema = builder.answerSchema;
    repairTurn = builder.repairTurn;
    checks = List.copyOf(builder.checks);
    continueWhenFiltered = builder.continueWhenFiltered;
    allowRepetition = builder.allowRepetition;
    session = builder.session;
    model = builder.model;
  }

  /** Returns the required capabilities: those that were named, and what an image requires. */
  private static Set<Capability> required(Builder builder) {
    EnumSet<Capability> all = EnumSet.copyOf(builder.requires);
    if (builder.messages.stream().anyMatch(message -> !message.images().isEmpty())) {
      all.add(Capability.VISION);
    }
    return all.isEmpty() ? Set.of() : Collections.unmodifiableSet(all);
  }

  /** Returns a builder with the defaults listed above. */
  public static Builder builder() {
    return new Builder();
  }

  /** Returns a builder that starts from this request. */
  public Builder toBuilder() {
    Builder builder = new Builder();
    builder.messages.addAll(messages);
    builder.maxTokens = maxTokens;
    builder.temperature = temperature;
    builder.topP = topP;
    builder.seed = seed;
    builder.stop = stop;
    builder.thinking = thinking;
    builder.deadline = deadline;
    builder.tags.putAll(tags);
    builder.onBrokenStream = onBrokenStream;
    builder.tools.addAll(tools);
    builder.selfHostedOnly = selfHostedOnly;
    builder.requires.addAll(requires);
    builder.answerSchema = answerSchema;
    builder.repairTurn = repairTurn;
    builder.checks.addAll(checks);
    builder.continueWhenFiltered = continueWhenFiltered;
    builder.allowRepetition = allowRepetition;
    builder.session = session;
    builder.model = model;
    return builder;
  }

  /** Returns this request with a client's defaults for whole calls in place of unset values. */
  ChatRequest withCallDefaults(Builder defaults) {
    Builder filled = toBuilder();
    filled.deadline = deadline == null ? defaults.deadline : deadline;
    // A tool's result keeps the request cautious: an action that one model has begun must not be
    // begun again by another.
    boolean cautious = onBrokenStream != null || onBrokenStream() == StreamRecovery.FAIL;
    filled.onBrokenStream = cautious ? onBrokenStream : defaults.onBrokenStream;
    filled.selfHostedOnly = selfHostedOnly || defaults.selfHostedOnly;
    filled.requires.addAll(defaults.requires);
    filled.repairTurn = repairTurn == null ? defaults.repairTurn : repairTurn;
    filled.continueWhenFiltered =
        continueWhenFiltered == null ? defaults.continueWhenFiltered : continueWhenFiltered;
    filled.allowRepetition = allowRepetition || defaults.allowRepetition;
    defaults.tags.forEach(filled.tags::putIfAbsent);
    if (checks.isEmpty()) {
      filled.checks.addAll(defaults.checks);
    }
    return new ChatRequest(filled);
  }

  /**
   * Returns this request with an endpoint's or a client's defaults for the model in place of unset
   * values.
   */
  ChatRequest withModelDefaults(Builder defaults) {
    Builder filled = toBuilder();
    filled.maxTokens = maxTokens == null ? defaults.maxTokens : maxTokens;
    filled.temperature = temperature == null ? defaults.temperature : temperature;
    filled.topP = topP == null ? defaults.topP : topP;
    filled.seed = seed == null ? defaults.seed : seed;
    filled.stop = stop.isEmpty() ? defaults.stop : stop;
    filled.thinking = thinking == null ? defaults.thinking : thinking;
    return new ChatRequest(filled);
  }

  /** Returns this request with repetition allowed; nothing is checked anew. */
  ChatRequest withRepetitionAllowed() {
    if (allowRepetition) {
      return this;
    }
    Builder allowing = toBuilder();
    allowing.allowRepetition = true;
    return new ChatRequest(allowing);
  }

  /** Returns the conversation in order; the last message is the user's, or a tool's result. */
  public List<Message> messages() {
    return messages;
  }

  /** Returns the most tokens that the answer may have, at least 1; 1024 if unset. */
  public int maxTokens() {
    return maxTokens == null ? DEFAULT_MAX_TOKENS : maxTokens;
  }

  boolean hasMaxTokens() {
    return maxTokens != null;
  }

  /** Returns the sampling temperature; empty for the model's own. */
  public OptionalDouble temperature() {
    return temperature == null ? OptionalDouble.empty() : OptionalDouble.of(temperature);
  }

  /** Returns the nucleus sampling share; empty for the model's own. */
  public OptionalDouble topP() {
    return topP == null ? OptionalDouble.empty() : OptionalDouble.of(topP);
  }

  /** Returns the seed; empty for a random one. */
  public OptionalLong seed() {
    return seed == null ? OptionalLong.empty() : OptionalLong.of(seed);
  }

  /** Returns the texts that end the answer; empty for the model's own only. */
  public List<String> stop() {
    return stop;
  }

  /** Returns whether the model may think before it answers. */
  public boolean thinking() {
    return Boolean.TRUE.equals(thinking);
  }

  /** Returns the limit of the whole call; empty for the client's. */
  public Optional<Duration> deadline() {
    return Optional.ofNullable(deadline);
  }

  /**
   * Returns the caller's own labels, handed to listeners and in-process endpoints, never to a
   * server.
   */
  public Map<String, String> tags() {
    return tags;
  }

  /** Returns what happens to a stream that breaks off; has no effect on other calls. */
  public StreamRecovery onBrokenStream() {
    if (onBrokenStream != null) {
      return onBrokenStream;
    }
    boolean toolResults = messages.stream().anyMatch(message -> message.role() == Role.TOOL);
    return toolResults ? StreamRecovery.FAIL : StreamRecovery.RESTART;
  }

  /**
   * A tool that the model may ask for.
   *
   * @param name letters, digits, {@code _} and {@code -}, at most 64
   * @param description what the tool does, for the model to read
   * @param schema the JSON schema of its arguments: a JSON object
   */
  public record Tool(String name, String description, String schema) {
    /** Creates a tool from checked values. */
    public Tool {
      Objects.requireNonNull(name, "tool name");
      Objects.requireNonNull(description, "tool description");
      Objects.requireNonNull(schema, "tool schema");
      if (!name.matches("[A-Za-z0-9_-]{1,64}")) {
        throw new IllegalArgumentException(
            "tool name must be 1 to 64 letters, digits, _ or -, was '"
                + ValueMistakes.shown(name)
                + "'");
      }
      if (!Json.isObject(schema)) {
        throw new IllegalArgumentException("schema of tool " + name + " must be a JSON object");
      }
      description = Surrogates.mended(description);
      schema = Surrogates.mendedJson(schema);
    }

    /** Returns the name alone, because the rest is part of the prompt. */
    @Override
    public String toString() {
      return "Tool[" + name + "]";
    }
  }

  /** Returns the tools that the model may ask for; empty for none. */
  public List<Tool> tools() {
    return tools;
  }

  /** Returns whether the request may be sent to self-hosted endpoints only. */
  public boolean selfHostedOnly() {
    return selfHostedOnly;
  }

  /** Returns the capabilities that an endpoint must not be known to lack; empty for none. */
  public Set<Capability> requires() {
    return requires;
  }

  /** Returns the JSON schema that the answer must match; empty for free text. */
  public Optional<String> answerSchema() {
    return Optional.ofNullable(answerSchema);
  }

  /** Returns whether an endpoint whose answer does not match may repair it once. */
  public boolean repairTurn() {
    return Boolean.TRUE.equals(repairTurn);
  }

  /** Returns the caller's checks of the finished answer, in order. */
  public List<AnswerCheck> checks() {
    return checks;
  }

  /** Returns whether an explicit refusal is treated as any other failed attempt. */
  public boolean continueWhenFiltered() {
    return Boolean.TRUE.equals(continueWhenFiltered);
  }

  /**
   * Returns the conversation or agent run that the request belongs to, never sent to a server;
   * empty for none.
   */
  public Optional<String> session() {
    return Optional.ofNullable(session);
  }

  /**
   * Returns the model, or the name of the one endpoint, that the request is for; empty if every
   * endpoint may answer.
   */
  public Optional<String> model() {
    return Optional.ofNullable(model);
  }

  /** Returns whether an answer that repeats itself is left to go on. */
  public boolean allowRepetition() {
    return allowRepetition;
  }

  @Override
  public String toString() {
    return "ChatRequest[messages "
        + messages.size()
        + ", maxTokens "
        + maxTokens()
        + ", thinking "
        + thinking()
        + (selfHostedOnly ? ", self-hosted only" : "")
        + (requires.isEmpty() ? "" : ", requires " + requires)
        + ", tags "
        + tags.keySet()
        + "]";
  }

  /** Builds a {@link ChatRequest}. Not safe for use by several threads. */
  public static final class Builder {
    private final List<Message> messages = new ArrayList<>();
    private @Nullable Integer maxTokens;
    private @Nullable Double temperature;
    private @Nullable Double topP;
    private @Nullable Long seed;
    private List<String> stop = List.of();
    private @Nullable Boolean thinking;
    private @Nullable Duration deadline;
    private final Map<String, String> tags = new LinkedHashMap<>();
    private @Nullable StreamRecovery onBrokenStream;
    private final List<Tool> tools = new ArrayList<>();
    private boolean selfHostedOnly;
    private final Set<Capability> requires = EnumSet.noneOf(Capability.class);
    private @Nullable String answerSchema;
    private @Nullable Boolean repairTurn;
    private final List<AnswerCheck> checks = new ArrayList<>();
    private @Nullable Boolean continueWhenFiltered;
    private boolean allowRepetition;
    private @Nullable String session;
    private @Nullable String model;

    private Builder() {}

    /** Adds a system message; not blank. */
    public Builder system(String content) {
      return message(Message.system(content));
    }

    /** Adds a user message; not blank. */
    public Builder user(String content) {
      return message(Message.user(content));
    }

    /**
     * Adds a user message with images; not blank. The request requires {@link Capability#VISION}
     * then.
     */
    public Builder user(String content, Image... images) {
      return message(Message.user(content, images));
    }

    /** Adds an earlier answer of the model; not blank. */
    public Builder assistant(String content) {
      return message(Message.assistant(content));
    }

    /** Adds a message at the end of the conversation. */
    public Builder message(Message message) {
      messages.add(Objects.requireNonNull(message, "message"));
      return this;
    }

    /**
     * Sets the most tokens that the answer may have: at least 1. Default: the endpoint's ({@link
     * Endpoint.Builder#maxTokens}), else the client's ({@link LlmClient.Builder#defaults}), else
     * 1024. More than {@link LlmClient.Builder#maxTokensAtMost} is rejected when it is sent. An
     * answer that reaches it ends there, with {@link FinishReason#LENGTH}. An unlimited answer
     * cannot be asked for, because it would block a small node for minutes; Ollama takes 0 for
     * unlimited (observed on 0.24 and 0.32).
     */
    public Builder maxTokens(int maxTokens) {
      if (maxTokens < 1) {
        throw new IllegalArgumentException("maxTokens must be at least 1, was " + maxTokens);
      }
      this.maxTokens = maxTokens;
      return this;
    }

    /** Sets the sampling temperature: finite, 0 or more. Default: the model's own. */
    public Builder temperature(double temperature) {
      if (!Double.isFinite(temperature) || temperature < 0) {
        throw new IllegalArgumentException(
            "temperature must be a finite number of 0 or more, was " + temperature);
      }
      this.temperature = temperature;
      return this;
    }

    /** Sets the nucleus sampling share: from 0 to 1. Default: the model's own. */
    public Builder topP(double topP) {
      if (!(topP >= 0 && topP <= 1)) {
        throw new IllegalArgumentException("topP must be between 0 and 1, was " + topP);
      }
      this.topP = topP;
      return this;
    }

    /** Sets the seed, for answers that can be repeated on the same model. Default: random. */
    public Builder seed(long seed) {
      this.seed = seed;
      return this;
    }

    /**
     * Sets the texts that end the answer, none of them empty. Default: the model's own only. As in
     * all texts of a request, a surrogate without its other half becomes U+FFFD.
     */
    public Builder stop(String... stop) {
      List<String> copy = List.of(stop);
      int empty = copy.indexOf("");
      if (empty >= 0) {
        throw new IllegalArgumentException("stop[" + empty + "] must not be empty");
      }
      this.stop = copy.stream().map(Surrogates::mended).toList();
      return this;
    }

    /**
     * Sets whether the model may think before it answers. Default off: thinking uses the attempt's
     * time and {@link #maxTokens} on text that is not the answer. Sent as Ollama's {@code think}; a
     * model that cannot think rejects {@code true}, and the next endpoint is asked.
     */
    public Builder thinking(boolean thinking) {
      this.thinking = thinking;
      return this;
    }

    /**
     * Sets the limit of the whole call, waits and every endpoint included: from 1 ms to 24 h.
     * Default: the client's.
     */
    public Builder deadline(Duration deadline) {
      this.deadline = Preconditions.timeSpan("deadline", deadline);
      return this;
    }

    /**
     * Adds a label of your own, such as an invoice number. Listeners and in-process endpoints see
     * it; it is never sent to a server. Do not put secrets in it.
     */
    public Builder tag(String key, String value) {
      tags.put(Objects.requireNonNull(key, "key"), Objects.requireNonNull(value, "value"));
      return this;
    }

    /**
     * Sets what happens to a stream that breaks off after some of it was shown. Default: {@link
     * StreamRecovery#RESTART}, but {@link StreamRecovery#FAIL} if the conversation holds the result
     * of a tool: an action that the first model has begun must not be begun again by another
     * unasked.
     */
    public Builder onBrokenStream(StreamRecovery onBrokenStream) {
      this.onBrokenStream = Objects.requireNonNull(onBrokenStream, "onBrokenStream");
      return this;
    }

    /**
     * A tool that the model may ask for; see {@link Tool}. The library never runs it: it comes back
     * in {@link ChatResponse#toolCalls()}. A model that knows no tools rejects the request, and the
     * next endpoint is asked.
     *
     * @throws IllegalArgumentException if the name or the schema is not as {@link Tool} wants it
     */
    public Builder tool(String name, String description, String schema) {
      tools.add(new Tool(name, description, schema));
      return this;
    }

    /**
     * Restricts the request to self-hosted endpoints: no socket is opened to any other, whatever
     * happens. If none of them answers, the exception lists the others too, as {@link
     * FailureKind#NOT_PERMITTED}. This cannot be undone, not even by {@link
     * ChatRequest#toBuilder()}.
     */
    public Builder selfHostedOnly() {
      this.selfHostedOnly = true;
      return this;
    }

    /**
     * Adds capabilities that an endpoint needs for this request: one that is known to lack any of
     * them is skipped without being asked, as {@link FailureKind#NOT_CAPABLE}. An endpoint of which
     * a capability is unknown is asked, except for {@link Capability#FRONTIER}; {@link Capability}
     * says what is known. A request requires only what is named here: one with a tool goes to a
     * model that knows none too, and on to the next endpoint when that rejects it. Those of the
     * client's defaults are added. Default: none.
     */
    public Builder requires(Capability... capabilities) {
      for (Capability capability : capabilities) {
        requires.add(Objects.requireNonNull(capability, "capability"));
      }
      return this;
    }

    /**
     * Sets the JSON schema that the answer must match, sent in each server's own form, with
     * thinking off where it would break the format. Not every server enforces it, so the whole
     * answer is checked, that of a function too: it must be JSON, bare or in one Markdown fence, of
     * the types, enums, properties and items that the schema wants. Words of a schema that are not
     * among those in {@code docs/answers.md} are ignored. An answer that does not fit is a failed
     * attempt, {@link FailureKind#FORMAT_MISMATCH}; in a stream that shows only at the end, so
     * {@link StreamRecovery} decides what happens to the text on show. An answer that calls a tool
     * is not checked. {@link LlmClient#chat(ChatRequest, Class)} makes the schema from a record.
     * Default: none.
     *
     * @param schema a JSON object
     */
    public Builder answerSchema(String schema) {
      if (!Json.isObject(Objects.requireNonNull(schema, "answerSchema"))) {
        throw new IllegalArgumentException("answerSchema must be a JSON object");
      }
      this.answerSchema = Surrogates.mendedJson(schema);
      return this;
    }

    /**
     * Sets whether an endpoint whose answer does not match the record or the {@link #answerSchema}
     * is told what is wrong and asked once more, before the next endpoint, within its share of the
     * deadline. Default false.
     */
    public Builder repairTurn(boolean repairTurn) {
      this.repairTurn = repairTurn;
      return this;
    }

    /**
     * Adds a check of the complete answer; {@link AnswerCheck} has a few ready ones. A rejected
     * answer is a failed attempt, and the next endpoint is asked. All checks must pass. In a stream
     * they run at the end, so {@link StreamRecovery} decides what happens to the text on show.
     */
    public Builder accept(AnswerCheck check) {
      checks.add(Objects.requireNonNull(check, "check"));
      return this;
    }

    /**
     * Sets whether the next endpoint is asked when a content filter, or the model itself, refuses
     * explicitly. Default false: the call stops, and its last attempt is {@link
     * FailureKind#CONTENT_FILTERED}.
     */
    public Builder continueWhenFiltered(boolean continueWhenFiltered) {
      this.continueWhenFiltered = continueWhenFiltered;
      return this;
    }

    /**
     * Sets the conversation or agent run that the request belongs to: 1 to 200 characters, all of
     * them visible, spaces within allowed. Within a session the same conversation is not sent more
     * often than {@link LlmClient.Builder#maxRepeatsPerSession} allows. Listeners and in-process
     * endpoints may see the name; it is never sent to a server. Default: none.
     */
    public Builder session(String session) {
      int length = Preconditions.plain("session", session).codePointCount(0, session.length());
      if (length > 200) {
        throw new IllegalArgumentException(
            "session must have 1 to 200 characters, was one of " + length);
      }
      this.session = session;
      return this;
    }

    /**
     * Restricts the request to the endpoints that have this model, or to the one of this name.
     * Every other one is skipped without being asked, as {@link FailureKind#NOT_CAPABLE}, a
     * function too unless it has this name. The model of an endpoint is not changed by it. A client
     * that has neither rejects the request. Default: every endpoint may answer.
     */
    public Builder model(String model) {
      this.model = Preconditions.plain("model", model);
      return this;
    }

    /**
     * Allows an answer that repeats itself, such as a litany or a song, where {@link
     * Endpoint.Builder#stopRepetition} would stop it. Default: off. This cannot be undone, not even
     * by {@link ChatRequest#toBuilder()}.
     */
    public Builder allowRepetition() {
      this.allowRepetition = true;
      return this;
    }

    OptionalInt maxTokens() {
      return maxTokens == null ? OptionalInt.empty() : OptionalInt.of(maxTokens);
    }

    /**
     * Returns whether a value is set that only a request can have: the conversation or the form of
     * the answer.
     */
    boolean hasConversation() {
      return !messages.isEmpty() || !tools.isEmpty() || answerSchema != null;
    }

    boolean hasSession() {
      return session != null;
    }

    boolean hasModel() {
      return model != null;
    }

    /** Returns whether a value is set that concerns a whole call, and not the model alone. */
    boolean hasCallSettings() {
      return deadline != null
          || onBrokenStream != null
          || selfHostedOnly
          || !requires.isEmpty()
          || repairTurn != null
          || continueWhenFiltered != null
          || allowRepetition
          || !tags.isEmpty()
          || !checks.isEmpty();
    }

    /**
     * Returns the request.
     *
     * @throws IllegalStateException if there is no message, the last is neither the user's nor a
     *     tool's, or two tools have one name
     */
    public ChatRequest build() {
      if (messages.isEmpty()) {
        throw new IllegalStateException("messages must not be empty: add at least user(...)");
      }
      Role last = messages.get(messages.size() - 1).role();
      if (last != Role.USER && last != Role.TOOL) {
        throw new IllegalStateException("the last message must be from USER or TOOL, was " + last);
      }
      if (tools.size() > 1 && tools.stream().map(Tool::name).distinct().count() < tools.size()) {
        throw new IllegalStateException("two tools must not have one name");
      }
      return new ChatRequest(this);
    }
  }
}
