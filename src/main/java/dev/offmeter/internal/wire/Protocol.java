// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import dev.offmeter.ChatRequest;
import dev.offmeter.Image;
import dev.offmeter.internal.AttemptException;
import java.io.InterruptedIOException;
import java.util.List;
import java.util.Set;
import java.util.function.BooleanSupplier;
import java.util.function.Function;
import java.util.function.Supplier;
import okhttp3.Request;
import okhttp3.ResponseBody;
import org.jspecify.annotations.Nullable;

/**
 * Speaks to one server: writes its requests and reads its replies. Safe for use by many threads.
 */
public interface Protocol {
  /**
   * Creates the HTTP request: URL, method, body and {@code Accept}; credentials are added
   * elsewhere.
   */
  Request.Builder request(ChatRequest request);

  /**
   * Makes the text of a request's body, which takes a while for a long prompt.
   *
   * @param unwanted whether the request was abandoned; called repeatedly
   * @throws InterruptedIOException if it was
   */
  static void prepareBody(Request request, BooleanSupplier unwanted) throws InterruptedIOException {
    if (request.body() instanceof OneShotRequestBody json) {
      json.prepare(unwanted);
    }
  }

  /** Begins to read the body of an HTTP 200 to {@code request}; deltas go to {@code handler}. */
  ReplyReader read(ChatRequest request, ResponseBody body, DeltaHandler handler);

  /** Returns the provider's name, as {@link dev.offmeter.Attempt#provider()} defines it. */
  String provider();

  /** Returns whether the server is told how long the answer may be. */
  default boolean isOutputLimited() {
    return true;
  }

  /**
   * Returns whether the server rejects a request whose prompt and {@code maxTokens} together exceed
   * its context; the others begin the answer, and end it where the context ends.
   */
  default boolean isAnswerCountedAhead() {
    return false;
  }

  /** Returns the media types of images that such a server reads, of those of {@link Image}. */
  default Set<String> imageTypes() {
    return Set.of("image/png", "image/jpeg", "image/webp", "image/gif");
  }

  /** Classifies a reply with any other status. */
  AttemptException refused(ErrorResponse reply);

  /**
   * Returns how to adapt a request that was refused: without a field that the server does not
   * accept, or at another path.
   *
   * @param refusal the reply; for an error after HTTP 200 its words alone
   * @param known whether the server has answered before, so that its path is right
   * @return null if there is no such way
   */
  default @Nullable Adaptation adapted(ChatRequest request, ErrorResponse refusal, boolean known) {
    return null;
  }

  /** Returns the probes of such a server. */
  default ServerProbes probes() {
    return ServerProbes.NONE;
  }

  /** Returns the requests for information that generate no token, in the order of asking. */
  default List<InfoRequest> infoRequests() {
    return List.of();
  }

  /** The topics of diagnostics, in the order in which they are shown. */
  enum Topic {
    ADDRESS,
    DNS,
    PROXY,
    TCP,
    TLS,
    ACCESS,
    VERSION,
    KEY,
    MODEL,
    LOADED,
    CONTEXT,
    ANSWER
  }

  /**
   * Holds one fact that was found out.
   *
   * @param detail the fact in words; a server's own are not yet redacted
   * @param failure the failure; null if nothing is wrong
   */
  record Fact(Topic topic, String detail, @Nullable AttemptException failure) {
    /** Creates a fact without a failure. */
    public static Fact well(Topic topic, String detail) {
      return new Fact(topic, detail, null);
    }

    /** Creates a fact with a failure. */
    public static Fact wrong(Topic topic, AttemptException failure) {
      return new Fact(topic, failure.message(), failure);
    }
  }

  /**
   * Describes a request for information about a server, which generates nothing.
   *
   * @param topics the topics that its reply may settle
   * @param request the request as HTTP; credentials are added elsewhere
   * @param reader reads a reply that is a JSON object under HTTP 200; a topic it does not return
   *     stays unknown
   */
  record InfoRequest(
      List<Topic> topics,
      Supplier<Request.Builder> request,
      Function<ErrorResponse, List<Fact>> reader) {}

  /**
   * Describes another way to ask a server that has refused the usual one.
   *
   * @param protocol the protocol that asks so
   * @param change the difference, in words for a log
   */
  record Adaptation(Protocol protocol, String change) {}
}
