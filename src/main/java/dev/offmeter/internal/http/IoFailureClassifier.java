// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.UserCode;
import dev.offmeter.internal.wire.HeapBudget.BudgetExhaustedException;
import dev.offmeter.internal.wire.HeapBudget.TooLargeException;
import java.io.EOFException;
import java.io.IOException;
import java.net.ConnectException;
import java.net.NoRouteToHostException;
import java.net.ProtocolException;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.net.UnknownHostException;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.SSLException;
import org.jspecify.annotations.Nullable;

/** Classifies an I/O exception by how far the exchange had come. */
final class IoFailureClassifier {
  private static final Pattern HOST = Pattern.compile("[\\p{Alnum}._:-]{1,253}");

  private static final Pattern REFUSED_BY_PROXY =
      Pattern.compile("Unexpected response code for CONNECT: (\\d{3})");

  private IoFailureClassifier() {}

  static AttemptException connecting(IOException e) {
    if (cause(e) instanceof TooLargeException much) {
      return tooLarge(much);
    }
    if (UserCode.cause(e) instanceof OffloadedTask.EarlierTaskHangsException unanswered) {
      return AttemptException.of(
          FailureKind.CONNECT_TIMEOUT, "no DNS lookup made: " + unanswered.getMessage());
    }
    if (e instanceof OkHttpThreads.NoConnectThreadException none) {
      return AttemptException.of(FailureKind.INTERNAL, "no connection made: " + none.getMessage());
    }
    if (UserCode.cause(e) instanceof OffloadedTask.NoThreadException none) {
      return AttemptException.of(FailureKind.INTERNAL, "no DNS lookup made: " + none.getMessage());
    }
    if (e instanceof CancellableDns.NotLoopbackException elsewhere) {
      return AttemptException.told(
          FailureKind.UNKNOWN_HOST,
          "the host name "
              + UserCode.message(elsewhere)
              + " does not resolve to a loopback address: use another name for another machine");
    }
    if (e instanceof UnknownHostException) {
      return AttemptException.told(FailureKind.UNKNOWN_HOST, unresolved(UserCode.message(e)));
    }
    if (e instanceof SSLException) {
      return AttemptException.told(FailureKind.TLS_FAILED, "TLS handshake failed: " + root(e));
    }
    if (e instanceof SocketTimeoutException) {
      return AttemptException.of(FailureKind.CONNECT_TIMEOUT, "no connection in time");
    }
    if (e instanceof ConnectException || e instanceof NoRouteToHostException || isNoRoute(e)) {
      return AttemptException.told(FailureKind.CONNECTION_REFUSED, root(e));
    }
    AttemptException proxy = ofProxy(String.valueOf(UserCode.message(cause(e))));
    return proxy == null
        ? AttemptException.told(FailureKind.CONNECTION_LOST, "lost while connecting: " + root(e))
        : proxy;
  }

  /**
   * Classifies the refusal of a proxy to connect to the server. OkHttp (5.5) has no exception class
   * for it, only messages.
   */
  private static @Nullable AttemptException ofProxy(String message) {
    if (message.equals("Failed to authenticate with proxy")
        || message.startsWith("Too many tunnel connections attempted")) {
      return ofProxy(407);
    }
    Matcher refused = REFUSED_BY_PROXY.matcher(message);
    return refused.matches() ? ofProxy(Integer.parseInt(refused.group(1))) : null;
  }

  private static AttemptException ofProxy(int status) {
    AttemptException failure =
        switch (status) {
          case 401, 407 -> AttemptException.of(FailureKind.UNAUTHORIZED, "a proxy wants a login");
          case 511 ->
              AttemptException.of(
                  FailureKind.ACCESS_DENIED, "a proxy wants a login to its network");
          case 429 ->
              AttemptException.of(FailureKind.RATE_LIMITED, "a proxy reports too many requests");
          default -> byClass(status);
        };
    return failure.withStatus(status);
  }

  private static AttemptException byClass(int status) {
    return switch (status / 100) {
      case 3 ->
          AttemptException.of(FailureKind.REDIRECTED, "a proxy redirects, perhaps to a login page");
      case 4 ->
          AttemptException.of(
              FailureKind.ACCESS_DENIED, "a proxy refuses to connect to the server");
      case 5 ->
          AttemptException.of(
              FailureKind.ORIGIN_UNREACHABLE, "a proxy cannot connect to the server");
      default ->
          AttemptException.of(FailureKind.UNEXPECTED_RESPONSE, "a proxy does not speak HTTP");
    };
  }

  /**
   * Names the host, which may be the proxy's. The message of an interceptor may be anything but a
   * host.
   */
  private static String unresolved(@Nullable String host) {
    boolean named = host != null && HOST.matcher(host).matches();
    return "the host name " + (named ? host + " " : "") + "does not resolve";
  }

  /**
   * Returns whether there is no route. The socket of a channel reports that with a general class.
   */
  private static boolean isNoRoute(IOException e) {
    return e instanceof SocketException && root(e).contains("unreachable");
  }

  static AttemptException waiting(IOException e) {
    if (cause(e) instanceof TooLargeException much) {
      return tooLarge(much);
    }
    if (e instanceof ConnectionInterceptor.ProxyAuthenticationException) {
      return AttemptException.of(FailureKind.UNAUTHORIZED, "a proxy wants a login").withStatus(407);
    }
    if (e instanceof ConnectException) {
      // OkHttp has tried another address of the host, where nothing needs to listen.
      return AttemptException.of(
          FailureKind.CONNECTION_LOST, "closed before an answer, and a new connection refused");
    }
    // The message of a protocol exception repeats what the server sent, so it is left out.
    return e instanceof ProtocolException
        ? AttemptException.of(FailureKind.UNEXPECTED_RESPONSE, "the server does not speak HTTP")
        : AttemptException.told(
            FailureKind.CONNECTION_LOST, "closed before an answer (" + root(e) + ")");
  }

  static AttemptException answering(IOException e) {
    if (cause(e) instanceof TooLargeException much) {
      return tooLarge(much);
    }
    String what = e instanceof ProtocolException ? "its framing is broken" : root(e);
    return AttemptException.told(
        FailureKind.TRUNCATED, "closed in the middle of an answer (" + what + ")");
  }

  /** Converts the exception; the endpoint is not to blame if other answers have taken the heap. */
  private static AttemptException tooLarge(TooLargeException much) {
    AttemptException failure =
        AttemptException.of(
            FailureKind.RESPONSE_TOO_LARGE, Objects.requireNonNull(much.getMessage()));
    return much instanceof BudgetExhaustedException ? failure.asBlameless() : failure;
  }

  /** Returns whether the other end has closed or reset the connection. */
  static boolean isOfClosed(IOException e) {
    Throwable root = cause(e);
    // A write to a channel whose other end is gone fails with a plain IOException.
    return root instanceof SocketException
        || root instanceof EOFException
        || root.getClass() == IOException.class;
  }

  /** Returns the root cause. */
  static Throwable cause(Throwable thrown) {
    return UserCode.root(thrown);
  }

  private static String root(Throwable thrown) {
    Throwable root = cause(thrown);
    if (root instanceof EOFException) {
      // The message of an EOFException shows what a buffer held.
      return "end of stream";
    }
    String message = UserCode.message(root);
    return message == null ? root.getClass().getSimpleName() : message;
  }
}
