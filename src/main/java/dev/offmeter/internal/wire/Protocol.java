// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import dev.offmeter.ChatRequest;
import dev.offmeter.internal.AttemptException;
import java.io.InterruptedIOException;
import java.util.List;
import java.util.function.BooleanSupplier;
import java.util.function.Function;
import java.util.function.Supplier;
import okhttp3.Request;
import okhttp3.ResponseBody;
import org.jspecify.annotations.Nullable;

/** How one server is asked and how its reply is read. Safe for use by many threads. */
public interface Protocol {
  /** The request as HTTP: URL, method, body and {@code Accept}; credentials are added by others. */
  Request.Builder request(ChatRequest request);

  /**
   * Makes the text of a request's body, which takes a while for a long prompt.
   *
   * @param unwanted whether nobody wants it any more; asked again and again
   * @throws InterruptedIOException if that is so
   */
  static void prepareBody(Request request, BooleanSupplier unwanted) throws InterruptedIOException {
    if (request.body() instanceof OneShotRequestBody json) {
      json.prepare(unwanted);
    }
  }

  /** Begins to read the body of an HTTP 200 to {@code request}, handing on each piece. */
  ReplyReader read(ChatRequest request, ResponseBody body, DeltaHandler handler);

  /** Whether the server is told how long the answer may be. */
  default boolean isOutputLimited() {
    return true;
  }

  /** What a reply with any other status means. */
  AttemptException refused(ErrorResponse reply);

  /**
   * How a request that was refused may be made acceptable: without a field that the server does not
   * take, or at another path.
   *
   * @param refusal the reply; of an error after HTTP 200 its words alone
   * @param known whether the server has answered before, so that its path is the right one
   * @return null if there is no such way
   */
  default @Nullable Adaptation adapted(ChatRequest request, ErrorResponse refusal, boolean known) {
    return null;
  }

  /** How such a server is looked at on the side. */
  default ServerProbes checks() {
    return ServerProbes.NONE;
  }

  /** What such a server can be asked about itself without a token, in the order of asking. */
  default List<InfoRequest> infoRequests() {
    return List.of();
  }

  /** What is found out of a server, in the order in which it is told. */
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
   * One thing that was found out.
   *
   * @param detail in words; a server's own are not yet redacted
   * @param failure what is wrong; null if nothing is
   */
  record Fact(Topic topic, String detail, @Nullable AttemptException failure) {
    /** A fact that is as it should be. */
    public static Fact well(Topic topic, String detail) {
      return new Fact(topic, detail, null);
    }

    /** A fact that is not. */
    public static Fact wrong(Topic topic, AttemptException failure) {
      return new Fact(topic, failure.message(), failure);
    }
  }

  /**
   * A request for what a server tells of itself. It generates nothing.
   *
   * @param topics the topics that its reply may settle
   * @param request the request as HTTP; credentials are added by others
   * @param reader what a reply says that is a JSON object under HTTP 200; a topic that is not in it
   *     stays unknown
   */
  record InfoRequest(
      List<Topic> topics,
      Supplier<Request.Builder> request,
      Function<ErrorResponse, List<Fact>> reader) {}

  /**
   * Another way to ask a server that has refused the usual one.
   *
   * @param protocol asks so
   * @param change in what it differs, in words for a log
   */
  record Adaptation(Protocol protocol, String change) {}
}
