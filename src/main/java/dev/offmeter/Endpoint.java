// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import dev.offmeter.internal.http.AttemptTimeouts;
import dev.offmeter.internal.http.EndpointConfig;
import dev.offmeter.internal.http.Header;
import dev.offmeter.internal.http.MinimumRate;
import dev.offmeter.internal.wire.ModelTraits;
import dev.offmeter.internal.wire.Protocol;
import dev.offmeter.internal.wire.ProtocolDescriptor;
import dev.offmeter.internal.wire.anthropic.AnthropicChat;
import dev.offmeter.internal.wire.gemini.GeminiChat;
import dev.offmeter.internal.wire.ollama.OllamaChat;
import dev.offmeter.internal.wire.openai.OpenAiChat;
import dev.offmeter.meter.Price;
import dev.offmeter.meter.PriceList;
import dev.offmeter.meter.Upkeep;
import java.time.Duration;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import okhttp3.HttpUrl;
import org.jspecify.annotations.Nullable;

/**
 * A server with a model, or a function in this process, that can answer requests. Immutable, so
 * safe for use by many threads.
 *
 * <p>The defaults; a function has the settings of {@link FunctionBuilder} alone:
 *
 * <ul>
 *   <li>{@code timeout}: 15 s for the first endpoint of a client when another follows it, else 120
 *       s
 *   <li>{@code connectTimeout}: 3 s
 *   <li>{@code firstTokenTimeout}: as {@code timeout}
 *   <li>{@code stallTimeout}: 10 s, or {@code timeout} if that is less
 *   <li>{@code streamTimeout}: 10 min
 *   <li>{@code minimumRate}: any
 *   <li>{@code maxConcurrent}: unlimited
 *   <li>{@code maxWait}: not at all
 *   <li>{@code keepAlive}: the server's own, taken for 5 min
 *   <li>{@code keepWarm}: false
 *   <li>{@code unloadWhenWedged}: false
 *   <li>{@code retries}: 0
 *   <li>{@code omit}: nothing, {@code path}: the protocol's own
 *   <li>{@code endMarkerIsEnough}: false
 *   <li>{@code answerWhileModelLoads}: false
 *   <li>{@code requestsPerMinute}: unlimited
 *   <li>{@code locality}: self-hosted for Ollama and functions, managed for Gemini and Anthropic;
 *       by {@link Dialect} for OpenAI-compatible servers
 *   <li>{@code price}: free if self-hosted, else unknown; {@code upkeep}: none
 *   <li>{@code capabilities}, {@code contextLength}: as a self-hosted Ollama or llama-server
 *       reports them, else unknown
 *   <li>{@code stopRepetition}: true for self-hosted servers, false for managed ones
 *   <li>{@code maxTokens}, {@code defaults}: the client's
 *   <li>{@code maxLineBytes}: 8 MiB, {@code maxAnswerBytes}: 32 MiB
 * </ul>
 */
public final class Endpoint {
  private static final Duration FIRST_OF_MANY = Duration.ofSeconds(15);
  private static final Duration ANY_OTHER = Duration.ofMinutes(2);
  private static final Duration CONNECT = Duration.ofSeconds(3);
  private static final Duration STALL = Duration.ofSeconds(10);
  private static final Duration STREAM = Duration.ofMinutes(10);
  private static final Duration OLLAMA_KEEP_ALIVE = Duration.ofMinutes(5);
  private static final Duration FOREVER = Duration.ofDays(36_500);

  /**
   * The least keep-alive that keeping warm can work with: twice the shortest time between two
   * requests for the model.
   */
  private static final Duration KEEP_WARM_MIN = Duration.ofSeconds(10);

  /** No call to hardware of one's own is billed. What the machine costs is no price of a call. */
  private static final Price OWN_HARDWARE = Price.free().source("self-hosted");

  private static final int LINE_BYTES = 8 * 1024 * 1024;
  private static final long ANSWER_BYTES = 32L * 1024 * 1024;

  private final Builder settings;
  private final RequestDefaults defaults;
  private final @Nullable HttpUrl url;

  private Endpoint(Builder settings, @Nullable HttpUrl url) {
    this.settings = settings;
    this.defaults = RequestDefaults.ofEndpoint(settings.name, settings.defaults);
    this.url = url;
  }

  /**
   * Returns an Ollama server, asked over its native API.
   *
   * @param name what it is called in attempts, logs and metrics; unique in a client
   * @param baseUrl the server's root, such as {@code http://localhost:11434}; a path prefix is kept
   */
  public static Builder ollama(String name, String baseUrl) {
    return new Builder(name, baseUrl, OllamaChat.API).dialect(Dialect.OLLAMA);
  }

  /**
   * Returns a server with OpenAI's chat completions: vLLM, llama.cpp's {@code llama-server}, TGI,
   * LocalAI, LM Studio, Ollama's {@code /v1}, a LiteLLM proxy, OpenAI, Gemini's compatible
   * endpoint. What such servers do not have in common is chosen by {@link Builder#dialect}.
   *
   * @param name what it is called in attempts, logs and metrics; unique in a client
   * @param baseUrl the server's root, with or without its version, such as {@code
   *     http://localhost:8080} or {@code http://localhost:8080/v1}; a path prefix is kept
   */
  public static Builder openAi(String name, String baseUrl) {
    return new Builder(name, baseUrl, OpenAiChat.API);
  }

  /** Returns Google's Gemini API over its native protocol; see {@link #gemini(String, String)}. */
  public static Builder gemini(String name) {
    return gemini(name, "https://generativelanguage.googleapis.com");
  }

  /**
   * Returns the Gemini API at another address, such as a proxy's.
   *
   * @param name what it is called in attempts, logs and metrics; unique in a client
   * @param baseUrl the root, with or without {@code /v1beta}; a path prefix is kept
   */
  public static Builder gemini(String name, String baseUrl) {
    return new Builder(name, baseUrl, GeminiChat.API);
  }

  /** Returns Anthropic's Messages API; see {@link #anthropic(String, String)}. */
  public static Builder anthropic(String name) {
    return anthropic(name, "https://api.anthropic.com");
  }

  /**
   * Returns Anthropic's Messages API at another address, such as a proxy's.
   *
   * @param name what it is called in attempts, logs and metrics; unique in a client
   * @param baseUrl the root, with or without {@code /v1}; a path prefix is kept
   */
  public static Builder anthropic(String name, String baseUrl) {
    return new Builder(name, baseUrl, AnthropicChat.API);
  }

  /**
   * Returns a function in this process: the last resort that needs no network, or a stand-in for a
   * server in a test. It runs on a thread of the client's own, is interrupted when its timeout
   * passes, and then abandoned; if it ignores the interrupt, it runs on. A function that throws, or
   * returns null or blank, is a failed attempt.
   *
   * <p>A function is asked when none of the servers before it in the list has answered. While one
   * of them is loading its model, the call waits for that first; see {@link
   * FunctionBuilder#answerWhileModelLoads}.
   *
   * @param name what it is called in attempts, logs and metrics; unique in a client
   * @param function from the request to the answer; called by many threads at once
   */
  public static FunctionBuilder local(String name, Function<ChatRequest, String> function) {
    return new FunctionBuilder(new Builder(name, Objects.requireNonNull(function, "function")));
  }

  /**
   * Returns a builder that starts from this endpoint, which must be a server.
   *
   * @throws IllegalStateException if it is a function, whose settings are not a server's
   */
  public Builder toBuilder() {
    if (url == null) {
      throw settings.wrong("is a function: build another with Endpoint.local");
    }
    return new Builder(settings);
  }

  /** Returns the endpoint's name. */
  public String name() {
    return settings.name;
  }

  /** Returns the model that is asked for; empty for an in-process function. */
  public String model() {
    return settings.model == null ? "" : settings.model;
  }

  /** Returns whether this is a server, and not a function in this process. */
  boolean isServer() {
    return url != null;
  }

  /** Returns on whose hardware the endpoint runs. */
  public Locality locality() {
    if (settings.locality != null) {
      return settings.locality;
    }
    ProtocolDescriptor api = settings.api;
    if (url == null || api == null) {
      return Locality.SELF_HOSTED;
    }
    return api.managed() ? Locality.MANAGED : DefaultLocality.of(url, model(), dialect(url));
  }

  /** Returns the model as a price list names it; empty if the endpoint is to get none from it. */
  Optional<PriceList.Model> pricedModel() {
    return isServer() && price() == null
        ? Optional.of(new PriceList.Model(type(), model()))
        : Optional.empty();
  }

  /** Returns the price of a call; null for a managed endpoint without one. */
  private @Nullable Price price() {
    if (settings.price != null) {
      return settings.price;
    }
    return locality() == Locality.SELF_HOSTED ? OWN_HARDWARE : null;
  }

  /** Returns what the machine costs; empty if that is not declared. */
  Optional<Upkeep> upkeep() {
    return Optional.ofNullable(settings.upkeep);
  }

  /** Returns the endpoint's own {@code maxTokens}, if set. */
  OptionalInt maxTokens() {
    return defaults.maxTokens();
  }

  /**
   * Returns the kind of server, as configurations name it; {@code function} for one in this
   * process.
   */
  String type() {
    ProtocolDescriptor api = settings.api;
    if (url == null || api == null) {
      return "function";
    }
    if (api.equals(OllamaChat.API)) {
      return "ollama";
    }
    if (!api.equals(OpenAiChat.API)) {
      return api.equals(GeminiChat.API) ? "gemini" : "anthropic";
    }
    return switch (dialect(url)) {
      case GENERIC, OPENAI -> "openai";
      case LOCAL_AI -> "localai";
      case LM_STUDIO -> "lmstudio";
      default -> dialect(url).name().toLowerCase(Locale.ROOT).replace('_', '-');
    };
  }

  /**
   * Returns scheme, host and port; a path may hold what must not be shown. Empty for a function.
   */
  String origin() {
    return url == null ? "" : BaseUrl.origin(url);
  }

  private Dialect dialect(HttpUrl url) {
    return settings.dialect != Dialect.GENERIC
        ? settings.dialect
        : switch (url.host()) {
          case "api.openai.com" -> Dialect.OPENAI;
          case "generativelanguage.googleapis.com" -> Dialect.GEMINI;
          default -> Dialect.GENERIC;
        };
  }

  private @Nullable Protocol protocol() {
    if (url == null || settings.api == null) {
      return null;
    }
    return settings
        .api
        .maker()
        .make(
            new ProtocolDescriptor.ServerConfig(
                url,
                model(),
                Map.copyOf(settings.options),
                settings.keepAlive,
                dialect(url),
                new ProtocolDescriptor.RequestVariant(Set.copyOf(settings.omitted), settings.path),
                Objects.requireNonNullElse(settings.maxLineBytes, LINE_BYTES),
                Objects.requireNonNullElse(settings.maxAnswerBytes, ANSWER_BYTES),
                settings.endMarkerIsEnough));
  }

  /** Returns name, model and address; no credential. */
  @Override
  public String toString() {
    return "Endpoint["
        + name()
        + ", "
        + (url == null ? "in-process" : model() + " at " + url)
        + "]";
  }

  /** Returns the settings for the endpoint's position in a client's list. */
  EndpointConfig toConfig(boolean firstOfMany) {
    return toConfig(firstOfMany, RequestDefaults.NONE);
  }

  /**
   * Returns the settings for the endpoint's position in the list of a client with defaults for
   * requests.
   */
  EndpointConfig toConfig(boolean firstOfMany, RequestDefaults clients) {
    Duration attempt = settings.timeout;
    if (attempt == null) {
      attempt = firstOfMany ? FIRST_OF_MANY : ANY_OTHER;
    }
    Duration firstToken = settings.firstToken == null ? attempt : settings.firstToken;
    if (firstToken.compareTo(attempt) > 0) {
      throw settings.firstTokenTooLong(attempt, firstToken);
    }
    return new EndpointConfig(
        name(),
        origin(),
        model(),
        locality(),
        url != null && BaseUrl.isLoopback(url),
        settings.traits(),
        new AttemptTimeouts(
            attempt,
            Objects.requireNonNullElse(settings.connect, CONNECT),
            firstToken,
            settings.stall == null ? shorter(STALL, attempt) : settings.stall,
            Objects.requireNonNullElse(settings.stream, STREAM),
            settings.minimumRate),
        settings.maxConcurrent,
        settings.requestsPerMinute,
        settings.maxWait,
        settings.keepWarm,
        settings.unloadWhenWedged,
        modelKeepAlive(),
        settings.retries,
        filled(defaults.before(clients)),
        List.copyOf(settings.headers),
        protocol(),
        settings.function,
        settings.answerWhileModelLoads,
        OptionValues.texts(settings.options),
        price());
  }

  /** Returns a function that also allows repetition where this endpoint is not to stop it. */
  private UnaryOperator<ChatRequest> filled(UnaryOperator<ChatRequest> withDefaults) {
    boolean stops = Objects.requireNonNullElse(settings.stopRepetition, isSelfHosted());
    return stops ? withDefaults : request -> withDefaults.apply(request).withRepetitionAllowed();
  }

  private boolean isSelfHosted() {
    return locality() == Locality.SELF_HOSTED;
  }

  private static Duration shorter(Duration one, Duration other) {
    return one.compareTo(other) < 0 ? one : other;
  }

  /** Returns how long the server keeps a model that is not used. */
  private Duration modelKeepAlive() {
    Duration keepAlive = settings.keepAlive;
    if (keepAlive == null) {
      return OLLAMA_KEEP_ALIVE;
    }
    return keepAlive.isNegative() || keepAlive.compareTo(FOREVER) > 0 ? FOREVER : keepAlive;
  }

  /** Builds an {@link Endpoint} that is a server. Not safe for use by several threads. */
  public static final class Builder {
    private final String name;
    private final @Nullable String baseUrl;
    private final @Nullable ProtocolDescriptor api;
    private final @Nullable Function<ChatRequest, String> function;
    private @Nullable String model;
    private @Nullable Duration timeout;
    private @Nullable Duration connect;
    private @Nullable Duration firstToken;
    private @Nullable Duration stall;
    private @Nullable Duration stream;
    private @Nullable MinimumRate minimumRate;
    private final List<Header> headers = new ArrayList<>();
    private boolean clearTextCredentials;
    private int maxConcurrent = Integer.MAX_VALUE;
    private int retries;
    private final Map<String, Object> options = new LinkedHashMap<>();
    private @Nullable Duration keepAlive;
    private @Nullable Locality locality;
    private Dialect dialect = Dialect.GENERIC;
    private final Map<Capability, Boolean> capabilities = new EnumMap<>(Capability.class);
    private int contextLength = ModelTraits.UNKNOWN_LENGTH;
    private int requestsPerMinute = Integer.MAX_VALUE;
    private Duration maxWait = Duration.ZERO;
    private boolean keepWarm;
    private boolean unloadWhenWedged;
    private final List<Consumer<ChatRequest.Builder>> defaults = new ArrayList<>();
    private final Set<String> omitted = new LinkedHashSet<>();
    private String path = "";
    private @Nullable Integer maxLineBytes;
    private @Nullable Long maxAnswerBytes;
    private boolean endMarkerIsEnough;
    private boolean answerWhileModelLoads;
    private @Nullable Boolean stopRepetition;
    private @Nullable Price price;
    private @Nullable Upkeep upkeep;

    private Builder(String name, String baseUrl, ProtocolDescriptor api) {
      this.name = Preconditions.plain("name", name);
      this.baseUrl = Objects.requireNonNull(baseUrl, "baseUrl");
      this.api = api;
      this.function = null;
    }

    private Builder(String name, Function<ChatRequest, String> function) {
      this.name = Preconditions.plain("name", name);
      this.baseUrl = null;
      this.api = null;
      this.function = function;
    }

    private Builder(Builder other) {
      name = other.name;
      baseUrl = other.baseUrl;
      api = other.api;
      function = other.function;
      model = other.model;
      timeout = other.timeout;
      connect = other.connect;
      firstToken = other.firstToken;
      stall = other.stall;
      stream = other.stream;
      minimumRate = other.minimumRate;
      headers.addAll(other.headers);
      clearTextCredentials = other.clearTextCredentials;
      maxConcurrent = other.maxConcurrent;
      retries = other.retries;
      options.putAll(other.options);
      keepAlive = other.keepAlive;
      omitted.addAll(other.omitted);
      path = other.path;
      locality = other.locality;
      dialect = other.dialect;
      capabilities.putAll(other.capabilities);
      contextLength = other.contextLength;
      requestsPerMinute = other.requestsPerMinute;
      maxWait = other.maxWait;
      keepWarm = other.keepWarm;
      unloadWhenWedged = other.unloadWhenWedged;
      defaults.addAll(other.defaults);
      maxLineBytes = other.maxLineBytes;
      maxAnswerBytes = other.maxAnswerBytes;
      endMarkerIsEnough = other.endMarkerIsEnough;
      answerWhileModelLoads = other.answerWhileModelLoads;
      stopRepetition = other.stopRepetition;
      price = other.price;
      upkeep = other.upkeep;
    }

    /**
     * Sets the model, as the server names it; required for a server. Not blank, on one line,
     * without spaces or quotes around it, and no placeholder such as {@code ${MODEL}}.
     */
    public Builder model(String model) {
      this.model = Preconditions.plain("model", model);
      return this;
    }

    /**
     * Sets the limit of one whole attempt, from its dispatch to the complete answer, queueing in
     * the server included: from 1 ms to 24 h. Default 15 s for the first endpoint when another
     * follows it, else 120 s. When it passes, the connection is closed, so that the server stops.
     * In a stream it covers the wait for the first piece. The attempt ends earlier if a self-hosted
     * server is silent and its health check fails.
     */
    public Builder timeout(Duration timeout) {
      this.timeout = Preconditions.timeSpan("timeout", timeout);
      return this;
    }

    /** Sets the limit of DNS, TCP and TLS together: from 1 ms to 24 h, default 3 s. */
    public Builder connectTimeout(Duration connectTimeout) {
      this.connect = Preconditions.timeSpan("connectTimeout", connectTimeout);
      return this;
    }

    /**
     * Sets the limit from dispatch to the first piece of answer or thinking: from 1 ms to 24 h,
     * default as {@link #timeout}. For long answers from a node that is slow but alive, set {@code
     * timeout} high and this to 15 s. A cold model sends nothing until it is loaded. After a third
     * of it, at most 5 s, a self-hosted server that is silent is health-checked in the background.
     *
     * <p>Not more than {@code timeout}, or building fails.
     */
    public Builder firstTokenTimeout(Duration firstTokenTimeout) {
      this.firstToken = Preconditions.timeSpan("firstTokenTimeout", firstTokenTimeout);
      return this;
    }

    /**
     * Sets the limit between two pieces once the answer has begun: from 1 ms to 24 h. Default 10 s,
     * or {@link #timeout} if that is less. A value that is set may be longer than {@code timeout}:
     * in a stream it takes effect all the same.
     */
    public Builder stallTimeout(Duration stallTimeout) {
      this.stall = Preconditions.timeSpan("stallTimeout", stallTimeout);
      return this;
    }

    /**
     * Sets the limit of the delivery of one streamed answer, from the moment that its first piece
     * is shown to its end, the time for which its reader pauses not counted: from 1 ms to 24 h,
     * default 10 min. Ends an answer that would go on for ever; this does not count against the
     * endpoint. A deadline that was set may end the stream earlier. Has no effect on {@code chat},
     * whose limit is {@link #timeout}.
     */
    public Builder streamTimeout(Duration streamTimeout) {
      this.stream = Preconditions.timeSpan("streamTimeout", streamTimeout);
      return this;
    }

    /**
     * Sets the lowest rate of an answer that has begun; below it, the attempt ends as {@link
     * FailureKind#STALLED}. This catches a node that sends a token now and then, which no stall
     * timeout does. Default: any rate.
     *
     * @param tokensPerSecond finite and more than 0; a piece of a stream counts as a token, as
     *     Ollama sends them
     * @param window over which it is measured, from 1 ms to 24 h, counting only the time for which
     *     the reader waits: a slow reader makes no endpoint slow
     */
    public Builder minimumRate(double tokensPerSecond, Duration window) {
      if (!(tokensPerSecond > 0) || !Double.isFinite(tokensPerSecond)) {
        throw new IllegalArgumentException(
            "minimumRate must be a finite number of more than 0, was " + tokensPerSecond);
      }
      minimumRate = new MinimumRate(tokensPerSecond, Preconditions.timeSpan("window", window));
      return this;
    }

    /**
     * Sets the key, sent as {@code Authorization: Bearer}, to Gemini as {@code x-goog-api-key}, to
     * Anthropic as {@code x-api-key}. Ollama itself ignores it; a proxy in front of it may ask for
     * one. The last one that is set wins; it cannot be combined with a header {@code Authorization}
     * of your own. Give the key alone: printable ASCII without spaces, quotes around it, {@code
     * Bearer} before it or a placeholder in its stead.
     */
    public Builder apiKey(String apiKey) {
      Objects.requireNonNull(apiKey, "apiKey");
      return add(Header.fixed(keyHeader(), keyPrefix(), HeaderRules.credential("apiKey", apiKey)));
    }

    private String keyHeader() {
      return protocol().keyHeader();
    }

    private String keyPrefix() {
      return protocol().keyPrefix();
    }

    /**
     * Returns a server's protocol; a function, which has none, is built by {@link FunctionBuilder}.
     */
    private ProtocolDescriptor protocol() {
      return Objects.requireNonNull(api, "api");
    }

    /**
     * Sets a supplier of the key, for keys that rotate. It is called for every attempt, on a thread
     * that carries nothing of the caller; the key is never shared between attempts. An endpoint's
     * suppliers are called one at a time, and several at once only while slow ones still return.
     * The wait counts as part of the attempt. A supplier that throws, or returns null or blank, is
     * a failed attempt.
     */
    public Builder apiKey(Supplier<String> apiKey) {
      Objects.requireNonNull(apiKey, "apiKey");
      return add(Header.supplied(keyHeader(), keyPrefix(), apiKey));
    }

    /**
     * Sets a Cloudflare Access service token, sent as {@code CF-Access-Client-Id} and {@code
     * CF-Access-Client-Secret} on every request.
     */
    public Builder cloudflareAccess(String clientId, String clientSecret) {
      Objects.requireNonNull(clientId, "clientId");
      Objects.requireNonNull(clientSecret, "clientSecret");
      String id = HeaderRules.credential("clientId", clientId);
      String secret = HeaderRules.credential("clientSecret", clientSecret);
      add(Header.fixed(HeaderRules.ACCESS_ID, "", id));
      return add(Header.fixed(HeaderRules.ACCESS_SECRET, "", secret));
    }

    /**
     * Sets suppliers of both parts of a Cloudflare Access service token, called for every attempt;
     * see {@link #apiKey(Supplier)}.
     */
    public Builder cloudflareAccess(Supplier<String> clientId, Supplier<String> clientSecret) {
      Objects.requireNonNull(clientId, "clientId");
      Objects.requireNonNull(clientSecret, "clientSecret");
      add(Header.supplied(HeaderRules.ACCESS_ID, "", clientId));
      return add(Header.supplied(HeaderRules.ACCESS_SECRET, "", clientSecret));
    }

    /**
     * Adds a header of your own on every request; it replaces an earlier one of its name. Its value
     * is kept out of logs and exceptions.
     */
    public Builder header(String name, String value) {
      return add("header " + name, HeaderRules.name(name), "", value);
    }

    /** Adds a header whose value is supplied for every attempt; see {@link #apiKey(Supplier)}. */
    public Builder header(String name, Supplier<String> value) {
      Objects.requireNonNull(value, "value");
      return add(Header.supplied(HeaderRules.name(name), "", value));
    }

    private Builder add(String field, String header, String prefix, String value) {
      Objects.requireNonNull(value, field);
      return add(Header.fixed(header, prefix, HeaderRules.value(field, value)));
    }

    private Builder add(Header header) {
      headers.removeIf(before -> HeaderRules.isReplacing(header, before));
      headers.add(header);
      return this;
    }

    /**
     * Sets whether credentials may be sent in clear text to a host that is not this machine, such
     * as a node in your own network without TLS. Default false: such an endpoint is rejected.
     */
    public Builder allowClearTextCredentials(boolean allow) {
      this.clearTextCredentials = allow;
      return this;
    }

    /**
     * Sets the most calls at this endpoint at once, at least 1; default unlimited. A call that
     * finds it full goes to the next endpoint; only if no other endpoint answers does it wait for a
     * slot, within its deadline. Health checks and loads take no slot. Without this limit, a
     * self-hosted server that is overloaded is sent no more calls at once than it was seen to
     * serve.
     */
    public Builder maxConcurrent(int maxConcurrent) {
      if (maxConcurrent < 1) {
        throw new IllegalArgumentException(
            "maxConcurrent must be at least 1, was " + maxConcurrent);
      }
      this.maxConcurrent = maxConcurrent;
      return this;
    }

    /**
     * Sets how long a call waits for a slot when {@link #maxConcurrent} is reached, before it goes
     * to the next endpoint: from 1 ms to 24 h, within the call's deadline and in order of arrival.
     * Useful for a node that is much better than the next one. Rejected without a {@code
     * maxConcurrent}. Default: no wait.
     */
    public Builder maxWait(Duration maxWait) {
      this.maxWait = Preconditions.timeSpan("maxWait", maxWait);
      return this;
    }

    /**
     * Sets the most retries after a failure that may be temporary, before the next endpoint is
     * asked: from 0 to 10, default 0, because falling through is faster. The back-offs between them
     * double from 0.5 s to 8 s, last at least as long as the server asks for, and fit into the
     * deadline. For servers only: a function is never asked twice.
     */
    public Builder retries(int retries) {
      if (retries < 0 || retries > 10) {
        throw new IllegalArgumentException("retries must be from 0 to 10, was " + retries);
      }
      this.retries = retries;
      return this;
    }

    /**
     * Adds an option sent with every request: one of Ollama's {@code options}, such as {@code
     * num_ctx}; a field of OpenAI's or Anthropic's request, such as {@code service_tier}; a field
     * of Gemini's {@code generationConfig}, such as {@code topK}. It is fixed per endpoint, because
     * Ollama loads the model anew when a load-time option changes.
     *
     * @param name the option; not a field that the library writes itself, such as {@code model},
     *     {@code think} or {@code max_tokens}: the message says what to use instead
     * @param value a string, a finite number, a boolean, a list of these, or a map of names to any
     *     of these or to maps
     */
    public Builder option(String name, Object value) {
      Preconditions.notBlank("option name", name);
      Objects.requireNonNull(value, "option value");
      String instead = protocol().insteadOf(name);
      if (instead != null) {
        throw new IllegalArgumentException("option " + name + " must not be set: " + instead);
      }
      options.put(name, OptionValues.checked(name, value));
      return this;
    }

    /**
     * Adds fields that are left out of every request, for a server that rejects them: an
     * OpenAI-compatible one may reject {@code stream_options} (the usage is then unknown, {@link
     * Usage#NONE}), {@code max_tokens} (the limit goes under its other name, {@code
     * max_completion_tokens}; without both there is none), {@code chat_template_kwargs}, {@code
     * reasoning_effort}, {@code temperature}, {@code top_p}, {@code seed} or {@code
     * response_format}; Ollama's API {@code think}, {@code truncate}, {@code shift}, {@code
     * keep_alive}, {@code temperature}, {@code top_p}, {@code seed} or {@code format}; Gemini's
     * {@code thinkingConfig}, {@code temperature}, {@code topP}, {@code seed} or {@code
     * responseJsonSchema}; Anthropic's {@code temperature}, {@code top_p} or {@code output_config}.
     * A field that a server rejects by name is left out without this setting too, except the form
     * of a schema. Default: none.
     *
     * @param fields one or more of these; they add to those named before
     * @throws IllegalArgumentException if this kind of server cannot do without one of them
     */
    public Builder omit(String... fields) {
      for (String field : fields) {
        omitted.add(omissible(Objects.requireNonNull(field, "omit")));
      }
      return this;
    }

    private String omissible(String field) {
      List<String> known = protocol().omissibleNames();
      if (!known.contains(field)) {
        throw new IllegalArgumentException(
            "omit must be one of " + known + ", was '" + field + "'");
      }
      return field;
    }

    /**
     * Sets the path of a call below the base URL, such as {@code /chat/completions} where there is
     * no {@code /v1}, or {@code /openai/deployments/x/chat/completions}. For OpenAI-compatible
     * servers only. Default: {@code /v1/chat/completions}, without {@code /v1} if the base URL has
     * it or the server answers {@code /chat/completions} alone.
     *
     * @param path not blank, without a query, a fragment, spaces or {@code ..}
     */
    public Builder path(String path) {
      String checked = Preconditions.notBlank("path", path);
      if (!checked.matches("/?[^/?#\\s\\\\]+(/[^/?#\\s\\\\]+)*")
          || checked.matches("(.*/)?\\.\\.?(/.*)?")) {
        throw new IllegalArgumentException(
            "path must be one of a URL, such as /chat/completions, was '" + path + "'");
      }
      this.path = checked.startsWith("/") ? checked.substring(1) : checked;
      return this;
    }

    /**
     * Sets how long Ollama keeps the model loaded after a request: whole seconds; zero unloads it,
     * negative keeps it for ever. Sent with every request and every load; with zero the model is
     * neither loaded nor checked before a call. For Ollama's native API only. Default: the server's
     * own, which is taken to be 5 min.
     */
    public Builder keepAlive(Duration keepAlive) {
      Objects.requireNonNull(keepAlive, "keepAlive");
      if (!keepAlive.equals(keepAlive.truncatedTo(ChronoUnit.SECONDS))) {
        throw new IllegalArgumentException("keepAlive must be whole seconds, was " + keepAlive);
      }
      this.keepAlive = keepAlive;
      return this;
    }

    /**
     * Sets whether the model is kept in Ollama's memory from the first call or {@link
     * LlmClient#warmUp} on. Ollama is asked to load it, which costs no token, twice in every {@link
     * #keepAlive} and at least every 2 min, but no more often than every 5 s. If another model has
     * evicted it, that one is evicted in turn. For Ollama's native API only; rejected with a {@code
     * keepAlive} below 10 s, which would end before the next request, and on a managed endpoint.
     * Default false: a model that was idle for long is loaded when it is needed.
     */
    public Builder keepWarm(boolean keepWarm) {
      this.keepWarm = keepWarm;
      return this;
    }

    /**
     * Sets whether Ollama is asked to unload a model that is found wedged ({@link
     * FailureKind#WEDGED}), which frees one that hangs. It is asked once, and again only after it
     * has served a call since; other users of the model then wait for the reload. For Ollama's
     * native API only; rejected on a managed endpoint. Default false: the endpoint stays DOWN with
     * growing back-offs until an operator acts.
     */
    public Builder unloadWhenWedged(boolean unloadWhenWedged) {
      this.unloadWhenWedged = unloadWhenWedged;
      return this;
    }

    /**
     * Sets how an OpenAI-compatible server differs from the others, and where its health is
     * checked. For such servers only. Default {@link Dialect#GENERIC}; {@code api.openai.com} and
     * Gemini's host are recognized.
     */
    public Builder dialect(Dialect dialect) {
      this.dialect = Objects.requireNonNull(dialect, "dialect");
      return this;
    }

    /**
     * Sets the most requests within any 60 s, retries included: from 1 to 100,000, default
     * unlimited. A call that finds them used up goes to the next endpoint without waiting.
     */
    public Builder requestsPerMinute(int requestsPerMinute) {
      if (requestsPerMinute < 1 || requestsPerMinute > 100_000) {
        throw new IllegalArgumentException(
            "requestsPerMinute must be from 1 to 100000, was " + requestsPerMinute);
      }
      this.requestsPerMinute = requestsPerMinute;
      return this;
    }

    /**
     * Sets on whose hardware the endpoint runs. This decides whether a request with {@link
     * ChatRequest#selfHostedOnly()} may be sent to it, and whether it is probed in the background:
     * a managed endpoint is not health-checked, and no model is loaded there. Default: self-hosted
     * for Ollama, but managed for its cloud models and {@code ollama.com}; managed for Gemini and
     * Anthropic; see {@link Dialect} for OpenAI-compatible servers.
     */
    public Builder locality(Locality locality) {
      this.locality = Objects.requireNonNull(locality, "locality");
      return this;
    }

    /**
     * Declares the endpoint's capabilities: it has those named here and lacks the others, whatever
     * its server reports, so that a request that {@linkplain ChatRequest.Builder#requires requires}
     * one of the others skips it. {@link Capability#FRONTIER} alone is an exception: it says how
     * good the model is and leaves the others as they were. Without a name the endpoint has none.
     * Replaces what was declared before. Default: as a self-hosted server of Ollama or llama-server
     * reports them; unknown for any other, which skips nothing; {@code FRONTIER} lacking.
     */
    public Builder capabilities(Capability... capabilities) {
      Set<Capability> named = EnumSet.noneOf(Capability.class);
      for (Capability capability : capabilities) {
        named.add(Objects.requireNonNull(capability, "capability"));
      }
      if (named.equals(EnumSet.of(Capability.FRONTIER))) {
        return capability(Capability.FRONTIER, true);
      }
      for (Capability each : Capability.values()) {
        this.capabilities.put(each, named.contains(each));
      }
      return this;
    }

    /**
     * Declares whether the endpoint has one capability, whatever its server reports, and leaves the
     * others as they were; see {@link #capabilities}.
     */
    public Builder capability(Capability capability, boolean has) {
      capabilities.put(Objects.requireNonNull(capability, "capability"), has);
      return this;
    }

    private ModelTraits traits() {
      Set<Capability> has = EnumSet.noneOf(Capability.class);
      Set<Capability> lacks = EnumSet.noneOf(Capability.class);
      capabilities.forEach((capability, declared) -> (declared ? has : lacks).add(capability));
      return new ModelTraits(has, lacks, contextLength);
    }

    /**
     * Declares the length of the model's context in tokens, at least 1, whatever its server
     * reports. A request that is certainly longer skips the endpoint without asking it, as {@link
     * FailureKind#NOT_CAPABLE}. Certain is only what holds for every tokenizer: a token for every
     * 128 letters and digits of the user's messages, where real text has thirty times as many; and
     * {@code maxTokens} beside them at vLLM and TGI, which reserve it. All shorter requests are
     * sent, and the server decides. For servers only. Default: as a self-hosted server of Ollama or
     * llama-server reports it, else unknown.
     */
    public Builder contextLength(int tokens) {
      if (tokens < 1) {
        throw new IllegalArgumentException("contextLength must be at least 1, was " + tokens);
      }
      this.contextLength = tokens;
      return this;
    }

    /**
     * Sets the most tokens of an answer, for requests that set none: at least 1. This is a default
     * and no cap: a request's own value wins, up to {@link LlmClient.Builder#maxTokensAtMost}. For
     * servers only. Default: the client's ({@link LlmClient.Builder#defaults}), else 1024.
     */
    public Builder maxTokens(int maxTokens) {
      if (maxTokens < 1) {
        throw new IllegalArgumentException("maxTokens must be at least 1, was " + maxTokens);
      }
      return defaults(request -> request.maxTokens(maxTokens));
    }

    /**
     * Sets defaults for requests to this endpoint: {@code maxTokens}, {@code temperature}, {@code
     * topP}, {@code seed}, {@code stop} and {@code thinking}. A request's own values win over them;
     * they win over the client's defaults, and over an {@link #option} of the same meaning. Further
     * calls add to earlier ones; the last value of a setting wins.
     *
     * @param defaults sets them on an empty request; called when the endpoint is built
     */
    public Builder defaults(Consumer<ChatRequest.Builder> defaults) {
      this.defaults.add(Objects.requireNonNull(defaults, "defaults"));
      return this;
    }

    /**
     * Sets the most bytes of one line of a reply, after any decompression, at least 1024; default 8
     * MiB. A longer one is {@link FailureKind#RESPONSE_TOO_LARGE}. Everything that a server sends
     * beside a body (headers, interim replies, chunk extensions, trailers) may have 128 KiB: more
     * headers than any server or proxy accepts, and little for a heap.
     */
    public Builder maxLineBytes(int maxLineBytes) {
      this.maxLineBytes = (int) atLeast1024("maxLineBytes", maxLineBytes);
      return this;
    }

    /**
     * Sets the most bytes of a whole reply, after any decompression, at least 1024; default 32 MiB.
     * A longer one is {@link FailureKind#RESPONSE_TOO_LARGE}. All replies that the process reads at
     * once (their unfinished lines, text and tool calls so far) may take a sixteenth of its heap
     * together, the first 256 KiB of each not counted, because a byte on the wire takes up to six
     * in memory; one reply may take half of that. A reply that finds the room taken by others is
     * {@code RESPONSE_TOO_LARGE} too, and does not count against its endpoint.
     */
    public Builder maxAnswerBytes(long maxAnswerBytes) {
      this.maxAnswerBytes = atLeast1024("maxAnswerBytes", maxAnswerBytes);
      return this;
    }

    /**
     * Sets whether the server's end marker, OpenAI's {@code [DONE]} or Anthropic's {@code
     * message_stop}, completes an answer without a finish reason. For servers that never send a
     * reason; others send the marker after an error too, and half an answer would pass as complete.
     * An answer of as many tokens as {@code maxTokens} then counts as one that reached its limit.
     * For OpenAI-compatible servers and Anthropic's API only. Default false: for a server that has
     * never sent a reason, the marker is enough from the second such reply in a row on, which is
     * logged.
     */
    public Builder endMarkerIsEnough(boolean enough) {
      this.endMarkerIsEnough = enough;
      return this;
    }

    /**
     * Sets the price of a call; see {@link ChatResponse#cost()}. Default: free for a self-hosted
     * endpoint ({@link #locality}), because a call to your own hardware bills nothing; unknown, and
     * not 0, for a managed one.
     */
    public Builder price(Price price) {
      Objects.requireNonNull(price, "price");
      this.price = price.source().isEmpty() ? price.source("endpoint") : price;
      return this;
    }

    /**
     * Sets what the machine costs, whether it is asked or not; see {@link
     * dev.offmeter.meter.Meter#report()}. Its currency must be that of the client's prices.
     * Default: none.
     */
    public Builder upkeep(Upkeep upkeep) {
      this.upkeep = Objects.requireNonNull(upkeep, "upkeep");
      return this;
    }

    /**
     * Sets whether an answer that repeats itself is stopped while it comes, as {@link
     * FailureKind#RUNAWAY}: small models write the same passage again and again until the limit. It
     * is not held against the endpoint, and the next one is asked; what becomes of the text that a
     * stream has shown is up to the request's {@link StreamRecovery}. Default: true for a
     * self-hosted server, false for a managed one; {@link ChatRequest.Builder#allowRepetition}
     * turns it off for one request.
     *
     * <p>A text or thinking repeats itself when it ends in the same passage four times in a row, to
     * the character. A passage has 40 to 2,000 characters: 20 short tokens (a token of English has
     * about 4 characters) to some 500. At least half of it are letters, and it has no tab,
     * backslash or any of {@code {}[]<>|=;}, so that equal records, rows of a table and lines of
     * code pass; so do rows of dashes or spaces, whose passages are shorter. The arguments of tool
     * calls are not searched.
     *
     * <p>In 26,913 documents of prose (276 million characters of manual pages, licences, change
     * logs and guides) it would have stopped 2, both at quotations of code or output; in 9,065
     * source files 2. Each passage had less than 160 characters.
     */
    public Builder stopRepetition(boolean stop) {
      this.stopRepetition = stop;
      return this;
    }

    private static long atLeast1024(String field, long value) {
      if (value < 1024) {
        throw new IllegalArgumentException(field + " must be at least 1024, was " + value);
      }
      return value;
    }

    /**
     * Returns the endpoint. Opens no connection.
     *
     * @throws IllegalArgumentException if the base URL is blank, relative, not http or https, has
     *     spaces or quotes around it, a second scheme, a placeholder or an invalid host, carries
     *     user-info, a query or a fragment, or has the path of a call
     * @throws IllegalStateException if there is no model, the defaults have what only a request or
     *     a client can have, the first-token limit is longer than the attempt's, {@code keepAlive}
     *     or {@code keepWarm} is set for another server than Ollama, {@code keepWarm} with a {@code
     *     keepAlive} below 10 s or on a managed endpoint, {@code unloadWhenWedged} for another
     *     server than Ollama or on a managed endpoint, {@code maxWait} without {@code
     *     maxConcurrent}, a {@code dialect} for a server that has none, {@code endMarkerIsEnough}
     *     for a protocol without such a marker, a key stands beside a header {@code Authorization},
     *     half of a Cloudflare Access token is missing, or a credential would go in clear text to a
     *     host that is not this machine
     */
    public Endpoint build() {
      Builder copy = new Builder(this);
      Dependencies.checkForAddresses();
      String address = Objects.requireNonNull(baseUrl, "baseUrl");
      HttpUrl url =
          BaseUrl.parse(name, address, protocol().notTheRoot(), OpenAiChat.API.equals(api));
      copy.checkServer(url);
      return new Endpoint(copy, url);
    }

    private void checkLine() {
      if (!maxWait.isZero() && maxConcurrent == Integer.MAX_VALUE) {
        throw wrong("must have a maxConcurrent to have a maxWait: without one it is never full");
      }
    }

    private void checkKeepWarm(HttpUrl url) {
      if (isKeptWarm() && !OllamaChat.API.equals(api)) {
        throw wrong("must not have a keepAlive or keepWarm: only Ollama's native API knows them");
      }
      if (keepWarm && keepAlive != null && keepAlive.isZero()) {
        throw wrong("must not have keepWarm with a keepAlive of zero, which unloads the model");
      }
      if (keepWarm && keepAlive != null && isTooShort(keepAlive)) {
        throw wrong(
            "must have a keepAlive of at least 10 s to have keepWarm, which asks for the model"
                + " every 5 s at most, was "
                + keepAlive);
      }
      if (keepWarm && new Endpoint(this, url).locality() == Locality.MANAGED) {
        throw wrong("must not have keepWarm: it is managed, where no model is loaded");
      }
      if (unloadWhenWedged && !OllamaChat.API.equals(api)) {
        throw wrong("must not have unloadWhenWedged: only Ollama's native API can unload a model");
      }
      if (unloadWhenWedged && new Endpoint(this, url).locality() == Locality.MANAGED) {
        throw wrong("must not have unloadWhenWedged: it is managed, where no model is loaded");
      }
    }

    private static boolean isTooShort(Duration keepAlive) {
      return !keepAlive.isNegative() && keepAlive.compareTo(KEEP_WARM_MIN) < 0;
    }

    private void checkServer(HttpUrl url) {
      if (model == null) {
        throw wrong("must have a model");
      }
      if (timeout != null && firstToken != null && firstToken.compareTo(timeout) > 0) {
        throw firstTokenTooLong(timeout, firstToken);
      }
      checkKeepWarm(url);
      checkLine();
      Dialect own = OllamaChat.API.equals(api) ? Dialect.OLLAMA : Dialect.GENERIC;
      if (dialect != own && !OpenAiChat.API.equals(api)) {
        throw wrong("must not have a dialect: only OpenAI-compatible servers have one");
      }
      if (!path.isEmpty() && !OpenAiChat.API.equals(api)) {
        throw wrong("must not have a path: only OpenAI-compatible servers have one of their own");
      }
      if (endMarkerIsEnough && !OpenAiChat.API.equals(api) && !AnthropicChat.API.equals(api)) {
        throw wrong(
            "must not have endMarkerIsEnough: only OpenAI-compatible servers and Anthropic's API"
                + " have an end marker beside the reason");
      }
      for (String field : omitted) {
        if (options.containsKey(field)) {
          throw wrong("must not omit " + field + ", which is set by an option");
        }
      }
      Optional<String> broken = HeaderRules.violation(headers);
      if (broken.isPresent()) {
        throw wrong(broken.get());
      }
      boolean credential = headers.stream().anyMatch(Header::isCredential);
      if (credential && !clearTextCredentials && !url.isHttps() && !BaseUrl.isLoopback(url)) {
        throw wrong(
            "must use https to send a credential to "
                + url.host()
                + ", was http; allowClearTextCredentials(true) overrides");
      }
    }

    private boolean isKeptWarm() {
      return keepAlive != null || keepWarm;
    }

    private IllegalStateException firstTokenTooLong(Duration attempt, Duration firstToken) {
      return wrong(
          "must have a firstTokenTimeout of at most its timeout "
              + attempt
              + ", was "
              + firstToken);
    }

    private IllegalStateException wrong(String rule) {
      return new IllegalStateException("endpoint '" + name + "' " + rule);
    }
  }

  /**
   * Builds an {@link Endpoint} that is a function in this process; see {@link Endpoint#local}. Not
   * safe for use by several threads.
   */
  public static final class FunctionBuilder {
    private final Builder settings;

    private FunctionBuilder(Builder settings) {
      this.settings = settings;
    }

    /**
     * Sets the limit of one attempt, from the call of the function to its answer: from 1 ms to 24
     * h. Default 15 s for the first endpoint when another follows it, else 120 s. When it passes,
     * the function is interrupted and abandoned.
     */
    public FunctionBuilder timeout(Duration timeout) {
      settings.timeout(timeout);
      return this;
    }

    /**
     * Sets the most calls of the function at once, at least 1; default unlimited. A call that finds
     * it full goes to the next endpoint; only if no other endpoint answers does it wait for a slot,
     * within its deadline.
     */
    public FunctionBuilder maxConcurrent(int maxConcurrent) {
      settings.maxConcurrent(maxConcurrent);
      return this;
    }

    /**
     * Sets how long a call waits for a slot when {@link #maxConcurrent} is reached, before it goes
     * to the next endpoint: from 1 ms to 24 h, within the call's deadline and in order of arrival.
     * Rejected without a {@code maxConcurrent}. Default: no wait.
     */
    public FunctionBuilder maxWait(Duration maxWait) {
      settings.maxWait(maxWait);
      return this;
    }

    /**
     * Sets the most calls of the function within any 60 s: from 1 to 100,000, default unlimited. A
     * call that finds them used up goes to the next endpoint without waiting.
     */
    public FunctionBuilder requestsPerMinute(int requestsPerMinute) {
      settings.requestsPerMinute(requestsPerMinute);
      return this;
    }

    /**
     * Sets whether a request with {@link ChatRequest#selfHostedOnly()} may be given to the
     * function; {@link Locality#MANAGED} for one that sends it elsewhere. Default: {@link
     * Locality#SELF_HOSTED}.
     */
    public FunctionBuilder locality(Locality locality) {
      settings.locality(locality);
      return this;
    }

    /**
     * Declares the capabilities of the function, which is given the whole request; see {@link
     * Builder#capabilities}. Default: unknown, so that no request skips it but one that requires
     * {@link Capability#FRONTIER}.
     */
    public FunctionBuilder capabilities(Capability... capabilities) {
      settings.capabilities(capabilities);
      return this;
    }

    /**
     * Sets whether the function answers at once while a self-hosted server that stands before it in
     * the list is loading its model ({@code WARMING}), as is right for one that fills a page for a
     * waiting user. Default false: the call waits until the model is loaded, and then asks that
     * server. It waits no longer than the server's {@link Builder#firstTokenTimeout}, less the time
     * for which the same call has asked it before, and leaves a deadline that was set enough for
     * the function; for each server that is loading, all at once. If the server goes DOWN
     * meanwhile, the function answers at once.
     */
    public FunctionBuilder answerWhileModelLoads(boolean answerWhileModelLoads) {
      settings.answerWhileModelLoads = answerWhileModelLoads;
      return this;
    }

    /**
     * Sets the price of a call, for a function that asks something that bills; see {@link
     * Builder#price}. Default: free, or unknown with {@link Locality#MANAGED}.
     */
    public FunctionBuilder price(Price price) {
      settings.price(price);
      return this;
    }

    /**
     * Returns the endpoint.
     *
     * @throws IllegalStateException if {@code maxWait} is set without {@code maxConcurrent}
     */
    public Endpoint build() {
      Builder copy = new Builder(settings);
      copy.checkLine();
      return new Endpoint(copy, null);
    }
  }
}
