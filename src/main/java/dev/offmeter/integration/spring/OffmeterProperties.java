// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.spring;

import java.math.BigDecimal;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.springframework.boot.context.properties.ConfigurationProperties;

/**
 * The properties under {@code offmeter} by name and type, for development environments, the {@code
 * configprops} endpoint and who injects them. The client is not built from them but from the same
 * words as in environment variables, so that a wrong value has the message of its builder. Bound
 * once by Spring Boot; not to be changed afterwards.
 */
@ConfigurationProperties("offmeter")
@SuppressWarnings("exports")
public final class OffmeterProperties {
  /** Longest time of a whole call, with all endpoints, retries and waits. */
  private @Nullable Duration deadline;

  /** Silence of an endpoint after which the next one is asked too. */
  private @Nullable Duration hedgeAfter;

  /** Most tokens of an answer, for requests that set none. */
  private @Nullable Integer maxTokens;

  /** Most tokens that a request may ask for. */
  private @Nullable Integer maxTokensAtMost;

  /** Number of times that the same conversation may be sent within a session. */
  private @Nullable Integer maxRepeatsPerSession;

  /** File of prices, in the format of LiteLLM or models.dev. */
  private @Nullable String prices;

  /** Name of the endpoint whose price counts as what a call would have cost. */
  private @Nullable String baseline;

  /** File that gets a line for each attempt, without prompt and answer. */
  private @Nullable String usageLog;

  /** LiteLLM file that has the endpoints. Replaces all others. */
  private @Nullable String config;

  /** Group of the LiteLLM file to ask. Default is that of the file's first entry. */
  private @Nullable String configModel;

  /**
   * Whether the credentials of the LiteLLM file's endpoints may be sent over plain HTTP to any
   * host.
   */
  private @Nullable Boolean cleartext;

  /** Whether the OkHttpClient bean is used for TLS, proxy and interceptors. */
  private boolean httpClient;

  public @Nullable Duration getDeadline() {
    return deadline;
  }

  public void setDeadline(@Nullable Duration deadline) {
    this.deadline = deadline;
  }

  public @Nullable Duration getHedgeAfter() {
    return hedgeAfter;
  }

  public void setHedgeAfter(@Nullable Duration hedgeAfter) {
    this.hedgeAfter = hedgeAfter;
  }

  public @Nullable Integer getMaxTokens() {
    return maxTokens;
  }

  public void setMaxTokens(@Nullable Integer maxTokens) {
    this.maxTokens = maxTokens;
  }

  public @Nullable Integer getMaxTokensAtMost() {
    return maxTokensAtMost;
  }

  public void setMaxTokensAtMost(@Nullable Integer maxTokensAtMost) {
    this.maxTokensAtMost = maxTokensAtMost;
  }

  public @Nullable Integer getMaxRepeatsPerSession() {
    return maxRepeatsPerSession;
  }

  public void setMaxRepeatsPerSession(@Nullable Integer maxRepeatsPerSession) {
    this.maxRepeatsPerSession = maxRepeatsPerSession;
  }

  public @Nullable String getPrices() {
    return prices;
  }

  public void setPrices(@Nullable String prices) {
    this.prices = prices;
  }

  public @Nullable String getBaseline() {
    return baseline;
  }

  public void setBaseline(@Nullable String baseline) {
    this.baseline = baseline;
  }

  public @Nullable String getUsageLog() {
    return usageLog;
  }

  public void setUsageLog(@Nullable String usageLog) {
    this.usageLog = usageLog;
  }

  public @Nullable String getConfig() {
    return config;
  }

  public void setConfig(@Nullable String config) {
    this.config = config;
  }

  public @Nullable String getConfigModel() {
    return configModel;
  }

  public void setConfigModel(@Nullable String configModel) {
    this.configModel = configModel;
  }

  public @Nullable Boolean getCleartext() {
    return cleartext;
  }

  public void setCleartext(@Nullable Boolean cleartext) {
    this.cleartext = cleartext;
  }

  public boolean isHttpClient() {
    return httpClient;
  }

  public void setHttpClient(boolean httpClient) {
    this.httpClient = httpClient;
  }

  /** Endpoints in order of preference. */
  private List<Endpoint> endpoints = new ArrayList<>();

  /** Limits of what calls may cost or use. */
  private List<Budget> budgets = new ArrayList<>();

  /** Called by Spring Boot. */
  public OffmeterProperties() {}

  public List<Endpoint> getEndpoints() {
    return endpoints;
  }

  public void setEndpoints(List<Endpoint> endpoints) {
    this.endpoints = endpoints;
  }

  public List<Budget> getBudgets() {
    return budgets;
  }

  public void setBudgets(List<Budget> budgets) {
    this.budgets = budgets;
  }

  /** The properties of one endpoint. */
  public static final class Endpoint {
    /** Name in logs, metrics and answers. Default is {@code endpoint-} and its number. */
    private @Nullable String name;

    /** Type of server. Default is {@code ollama}. */
    private @Nullable String type;

    /**
     * Address of the server's root. Default is the provider's own, for OpenAI, Gemini and
     * Anthropic.
     */
    private @Nullable String url;

    /** Model to ask. Default is {@code qwen3:8b} for Ollama, and required for others. */
    private @Nullable String model;

    /**
     * Longest time of an attempt. Default is 15 seconds for the first of several endpoints, else 2
     * minutes.
     */
    private @Nullable Duration timeout;

    /** Longest time to connect. Default is 3 seconds. */
    private @Nullable Duration connect;

    /** Longest time to the first token of a stream. Default is the timeout. */
    private @Nullable Duration firstToken;

    /** Longest silence after the first token. Default is 10 seconds. */
    private @Nullable Duration stall;

    /** Longest time of a whole stream. Default is 10 minutes. */
    private @Nullable Duration streamTimeout;

    /** API key, without {@code Bearer}. */
    private @Nullable String key;

    /** Client ID of a Cloudflare Access service token. */
    private @Nullable String accessId;

    /** Client secret of a Cloudflare Access service token. */
    private @Nullable String accessSecret;

    /** Whether credentials may be sent over plain HTTP to a host that is not this one. */
    private @Nullable Boolean cleartext;

    /** Whether Ollama's idle model is kept in memory. */
    private @Nullable Boolean keepWarm;

    /** Whether an Ollama model that hangs is unloaded. */
    private @Nullable Boolean unloadWhenWedged;

    /** Most calls at a time. Unlimited by default. */
    private @Nullable Integer concurrency;

    /**
     * Longest wait for one of these calls to end, before the next endpoint is asked. None by
     * default.
     */
    private @Nullable Duration maxWait;

    /** Most requests within any 60 seconds. Unlimited by default. */
    private @Nullable Integer rpm;

    /** Most tokens of an answer, for requests that set none. */
    private @Nullable Integer maxTokens;

    /** Number of further attempts before the next endpoint is asked. None by default. */
    private @Nullable Integer retries;

    /** Whether a stream is complete without a finish reason. */
    private @Nullable Boolean endMarkerIsEnough;

    /**
     * Whether an answer that repeats itself without end is stopped. Default depends on the
     * locality.
     */
    private @Nullable Boolean stopRepetition;

    /** Whether the server runs on own hardware. Default depends on the type. */
    private @Nullable String locality;

    /** Capabilities of the model. Default is what the server reports. */
    private @Nullable List<String> capabilities;

    /** Tokens of the model's context. Default is what the server reports. */
    private @Nullable Integer contextLength;

    /** Fields of a request that the server refuses. */
    private @Nullable List<String> omit;

    /** Path of a call, for servers with the API of OpenAI. */
    private @Nullable String path;

    /** Price of a million input tokens. */
    private @Nullable BigDecimal priceIn;

    /** Price of a million output tokens. */
    private @Nullable BigDecimal priceOut;

    /** Price of a second of an answer. */
    private @Nullable BigDecimal priceSecond;

    /** Currency of the price and the upkeep. Default is {@code USD}. */
    private @Nullable String currency;

    /** Price of the machine, or a rent if no months are set. */
    private @Nullable BigDecimal upkeepPrice;

    /** Months over which the price of the machine is spread. */
    private @Nullable Integer upkeepMonths;

    /** Power of the machine while it answers, in watts. */
    private @Nullable BigDecimal upkeepWatts;

    /** Power of the machine while it is idle, in watts. */
    private @Nullable BigDecimal upkeepIdleWatts;

    /** Price of a kilowatt hour. */
    private @Nullable BigDecimal upkeepKwh;

    /** Hours of work that the machine takes in a month. */
    private @Nullable BigDecimal upkeepHours;

    /** Price of an hour of this work. */
    private @Nullable BigDecimal upkeepRate;

    /** Called by Spring Boot. */
    public Endpoint() {}

    public @Nullable String getName() {
      return name;
    }

    public void setName(@Nullable String name) {
      this.name = name;
    }

    public @Nullable String getType() {
      return type;
    }

    public void setType(@Nullable String type) {
      this.type = type;
    }

    public @Nullable String getUrl() {
      return url;
    }

    public void setUrl(@Nullable String url) {
      this.url = url;
    }

    public @Nullable String getModel() {
      return model;
    }

    public void setModel(@Nullable String model) {
      this.model = model;
    }

    public @Nullable Duration getTimeout() {
      return timeout;
    }

    public void setTimeout(@Nullable Duration timeout) {
      this.timeout = timeout;
    }

    public @Nullable Duration getConnect() {
      return connect;
    }

    public void setConnect(@Nullable Duration connect) {
      this.connect = connect;
    }

    public @Nullable Duration getFirstToken() {
      return firstToken;
    }

    public void setFirstToken(@Nullable Duration firstToken) {
      this.firstToken = firstToken;
    }

    public @Nullable Duration getStall() {
      return stall;
    }

    public void setStall(@Nullable Duration stall) {
      this.stall = stall;
    }

    public @Nullable Duration getStreamTimeout() {
      return streamTimeout;
    }

    public void setStreamTimeout(@Nullable Duration streamTimeout) {
      this.streamTimeout = streamTimeout;
    }

    public @Nullable String getKey() {
      return key;
    }

    public void setKey(@Nullable String key) {
      this.key = key;
    }

    public @Nullable String getAccessId() {
      return accessId;
    }

    public void setAccessId(@Nullable String accessId) {
      this.accessId = accessId;
    }

    public @Nullable String getAccessSecret() {
      return accessSecret;
    }

    public void setAccessSecret(@Nullable String accessSecret) {
      this.accessSecret = accessSecret;
    }

    public @Nullable Boolean getCleartext() {
      return cleartext;
    }

    public void setCleartext(@Nullable Boolean cleartext) {
      this.cleartext = cleartext;
    }

    public @Nullable Boolean getKeepWarm() {
      return keepWarm;
    }

    public void setKeepWarm(@Nullable Boolean keepWarm) {
      this.keepWarm = keepWarm;
    }

    public @Nullable Boolean getUnloadWhenWedged() {
      return unloadWhenWedged;
    }

    public void setUnloadWhenWedged(@Nullable Boolean unloadWhenWedged) {
      this.unloadWhenWedged = unloadWhenWedged;
    }

    public @Nullable Integer getConcurrency() {
      return concurrency;
    }

    public void setConcurrency(@Nullable Integer concurrency) {
      this.concurrency = concurrency;
    }

    public @Nullable Duration getMaxWait() {
      return maxWait;
    }

    public void setMaxWait(@Nullable Duration maxWait) {
      this.maxWait = maxWait;
    }

    public @Nullable Integer getRpm() {
      return rpm;
    }

    public void setRpm(@Nullable Integer rpm) {
      this.rpm = rpm;
    }

    public @Nullable Integer getMaxTokens() {
      return maxTokens;
    }

    public void setMaxTokens(@Nullable Integer maxTokens) {
      this.maxTokens = maxTokens;
    }

    public @Nullable Integer getRetries() {
      return retries;
    }

    public void setRetries(@Nullable Integer retries) {
      this.retries = retries;
    }

    public @Nullable Boolean getEndMarkerIsEnough() {
      return endMarkerIsEnough;
    }

    public void setEndMarkerIsEnough(@Nullable Boolean endMarkerIsEnough) {
      this.endMarkerIsEnough = endMarkerIsEnough;
    }

    public @Nullable Boolean getStopRepetition() {
      return stopRepetition;
    }

    public void setStopRepetition(@Nullable Boolean stopRepetition) {
      this.stopRepetition = stopRepetition;
    }

    public @Nullable String getLocality() {
      return locality;
    }

    public void setLocality(@Nullable String locality) {
      this.locality = locality;
    }

    public @Nullable List<String> getCapabilities() {
      return capabilities;
    }

    public void setCapabilities(@Nullable List<String> capabilities) {
      this.capabilities = capabilities;
    }

    public @Nullable Integer getContextLength() {
      return contextLength;
    }

    public void setContextLength(@Nullable Integer contextLength) {
      this.contextLength = contextLength;
    }

    public @Nullable List<String> getOmit() {
      return omit;
    }

    public void setOmit(@Nullable List<String> omit) {
      this.omit = omit;
    }

    public @Nullable String getPath() {
      return path;
    }

    public void setPath(@Nullable String path) {
      this.path = path;
    }

    public @Nullable BigDecimal getPriceIn() {
      return priceIn;
    }

    public void setPriceIn(@Nullable BigDecimal priceIn) {
      this.priceIn = priceIn;
    }

    public @Nullable BigDecimal getPriceOut() {
      return priceOut;
    }

    public void setPriceOut(@Nullable BigDecimal priceOut) {
      this.priceOut = priceOut;
    }

    public @Nullable BigDecimal getPriceSecond() {
      return priceSecond;
    }

    public void setPriceSecond(@Nullable BigDecimal priceSecond) {
      this.priceSecond = priceSecond;
    }

    public @Nullable String getCurrency() {
      return currency;
    }

    public void setCurrency(@Nullable String currency) {
      this.currency = currency;
    }

    public @Nullable BigDecimal getUpkeepPrice() {
      return upkeepPrice;
    }

    public void setUpkeepPrice(@Nullable BigDecimal upkeepPrice) {
      this.upkeepPrice = upkeepPrice;
    }

    public @Nullable Integer getUpkeepMonths() {
      return upkeepMonths;
    }

    public void setUpkeepMonths(@Nullable Integer upkeepMonths) {
      this.upkeepMonths = upkeepMonths;
    }

    public @Nullable BigDecimal getUpkeepWatts() {
      return upkeepWatts;
    }

    public void setUpkeepWatts(@Nullable BigDecimal upkeepWatts) {
      this.upkeepWatts = upkeepWatts;
    }

    public @Nullable BigDecimal getUpkeepIdleWatts() {
      return upkeepIdleWatts;
    }

    public void setUpkeepIdleWatts(@Nullable BigDecimal upkeepIdleWatts) {
      this.upkeepIdleWatts = upkeepIdleWatts;
    }

    public @Nullable BigDecimal getUpkeepKwh() {
      return upkeepKwh;
    }

    public void setUpkeepKwh(@Nullable BigDecimal upkeepKwh) {
      this.upkeepKwh = upkeepKwh;
    }

    public @Nullable BigDecimal getUpkeepHours() {
      return upkeepHours;
    }

    public void setUpkeepHours(@Nullable BigDecimal upkeepHours) {
      this.upkeepHours = upkeepHours;
    }

    public @Nullable BigDecimal getUpkeepRate() {
      return upkeepRate;
    }

    public void setUpkeepRate(@Nullable BigDecimal upkeepRate) {
      this.upkeepRate = upkeepRate;
    }
  }

  /** The properties of one budget. */
  public static final class Budget {
    /** Name under which the counts are kept. Default is {@code budget-} and its number. */
    private @Nullable String name;

    /**
     * Limit with its unit, such as {@code 20 USD}, {@code 2M tokens}, {@code 500 calls} or {@code
     * 3h} of compute time.
     */
    private @Nullable String limit;

    /**
     * Window of the limit: day, week or month, with or without a zone, a time span or {@code
     * session}. Default is for ever.
     */
    private @Nullable String per;

    /**
     * What falls under the budget: {@code endpoint:NAME}, {@code tag:NAME} or {@code
     * tag:NAME=VALUE}. Default is everything.
     */
    private @Nullable List<String> scope;

    /** Consequence for a request that does not fit. Default is {@code skip}. */
    private @Nullable String exceeded;

    /** Shares of the limit at which listeners are told, such as 0.5. */
    private @Nullable List<String> alert;

    /** Called by Spring Boot. */
    public Budget() {}

    public @Nullable String getName() {
      return name;
    }

    public void setName(@Nullable String name) {
      this.name = name;
    }

    public @Nullable String getLimit() {
      return limit;
    }

    public void setLimit(@Nullable String limit) {
      this.limit = limit;
    }

    public @Nullable String getPer() {
      return per;
    }

    public void setPer(@Nullable String per) {
      this.per = per;
    }

    public @Nullable List<String> getScope() {
      return scope;
    }

    public void setScope(@Nullable List<String> scope) {
      this.scope = scope;
    }

    public @Nullable String getExceeded() {
      return exceeded;
    }

    public void setExceeded(@Nullable String exceeded) {
      this.exceeded = exceeded;
    }

    public @Nullable List<String> getAlert() {
      return alert;
    }

    public void setAlert(@Nullable List<String> alert) {
      this.alert = alert;
    }
  }
}
