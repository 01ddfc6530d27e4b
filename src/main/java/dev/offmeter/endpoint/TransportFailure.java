// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.endpoint;

import dev.offmeter.FailureKind;
import dev.offmeter.wire.Failure;
import dev.offmeter.wire.ForeignCode;
import dev.offmeter.wire.HeapShare.Crowded;
import dev.offmeter.wire.HeapShare.TooLarge;
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

/** What an I/O exception means, by how far the exchange had come. */
final class TransportFailure {
  private static final Pattern HOST = Pattern.compile("[\\p{Alnum}._:-]{1,253}");

  private static final Pattern REFUSED_BY_PROXY =
      Pattern.compile("Unexpected response code for CONNECT: (\\d{3})");

  private TransportFailure() {}

  static Failure connecting(IOException e) {
    if (cause(e) instanceof TooLarge much) {
      return tooLarge(much);
    }
    if (ForeignCode.cause(e) instanceof Aside.Unanswered unanswered) {
      return Failure.of(
          FailureKind.CONNECT_TIMEOUT, "no DNS lookup made: " + unanswered.getMessage());
    }
    if (e instanceof OkHttpThreads.NoThread none) {
      return Failure.of(FailureKind.INTERNAL, "no connection made: " + none.getMessage());
    }
    if (ForeignCode.cause(e) instanceof Aside.NoThread none) {
      return Failure.of(FailureKind.INTERNAL, "no DNS lookup made: " + none.getMessage());
    }
    if (e instanceof AbandonableDns.Elsewhere elsewhere) {
      return Failure.told(
          FailureKind.UNKNOWN_HOST,
          "the host name "
              + ForeignCode.message(elsewhere)
              + " does not resolve to a loopback address: use another name for another machine");
    }
    if (e instanceof UnknownHostException) {
      return Failure.told(FailureKind.UNKNOWN_HOST, unresolved(ForeignCode.message(e)));
    }
    if (e instanceof SSLException) {
      return Failure.told(FailureKind.TLS_FAILED, "TLS handshake failed: " + root(e));
    }
    if (e instanceof SocketTimeoutException) {
      return Failure.of(FailureKind.CONNECT_TIMEOUT, "no connection in time");
    }
    if (e instanceof ConnectException || e instanceof NoRouteToHostException || noRoute(e)) {
      return Failure.told(FailureKind.CONNECTION_REFUSED, root(e));
    }
    Failure proxy = ofProxy(String.valueOf(ForeignCode.message(cause(e))));
    return proxy == null
        ? Failure.told(FailureKind.CONNECTION_LOST, "lost while connecting: " + root(e))
        : proxy;
  }

  /**
   * What a proxy means that does not let the connection to the server through. OkHttp (5.5) has no
   * class for that, only words.
   */
  private static @Nullable Failure ofProxy(String message) {
    if (message.equals("Failed to authenticate with proxy")
        || message.startsWith("Too many tunnel connections attempted")) {
      return ofProxy(407);
    }
    Matcher refused = REFUSED_BY_PROXY.matcher(message);
    return refused.matches() ? ofProxy(Integer.parseInt(refused.group(1))) : null;
  }

  private static Failure ofProxy(int status) {
    Failure failure =
        switch (status) {
          case 401, 407 -> Failure.of(FailureKind.UNAUTHORIZED, "a proxy wants a login");
          case 511 -> Failure.of(FailureKind.ACCESS_DENIED, "a proxy wants a login to its network");
          case 429 -> Failure.of(FailureKind.RATE_LIMITED, "a proxy has had too many requests");
          default -> byClass(status);
        };
    return failure.withStatus(status);
  }

  private static Failure byClass(int status) {
    return switch (status / 100) {
      case 3 -> Failure.of(FailureKind.REDIRECTED, "a proxy redirects, to a login page perhaps");
      case 4 -> Failure.of(FailureKind.ACCESS_DENIED, "a proxy refuses to connect to the server");
      case 5 -> Failure.of(FailureKind.ORIGIN_UNREACHABLE, "a proxy cannot connect to the server");
      default -> Failure.of(FailureKind.UNEXPECTED_RESPONSE, "a proxy does not speak HTTP");
    };
  }

  /** With a proxy it is the proxy's name. An interceptor's message may be anything but a name. */
  private static String unresolved(@Nullable String host) {
    boolean named = host != null && HOST.matcher(host).matches();
    return "the host name " + (named ? host + " " : "") + "does not resolve";
  }

  /** A channel's socket says so with a class that may mean anything. */
  private static boolean noRoute(IOException e) {
    return e instanceof SocketException && root(e).contains("unreachable");
  }

  static Failure waiting(IOException e) {
    if (cause(e) instanceof TooLarge much) {
      return tooLarge(much);
    }
    if (e instanceof Connected.ProxyLoginWanted) {
      return Failure.of(FailureKind.UNAUTHORIZED, "a proxy wants a login").withStatus(407);
    }
    if (e instanceof ConnectException) {
      // OkHttp has tried another address of the host by itself, where nobody need listen.
      return Failure.of(
          FailureKind.CONNECTION_LOST, "closed before an answer, and a new connection refused");
    }
    // A protocol exception repeats what the server sent, so its message stays out.
    return e instanceof ProtocolException
        ? Failure.of(FailureKind.UNEXPECTED_RESPONSE, "the server does not speak HTTP")
        : Failure.told(FailureKind.CONNECTION_LOST, "closed before an answer (" + root(e) + ")");
  }

  static Failure answering(IOException e) {
    if (cause(e) instanceof TooLarge much) {
      return tooLarge(much);
    }
    String what = e instanceof ProtocolException ? "its framing is broken" : root(e);
    return Failure.told(FailureKind.TRUNCATED, "closed in the middle of an answer (" + what + ")");
  }

  /** The endpoint is not to blame for what others have taken. */
  private static Failure tooLarge(TooLarge much) {
    Failure failure =
        Failure.of(FailureKind.RESPONSE_TOO_LARGE, Objects.requireNonNull(much.getMessage()));
    return much instanceof Crowded ? failure.asBlameless() : failure;
  }

  /** Whether the other end has closed or reset the connection. */
  static boolean isOfClosed(IOException e) {
    Throwable root = cause(e);
    // To write to a channel whose other end is gone fails with no class of its own.
    return root instanceof SocketException
        || root instanceof EOFException
        || root.getClass() == IOException.class;
  }

  /** What is at the bottom of it. */
  static Throwable cause(Throwable thrown) {
    return ForeignCode.root(thrown);
  }

  private static String root(Throwable thrown) {
    Throwable root = cause(thrown);
    if (root instanceof EOFException) {
      // Its message shows what a buffer held.
      return "end of stream";
    }
    String message = ForeignCode.message(root);
    return message == null ? root.getClass().getSimpleName() : message;
  }
}
