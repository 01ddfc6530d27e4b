// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.config.litellm;

import dev.offmeter.Capability;
import dev.offmeter.ChatRequest;
import dev.offmeter.Endpoint;
import dev.offmeter.internal.config.Placeholders;
import dev.offmeter.internal.config.ServerType;
import dev.offmeter.meter.Price;
import java.math.BigDecimal;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** One entry of {@code model_list}: a server and its model. */
final class Deployment {
  /** Whole seconds, or Go's form of a time span, which is Ollama's. */
  private static final Pattern KEEP_ALIVE = Pattern.compile("-?(\\d{1,9}|(\\d{1,9}[hms])+)");

  private static final Pattern PART = Pattern.compile("(\\d+)([hms]?)");
  private static final Pattern SAFE =
      Pattern.compile(
          "(?i)https://.*|http://(([^/:@]*\\.)?localhost|127\\.[\\d.]+|\\[::1])([:/].*)?");
  private static final Duration USUAL_TIMEOUT = Duration.ofMinutes(2);
  private static final Duration LEAST_TIMEOUT = Duration.ofSeconds(15);
  private static final int MOST_RETRIES = 10;
  private static final int MOST_PER_MINUTE = 100_000;
  private static final int PER_MILLION = 6;

  private final ConfigNode params;
  private final ConfigNode info;
  private final String group;

  Deployment(ConfigNode entry) {
    entry.noteOtherKeys(SupportedKeys.ENTRY);
    params = entry.require("litellm_params");
    params.noteOtherKeys(SupportedKeys.PARAMS);
    info = entry.section("model_info");
    info.noteOtherKeys(SupportedKeys.INFO);
    group = entry.require("model_name").text();
  }

  String group() {
    return group;
  }

  /** Returns the order of the deployment, lower first; the greatest number if none is set. */
  int order() {
    ConfigNode place = params.field("order");
    return place == null ? Integer.MAX_VALUE : place.wholeNumber();
  }

  /** Returns {@code model_info.id}, or null. */
  @Nullable String id() {
    ConfigNode id = info.field("id");
    return id == null ? null : id.text();
  }

  IllegalArgumentException idTwice() {
    return info.require("id").wrong("must be unique among the endpoints");
  }

  /**
   * Builds the endpoint. Opens no connection.
   *
   * @param clearText whether credentials may be sent in clear text to any host
   */
  Endpoint endpoint(String name, DeploymentDefaults defaults, boolean clearText) {
    ConfigNode model = params.require("model");
    Provider provider =
        Provider.of(prefixed(model))
            .orElseThrow(() -> model.wrong("must begin with one of " + Provider.prefixes()));
    String address = url(provider);
    Endpoint.Builder builder = named(name, provider, address);
    builder.allowClearTextCredentials(clearText);
    model.apply(value -> builder.model(oneModel(value, provider)));
    key(builder, provider, clearText || SAFE.matcher(address).matches());
    limits(builder, defaults);
    set(
        "max_parallel_requests",
        defaults.maxParallelRequests(),
        value -> builder.maxConcurrent(value.wholeNumber()));
    set("rpm", null, value -> builder.requestsPerMinute(atMost(MOST_PER_MINUTE, value)));
    set("num_retries", defaults.retries(), value -> builder.retries(atMost(MOST_RETRIES, value)));
    set("keep_alive", null, value -> keepAlive(builder, provider, value));
    answer(builder);
    price(builder);
    traits(builder, provider);
    return build(builder);
  }

  /** Declares what the file says about the model, and nothing else about it. */
  private void traits(Endpoint.Builder builder, Provider provider) {
    capability("supports_vision", Capability.VISION, builder);
    capability("supports_function_calling", Capability.TOOLS, builder);
    capability("supports_response_schema", Capability.JSON_SCHEMA, builder);
    capability("supports_reasoning", Capability.THINKING, builder);
    ConfigNode most = info.field("max_input_tokens");
    if (most != null && provider.type() == ServerType.VLLM) {
      most.noteIgnored("limits the prompt alone, while vLLM's context holds the answer too");
    } else if (most != null) {
      most.apply(value -> builder.contextLength(value.wholeNumber()));
    }
  }

  private void capability(String key, Capability capability, Endpoint.Builder builder) {
    ConfigNode value = info.field(key);
    if (value != null) {
      builder.capability(capability, value.flag());
    }
  }

  /** Creates the builder; a name that it rejects comes from the group or the id in the file. */
  private Endpoint.Builder named(String name, Provider provider, String address) {
    try {
      return provider.type().endpoint(name, address);
    } catch (IllegalArgumentException e) {
      // The name may come from a variable, so the value is cut from the message.
      String rule = String.valueOf(e.getMessage()).replaceFirst("(?s), was '.*", "");
      throw new IllegalArgumentException(params.where() + ": " + rule);
    }
  }

  /** Returns the model with its provider's prefix, which may have a key of its own. */
  private String prefixed(ConfigNode model) {
    ConfigNode provider = params.field("custom_llm_provider");
    if (provider == null || Provider.of(model.text()).isPresent()) {
      return model.text();
    }
    return provider.text() + "/" + model.text();
  }

  private String oneModel(ConfigNode value, Provider provider) {
    if (value.text().contains("*")) {
      throw value.wrong("must name one model");
    }
    return provider.model(prefixed(value));
  }

  private @Nullable ConfigNode base() {
    ConfigNode base = params.field("api_base");
    return base == null ? params.field("base_url") : base;
  }

  private String url(Provider provider) {
    String otherwise = provider.url();
    ConfigNode base = base();
    if (base == null) {
      return otherwise == null ? params.require("api_base").text() : otherwise;
    }
    return provider.root(base.text());
  }

  /** Sets the key. A provider's own key is sent to the provider's own address only. */
  private void key(Endpoint.Builder builder, Provider provider, boolean safe) {
    ConfigNode key = params.field("api_key");
    if (key != null) {
      key(builder, key, safe);
      return;
    }
    String variable = provider.keyVariable();
    if (variable == null || base() != null) {
      return;
    }
    String value = params.file().variable(variable);
    if (value == null || value.isBlank()) {
      throw new IllegalStateException(
          params.where() + ".api_key must be set, or the variable " + variable);
    }
    params.apply(unused -> builder.apiKey(value));
  }

  private static void key(Endpoint.Builder builder, ConfigNode key, boolean safe) {
    String value = key.anyText();
    if (Placeholders.isNoKey(value)) {
      key.noteIgnored("a placeholder, no key is sent");
    } else if (!safe && Placeholders.isExample(value)) {
      key.noteIgnored("a key of examples, not sent in clear text");
    } else {
      key.apply(unused -> builder.apiKey(value));
    }
  }

  /**
   * Sets the timeouts. In LiteLLM {@code timeout} is for whole answers and {@code stream_timeout}
   * for streams. Here the first is the attempt's timeout and the second, if shorter, its
   * first-token timeout.
   */
  private void limits(Endpoint.Builder builder, DeploymentDefaults defaults) {
    ConfigNode whole = either("timeout", defaults.timeout());
    ConfigNode stream = either("stream_timeout", defaults.streamTimeout());
    if (whole != null) {
      whole.apply(value -> builder.timeout(value.seconds()));
    }
    if (stream == null) {
      return;
    }
    Duration first = stream.seconds();
    if (whole == null && first.compareTo(LEAST_TIMEOUT) > 0) {
      // A configuration that waits so long for a first token cannot mean 15 s for the whole answer.
      builder.timeout(first.compareTo(USUAL_TIMEOUT) > 0 ? first : USUAL_TIMEOUT);
    }
    if (whole != null && first.compareTo(whole.seconds()) > 0) {
      stream.noteIgnored("longer than timeout, which holds for the first token too");
    } else {
      builder.firstTokenTimeout(first);
    }
  }

  private static int atMost(int most, ConfigNode value) {
    int number = value.wholeNumber();
    if (number > most) {
      value.noteIgnored("taken for " + most);
    }
    return Math.min(most, number);
  }

  /** Sets the parameters of the model for requests that set none. */
  private void answer(Endpoint.Builder builder) {
    ConfigNode newer = params.field("max_completion_tokens");
    set("max_tokens", newer, value -> builder.maxTokens(value.wholeNumber()));
    setDefault(builder, "temperature", (request, value) -> request.temperature(value.fraction()));
    setDefault(builder, "top_p", (request, value) -> request.topP(value.fraction()));
    setDefault(builder, "seed", (request, value) -> request.seed(value.wholeNumber()));
    setDefault(builder, "stop", (request, value) -> request.stop(texts(value)));
  }

  private void setDefault(
      Endpoint.Builder builder, String key, BiConsumer<ChatRequest.Builder, ConfigNode> setter) {
    ConfigNode value = params.field(key);
    if (value != null && !value.isEmpty()) {
      builder.defaults(request -> value.apply(present -> setter.accept(request, present)));
    }
  }

  /** Sets the price, in US dollars per token or per second; {@code model_info} wins. */
  private void price(Endpoint.Builder builder) {
    ConfigNode input = cost("input_cost_per_token");
    ConfigNode output = cost("output_cost_per_token");
    ConfigNode second = cost("input_cost_per_second");
    if (input != null && output != null) {
      BigDecimal in = input.amount().movePointRight(PER_MILLION);
      BigDecimal out = output.amount().movePointRight(PER_MILLION);
      builder.price(Price.perMillionTokens("USD", in, out));
    } else if (input != null || output != null) {
      Objects.requireNonNullElse(input, output)
          .noteIgnored("input_cost_per_token and output_cost_per_token go together");
    } else if (second != null) {
      builder.price(Price.perSecond("USD", second.amount()));
    }
  }

  private @Nullable ConfigNode cost(String key) {
    ConfigNode own = info.field(key);
    return own == null ? params.field(key) : own;
  }

  private static String[] texts(ConfigNode value) {
    List<ConfigNode> items = value.isList() ? value.items() : List.of(value);
    return items.stream().map(ConfigNode::anyText).toArray(String[]::new);
  }

  private @Nullable ConfigNode either(String key, @Nullable ConfigNode otherwise) {
    ConfigNode own = params.field(key);
    return own == null ? otherwise : own;
  }

  private void set(String key, @Nullable ConfigNode otherwise, Consumer<ConfigNode> setter) {
    ConfigNode value = either(key, otherwise);
    if (value != null) {
      value.apply(setter);
    }
  }

  private static void keepAlive(Endpoint.Builder builder, Provider provider, ConfigNode value) {
    if (provider.type() == ServerType.OLLAMA) {
      builder.keepAlive(span(value));
    } else {
      value.noteIgnored("for Ollama only");
    }
  }

  /** Returns a time span in seconds, or in Ollama's form with {@code s}, {@code m} or {@code h}. */
  private static Duration span(ConfigNode value) {
    String text = value.text().strip();
    if (!KEEP_ALIVE.matcher(text).matches()) {
      throw value.wrong("must be whole seconds, or such as 5m or 24h");
    }
    Duration span = Duration.ZERO;
    Matcher part = PART.matcher(text);
    while (part.find()) {
      long amount = Long.parseLong(part.group(1));
      span =
          span.plus(
              switch (part.group(2)) {
                case "m" -> Duration.ofMinutes(amount);
                case "h" -> Duration.ofHours(amount);
                default -> Duration.ofSeconds(amount);
              });
    }
    return text.startsWith("-") ? span.negated() : span;
  }

  /**
   * Builds the endpoint. The rules about combinations are the endpoint's own; their message names
   * it.
   */
  private Endpoint build(Endpoint.Builder builder) {
    ConfigNode base = base();
    try {
      return builder.build();
    } catch (IllegalArgumentException e) {
      String message = String.valueOf(e.getMessage());
      ConfigNode place = base == null ? params : base;
      throw params.isPlaced(message)
          ? e
          : new IllegalArgumentException(place.where() + ": " + place.masked(message));
    } catch (IllegalStateException e) {
      throw new IllegalStateException(params.where() + ": " + inAFile(e.getMessage()), e);
    }
  }

  private static String inAFile(@Nullable String message) {
    return String.valueOf(message)
        .replace(
            "allowClearTextCredentials(true) overrides",
            "the variable OFFMETER_CLEARTEXT=true allows it for the file");
  }
}
