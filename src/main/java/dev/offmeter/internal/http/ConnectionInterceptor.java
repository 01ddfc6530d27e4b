// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

import dev.offmeter.internal.wire.HeapBudget;
import java.io.IOException;
import java.net.Proxy;
import java.util.Collections;
import java.util.Set;
import java.util.WeakHashMap;
import okhttp3.Connection;
import okhttp3.Interceptor;
import okhttp3.MediaType;
import okhttp3.Response;
import okhttp3.ResponseBody;
import okio.Buffer;
import okio.BufferedSource;
import okio.ForwardingSource;
import okio.Okio;
import okio.Source;
import org.jspecify.annotations.Nullable;

/**
 * Reports to an exchange whether its connection is new or reused, and keeps the status of a 407.
 * Sends nothing over a connection on which unread bytes lie. Bounds what a server may send beside a
 * body.
 */
final class ConnectionInterceptor implements Interceptor {
  /** The connections used before whose socket this library has not made. */
  private final Set<Connection> used =
      Collections.synchronizedSet(Collections.newSetFromMap(new WeakHashMap<>()));

  private final BoundedSocketFactory sockets;

  ConnectionInterceptor(BoundedSocketFactory sockets) {
    this.sockets = sockets;
  }

  @Override
  public Response intercept(Chain chain) throws IOException {
    ExchangeListener listener = chain.request().tag(ExchangeListener.class);
    Connection connection = chain.connection();
    BoundedSocket socket = connection == null ? null : UnreadBytesDetector.bounded(connection);
    boolean reused = connection != null && !isFirstUse(connection, socket);
    if (reused
        && (isNewConnectionRequired(listener) || UnreadBytesDetector.hasUnread(connection))) {
      throw new UnusableConnectionException();
    }
    if (listener != null) {
      if (reused) {
        listener.onConnectionReused();
      }
      listener.onConnected();
      if (listener.isGivenUp()) {
        throw new GivenUpException();
      }
    }
    Response response = bounded(connection, socket, chain);
    if (response.code() == 407 && !isThroughProxy(chain)) {
      // OkHttp would turn a 407 into a protocol error, and the status would be lost.
      response.close();
      throw new ProxyAuthenticationException();
    }
    return response;
  }

  /**
   * Bounds what comes beside the body; the reader bounds the body itself. Does not cover a socket
   * that OkHttp makes for a SOCKS proxy itself.
   */
  private Response bounded(
      @Nullable Connection connection, @Nullable BoundedSocket socket, Chain chain)
      throws IOException {
    if (socket != null) {
      socket.reset();
    } else if (connection != null && connection.route().proxy().type() != Proxy.Type.SOCKS) {
      sockets.stopCounting();
    }
    Response response = chain.proceed(chain.request());
    ResponseBody body = response.body();
    BufferedSource counted = Okio.buffer(new CountingSource(body.source(), socket));
    return response.newBuilder().body(new Counted(body, counted)).build();
  }

  /** Callers need not wait for each other where the socket knows. */
  private boolean isFirstUse(Connection connection, @Nullable BoundedSocket socket) {
    return socket == null ? used.add(connection) : socket.isFirstUse();
  }

  /**
   * A body that reads through the counting source. The content type is parsed only when asked for.
   */
  private static final class Counted extends ResponseBody {
    private final ResponseBody body;
    private final BufferedSource counted;

    Counted(ResponseBody body, BufferedSource counted) {
      this.body = body;
      this.counted = counted;
    }

    @Override
    public @Nullable MediaType contentType() {
      return body.contentType();
    }

    @Override
    public long contentLength() {
      return body.contentLength();
    }

    @Override
    public BufferedSource source() {
      return counted;
    }
  }

  /**
   * Reports to a socket the bytes of a body that reach its reader: not before the reader has taken
   * them out of its buffer, since it collects a whole line there.
   */
  private static final class CountingSource extends ForwardingSource {
    private final HeapBudget heapBudget = new HeapBudget();
    private final @Nullable BoundedSocket socket;

    CountingSource(Source body, @Nullable BoundedSocket socket) {
      super(body);
      this.socket = socket;
    }

    @Override
    public long read(Buffer sink, long byteCount) throws IOException {
      long count = super.read(sink, byteCount);
      if (count > 0) {
        heapBudget.keep(sink.size());
        if (socket != null) {
          socket.onConsumed(count);
        }
      }
      return count;
    }

    @Override
    public void close() throws IOException {
      heapBudget.release();
      super.close();
    }
  }

  private static boolean isNewConnectionRequired(@Nullable ExchangeListener listener) {
    return listener != null && listener.isNewConnectionRequired();
  }

  private static boolean isThroughProxy(Chain chain) {
    Connection connection = chain.connection();
    return connection != null && connection.route().proxy().type() == Proxy.Type.HTTP;
  }

  /**
   * Thrown before anything was sent, when a pooled connection is of a dropped generation or has
   * unread bytes.
   */
  static final class UnusableConnectionException extends IOException {
    private static final long serialVersionUID = 1L;

    UnusableConnectionException() {
      super("a reused connection was unusable");
    }
  }

  /** Thrown before anything was sent, when the call has gone on without this attempt. */
  static final class GivenUpException extends IOException {
    private static final long serialVersionUID = 1L;

    GivenUpException() {
      super("the attempt has been given up");
    }
  }

  /** Thrown for a 407 from a server that is not a proxy of this client. */
  static final class ProxyAuthenticationException extends IOException {
    private static final long serialVersionUID = 1L;
  }
}
