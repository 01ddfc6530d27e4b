// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.endpoint;

import java.io.IOException;
import java.net.Proxy;
import java.util.Collections;
import java.util.Set;
import java.util.WeakHashMap;
import okhttp3.Connection;
import okhttp3.Interceptor;
import okhttp3.Response;

/**
 * Tells an exchange of its connection, new or used before, and keeps the status of a 407. Sends
 * nothing over a connection on which bytes lie that belong to nobody.
 */
final class Connected implements Interceptor {
  private final Set<Connection> used =
      Collections.synchronizedSet(Collections.newSetFromMap(new WeakHashMap<>()));

  @Override
  public Response intercept(Chain chain) throws IOException {
    Progress progress = chain.request().tag(Progress.class);
    Connection connection = chain.connection();
    boolean reused = connection != null && !used.add(connection);
    if (progress != null) {
      if (reused) {
        progress.reused();
      }
      progress.connected();
    }
    if (reused && Unread.isAnyOn(connection)) {
      throw new NotForUse();
    }
    Response response = chain.proceed(chain.request());
    if (response.code() == 407 && !throughProxy(chain)) {
      // OkHttp would make a protocol error of it, and the status would be lost.
      response.close();
      throw new ProxyLoginWanted();
    }
    return response;
  }

  private static boolean throughProxy(Chain chain) {
    Connection connection = chain.connection();
    return connection != null && connection.route().proxy().type() == Proxy.Type.HTTP;
  }

  /** There are bytes on a kept connection that no request has asked for; nothing was sent. */
  static final class NotForUse extends IOException {
    private static final long serialVersionUID = 1L;

    NotForUse() {
      super("bytes that nobody had asked for lay on the connection");
    }
  }

  /** A 407 from a server that is no proxy of ours. */
  static final class ProxyLoginWanted extends IOException {
    private static final long serialVersionUID = 1L;
  }
}
