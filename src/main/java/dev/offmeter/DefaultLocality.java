// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import java.util.List;
import okhttp3.HttpUrl;

/**
 * Decides on whose hardware a server runs if the configuration does not say. In doubt, somebody
 * else's: privacy fails closed.
 */
final class DefaultLocality {
  /** Private and link-local addresses: RFC 1918, RFC 6598, RFC 3927, RFC 4193, RFC 4291. */
  private static final String PRIVATE_ADDRESS =
      "10\\..*|192\\.168\\..*|172\\.(1[6-9]|2\\d|3[01])\\..*"
          + "|100\\.(6[4-9]|[7-9]\\d|1[01]\\d|12[0-7])\\..*|169\\.254\\..*"
          + "|f[cd][0-9a-f]{2}:.*|fe[89ab][0-9a-f]:.*";

  /** Names of RFC 6762 and RFC 8375, and the one that ICANN reserves for private use. */
  private static final String PRIVATE_NAME = ".*\\.(local|internal|home\\.arpa)";

  private static final List<String> KNOWN_APIS =
      List.of(
          "ollama.com",
          "openai.com",
          "googleapis.com",
          "anthropic.com",
          "huggingface.co",
          "openrouter.ai",
          "mistral.ai",
          "groq.com",
          "together.ai",
          "together.xyz",
          "fireworks.ai",
          "deepseek.com",
          "x.ai",
          "cohere.com",
          "cohere.ai",
          "perplexity.ai",
          "cerebras.ai",
          "azure.com");

  private DefaultLocality() {}

  static Locality of(HttpUrl url, String model, Dialect dialect) {
    boolean own =
        !isKnownApi(url)
            && !isCloudModel(model)
            && switch (dialect) {
              case OPENAI, GEMINI, LITELLM -> false;
              case GENERIC -> isPrivate(url);
              default -> true;
            };
    return own ? Locality.SELF_HOSTED : Locality.MANAGED;
  }

  /**
   * Returns whether the model runs on ollama.com, whichever node is asked. Ollama ignores case
   * here.
   */
  private static boolean isCloudModel(String model) {
    String name = model.strip().toLowerCase(java.util.Locale.ROOT);
    return name.endsWith("-cloud") || name.endsWith(":cloud");
  }

  /**
   * Returns whether the host is a public API, whatever the dialect: no setting about the wire makes
   * such a host one's own.
   */
  private static boolean isKnownApi(HttpUrl url) {
    String host = url.host().replaceFirst("\\.$", "");
    for (String api : KNOWN_APIS) {
      if (host.equals(api) || host.endsWith("." + api)) {
        return true;
      }
    }
    return false;
  }

  private static boolean isPrivate(HttpUrl url) {
    return BaseUrl.isLoopback(url)
        || url.host().matches(PRIVATE_NAME)
        || (isAddress(url.host()) && url.host().matches(PRIVATE_ADDRESS));
  }

  private static boolean isAddress(String host) {
    return host.indexOf(':') >= 0 || host.matches("\\d+\\.\\d+\\.\\d+\\.\\d+");
  }
}
