// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.config;

import dev.offmeter.Endpoint;
import java.time.Duration;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** One entry of {@code model_list}: a server, and the model to ask it for. */
final class Deployment {
  private static final Pattern KEEP_ALIVE = Pattern.compile("(-?\\d{1,9})([smh]?)");

  private final Setting params;
  private final Setting info;
  private final String group;
  private final int order;

  Deployment(Setting entry) {
    entry.checkKeys(KnownKeys.ENTRY, KnownKeys::inEntry);
    params = entry.require("litellm_params");
    params.checkKeys(KnownKeys.PARAMS, KnownKeys::inParams);
    info = entry.section("model_info");
    info.checkKeys(KnownKeys.INFO, key -> true);
    group = entry.require("model_name").text();
    Setting place = params.field("order");
    order = place == null ? Integer.MAX_VALUE : place.wholeNumber();
  }

  String group() {
    return group;
  }

  /** Lower comes first; the greatest number if none is set. */
  int order() {
    return order;
  }

  /** {@code model_info.id}, or null. */
  @Nullable String id() {
    Setting id = info.field("id");
    return id == null ? null : id.text();
  }

  IllegalArgumentException idTwice() {
    return info.require("id").wrong("must be unique among the endpoints");
  }

  /** Reads the values. Opens no connection. */
  Endpoint endpoint(String name, Defaults defaults) {
    Setting model = params.require("model");
    Provider provider =
        Provider.of(model.text())
            .orElseThrow(() -> model.wrong("must begin with one of " + Provider.prefixes()));
    Endpoint.Builder builder = provider.type().endpoint(name, url(provider));
    model.into(value -> builder.model(oneModel(value, provider)));
    key(builder, provider);
    set("timeout", defaults.timeout(), value -> builder.timeout(value.seconds()));
    set(
        "stream_timeout",
        defaults.streamTimeout(),
        value -> builder.firstTokenTimeout(value.seconds()));
    set(
        "max_parallel_requests",
        defaults.maxParallelRequests(),
        value -> builder.maxConcurrent(value.wholeNumber()));
    set("rpm", null, value -> builder.requestsPerMinute(value.wholeNumber()));
    set("num_retries", defaults.retries(), value -> builder.retries(value.wholeNumber()));
    set("keep_alive", null, value -> builder.keepAlive(keepAlive(value)));
    return build(builder);
  }

  private static String oneModel(Setting value, Provider provider) {
    if (value.text().contains("*")) {
      throw value.wrong("must name one model");
    }
    return provider.model(value.text());
  }

  private String url(Provider provider) {
    String otherwise = provider.url();
    return params.field("api_base") == null && otherwise != null
        ? otherwise
        : params.require("api_base").text();
  }

  /** The provider's own key goes to the provider's own address only. */
  private void key(Endpoint.Builder builder, Provider provider) {
    Setting key = params.field("api_key");
    if (key != null) {
      if (!key.text().equalsIgnoreCase("none")) {
        key.into(value -> builder.apiKey(value.text()));
      }
      return;
    }
    String variable = provider.keyVariable();
    if (variable == null || params.field("api_base") != null) {
      return;
    }
    String value = params.file().variable(variable);
    if (value == null || value.isBlank()) {
      throw new IllegalStateException(
          params.where() + ".api_key must be set, or the variable " + variable);
    }
    params.into(unused -> builder.apiKey(value));
  }

  private void set(String key, @Nullable Setting otherwise, Consumer<Setting> setter) {
    Setting own = params.field(key);
    Setting value = own == null ? otherwise : own;
    if (value != null) {
      value.into(setter);
    }
  }

  /** Seconds, or Ollama's form with {@code s}, {@code m} or {@code h}. */
  private static Duration keepAlive(Setting value) {
    Matcher matcher = KEEP_ALIVE.matcher(value.text().strip());
    if (!matcher.matches()) {
      throw value.wrong("must be whole seconds, or such as 5m or 24h");
    }
    long amount = Long.parseLong(matcher.group(1));
    return switch (matcher.group(2)) {
      case "m" -> Duration.ofMinutes(amount);
      case "h" -> Duration.ofHours(amount);
      default -> Duration.ofSeconds(amount);
    };
  }

  /** Rules about combinations are the endpoint's own; their message names it. */
  private Endpoint build(Endpoint.Builder builder) {
    Setting base = params.field("api_base");
    try {
      return builder.build();
    } catch (IllegalArgumentException e) {
      String message = String.valueOf(e.getMessage());
      Setting place = base == null ? params : base;
      throw new IllegalArgumentException(place.where() + ": " + place.masked(message));
    } catch (IllegalStateException e) {
      throw new IllegalStateException(params.where() + ": " + inAFile(e.getMessage()), e);
    }
  }

  private static String inAFile(@Nullable String message) {
    return String.valueOf(message)
        .replace(
            "allowClearTextCredentials(true) overrides",
            "a builder's allowClearTextCredentials(true) overrides, a file cannot");
  }
}
