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
 * What sets one kind of server apart when an endpoint is built. Each protocol has one, in its own
 * file.
 *
 * @param keyHeader the header that carries the key
 * @param keyPrefix what stands before the key in it
 * @param ownOptions fields that the library writes itself, so that no option may fix them, beside
 *     those that are its own everywhere; each with what to do instead
 * @param omissible fields that a request can do without
 * @param notTheRoot a pattern of paths that show a base URL to be more than a root
 * @param managed whether such servers are somebody else's
 * @param maker makes the protocol for one endpoint
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

  /** Fields of one protocol that users set at another too, where they would be lost in silence. */
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
   * There is one for each protocol. A record of its own accord compares its fields, with methods
   * that the JDK makes of some 60 classes when they are first called.
   */
  @Override
  public boolean equals(@Nullable Object other) {
    return this == other;
  }

  @Override
  public int hashCode() {
    return System.identityHashCode(this);
  }

  /** What to do instead of setting an option; null if it may be set. */
  public @Nullable String insteadOf(String option) {
    String own = ownOptions.get(option);
    return own != null ? own : EVERYWHERE.get(option);
  }

  /** The names of the fields that can be left out. */
  public List<String> omissibleNames() {
    return omissible.stream().map(OmissibleField::name).toList();
  }

  /** Makes the protocol for one endpoint. */
  public interface ProtocolFactory {
    /** The protocol of one model on one server. */
    Protocol make(ServerConfig server);
  }

  /**
   * One model on one server.
   *
   * @param baseUrl its root
   * @param model the model's name
   * @param options sent with every request
   * @param keepAlive how long the model stays loaded, negative for ever, null for the server's own
   * @param dialect how an OpenAI-compatible server differs from others
   * @param variant in what its requests differ from those of other servers
   * @param maxLineBytes the most bytes of one line of a reply
   * @param maxAnswerBytes the most bytes of a whole reply
   * @param endMarkerIsEnough whether its end marker makes an answer whole without a finish reason
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

    /** Whether a field is left out of its requests. */
    public boolean isOmitted(String field) {
      return variant.omitted().contains(field);
    }

    /** Ollama's own API behind its compatible one: there, an option is no option of Ollama's. */
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
   * In what the requests to one server differ from those to others of its protocol.
   *
   * @param omitted fields that are left out
   * @param path of a call below the base URL; empty for the protocol's own
   */
  public record RequestVariant(Set<String> omitted, String path) {
    /** In nothing. */
    public static final RequestVariant STANDARD = new RequestVariant(Set.of(), "");

    RequestVariant omitting(String field) {
      Set<String> more = new HashSet<>(omitted);
      more.add(field);
      return new RequestVariant(Set.copyOf(more), path);
    }
  }
}
