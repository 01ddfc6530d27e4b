// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import dev.offmeter.Dialect;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import okhttp3.HttpUrl;
import org.jspecify.annotations.Nullable;

/**
 * Describes one kind of server for the building of endpoints. Each protocol declares one in its own
 * file.
 *
 * @param keyHeader the header that carries the key
 * @param keyPrefix the text before the key in that header
 * @param ownOptions fields that the library writes itself, so that no option may set them, beside
 *     those of all protocols; each with what to do instead
 * @param omissible fields that a request can do without
 * @param notTheRoot a pattern of paths that show a base URL to be more than a root
 * @param managed whether a third party runs such servers
 * @param maker creates the protocol of one endpoint
 */
public record ProtocolDescriptor(
    String keyHeader,
    String keyPrefix,
    Map<String, String> ownOptions,
    List<OmissibleField> omissible,
    String notTheRoot,
    boolean managed,
    ProtocolFactory maker) {
  public static final String MAX_TOKENS = "use ChatRequest.maxTokens";
  public static final String ANSWER_SCHEMA = "use ChatRequest.answerSchema";
  public static final String STOP = "use ChatRequest.stop";
  public static final String SYSTEM = "use ChatRequest.system";
  public static final String MESSAGE = "use ChatRequest.message";
  public static final String ONE_ANSWER = "every call has one answer";

  /**
   * Fields of one protocol that users also set at another, where they would silently have no
   * effect.
   */
  private static final Map<String, String> EVERYWHERE =
      Map.of(
          "model", "use Endpoint.model",
          "messages", MESSAGE,
          "stream", "every call is streamed",
          "think", "use ChatRequest.thinking",
          "format", ANSWER_SCHEMA,
          "response_format", ANSWER_SCHEMA,
          "tools", "use ChatRequest.tool");

  /**
   * Compares by identity: there is one descriptor for each protocol, and the generated methods of a
   * record load some 60 classes of the JDK when they are first called.
   */
  @Override
  public boolean equals(@Nullable Object other) {
    return this == other;
  }

  @Override
  public int hashCode() {
    return System.identityHashCode(this);
  }

  /** Returns what to do instead of setting an option; null if it may be set. */
  public @Nullable String insteadOf(String option) {
    String own = ownOptions.get(option);
    return own != null ? own : EVERYWHERE.get(option);
  }

  /** Returns the names of the fields that can be omitted. */
  public List<String> omissibleNames() {
    return omissible.stream().map(OmissibleField::name).toList();
  }

  /** Creates the protocol of one endpoint. */
  public interface ProtocolFactory {
    /** Returns the protocol of one model on one server. */
    Protocol make(ServerConfig server);
  }

  /**
   * Configures one model on one server.
   *
   * @param baseUrl the root of the server
   * @param model the model's name
   * @param options sent with every request
   * @param keepAlive how long the model stays loaded, negative for ever, null for the server's own
   * @param dialect how an OpenAI-compatible server differs from others
   * @param variant how its requests differ from those of other servers
   * @param maxLineBytes the most bytes of one line of a reply
   * @param maxAnswerBytes the most bytes of a whole reply
   * @param endMarkerIsEnough whether its end marker completes an answer without a finish reason
   */
  public record ServerConfig(
      HttpUrl baseUrl,
      String model,
      Map<String, Object> options,
      @Nullable Duration keepAlive,
      Dialect dialect,
      RequestVariant variant,
      long maxLineBytes,
      long maxAnswerBytes,
      boolean endMarkerIsEnough) {
    public SseReader.SizeLimits sizes() {
      return new SseReader.SizeLimits(maxLineBytes, maxAnswerBytes);
    }

    /** Returns whether a field is omitted from its requests. */
    public boolean isOmitted(String field) {
      return variant.omitted().contains(field);
    }

    /**
     * Returns the configuration for Ollama's own API behind its compatible one, without the
     * options, which are not Ollama's.
     */
    public ServerConfig at(HttpUrl root) {
      return new ServerConfig(
          root,
          model,
          Map.of(),
          keepAlive,
          dialect,
          variant,
          maxLineBytes,
          maxAnswerBytes,
          endMarkerIsEnough);
    }

    public ServerConfig with(RequestVariant other) {
      return new ServerConfig(
          baseUrl,
          model,
          options,
          keepAlive,
          dialect,
          other,
          maxLineBytes,
          maxAnswerBytes,
          endMarkerIsEnough);
    }
  }

  /**
   * Describes how the requests to one server differ from those to others of its protocol.
   *
   * @param omitted fields that are omitted
   * @param path the path of a call below the base URL; empty for the protocol's own
   */
  public record RequestVariant(Set<String> omitted, String path) {
    /** No difference. */
    public static final RequestVariant STANDARD = new RequestVariant(Set.of(), "");

    RequestVariant omitting(String field) {
      Set<String> more = new HashSet<>(omitted);
      more.add(field);
      return new RequestVariant(Set.copyOf(more), path);
    }
  }
}
