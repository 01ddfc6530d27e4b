// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.endpoint;

import dev.offmeter.wire.HeapShare;
import java.io.IOException;
import java.net.Proxy;
import java.util.Collections;
import java.util.Set;
import java.util.WeakHashMap;
import okhttp3.Connection;
import okhttp3.Interceptor;
import okhttp3.Response;
import okhttp3.ResponseBody;
import okio.Buffer;
import okio.BufferedSource;
import okio.ForwardingSource;
import okio.Okio;
import okio.Source;
import org.jspecify.annotations.Nullable;

/**
 * Tells an exchange of its connection, new or used before, and keeps the status of a 407. Sends
 * nothing over a connection on which bytes lie that belong to nobody. Bounds what a server may send
 * beside a body.
 */
final class Connected implements Interceptor {
  private final Set<Connection> used =
      Collections.synchronizedSet(Collections.newSetFromMap(new WeakHashMap<>()));

  private final BoundedSockets sockets;

  Connected(BoundedSockets sockets) {
    this.sockets = sockets;
  }

  @Override
  public Response intercept(Chain chain) throws IOException {
    Progress progress = chain.request().tag(Progress.class);
    Connection connection = chain.connection();
    boolean reused = connection != null && !used.add(connection);
    if (reused && (isToBeNew(progress) || Unread.isAnyOn(connection))) {
      throw new NotForUse();
    }
    if (progress != null) {
      if (reused) {
        progress.reused();
      }
      progress.connected();
    }
    Response response = bounded(connection, chain);
    if (response.code() == 407 && !throughProxy(chain)) {
      // OkHttp would make a protocol error of it, and the status would be lost.
      response.close();
      throw new ProxyLoginWanted();
    }
    return response;
  }

  /**
   * What comes beside the body is bounded here; the body is by whoever reads it. Where OkHttp makes
   * a socket for a SOCKS proxy itself, it is not.
   */
  private Response bounded(@Nullable Connection connection, Chain chain) throws IOException {
    BoundedSocket socket = connection == null ? null : Unread.bounded(connection);
    if (socket != null) {
      socket.begin();
    } else if (connection != null && connection.route().proxy().type() != Proxy.Type.SOCKS) {
      sockets.stopCounting();
    }
    Response response = chain.proceed(chain.request());
    ResponseBody body = response.body();
    BufferedSource counted = Okio.buffer(new Used(body.source(), socket));
    return response
        .newBuilder()
        .body(ResponseBody.create(counted, body.contentType(), body.contentLength()))
        .build();
  }

  /**
   * Tells a socket of the bytes of a body that reach its reader. They are kept until it has taken
   * them out of its buffer: it gathers a line there.
   */
  private static final class Used extends ForwardingSource {
    private final HeapShare share = new HeapShare();
    private final @Nullable BoundedSocket socket;

    Used(Source body, @Nullable BoundedSocket socket) {
      super(body);
      this.socket = socket;
    }

    @Override
    public long read(Buffer sink, long byteCount) throws IOException {
      long count = super.read(sink, byteCount);
      if (count > 0) {
        share.keep(sink.size());
        if (socket != null) {
          socket.used(count);
        }
      }
      return count;
    }

    @Override
    public void close() throws IOException {
      share.release();
      super.close();
    }
  }

  private static boolean isToBeNew(@Nullable Progress progress) {
    return progress != null && progress.wantsNewConnection();
  }

  private static boolean throughProxy(Chain chain) {
    Connection connection = chain.connection();
    return connection != null && connection.route().proxy().type() == Proxy.Type.HTTP;
  }

  /** A kept connection is not the one that is wanted, or has bytes of nobody; nothing was sent. */
  static final class NotForUse extends IOException {
    private static final long serialVersionUID = 1L;

    NotForUse() {
      super("a kept connection was not fit for use");
    }
  }

  /** A 407 from a server that is no proxy of ours. */
  static final class ProxyLoginWanted extends IOException {
    private static final long serialVersionUID = 1L;
  }
}
