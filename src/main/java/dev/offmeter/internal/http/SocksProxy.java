// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Proxy;
import java.net.ProxySelector;
import java.net.Socket;
import java.net.SocketAddress;
import java.net.URI;
import java.util.List;
import okhttp3.Call;
import okhttp3.EventListener;
import org.jspecify.annotations.Nullable;

/**
 * A SOCKS proxy the sockets to which are made by a factory. OkHttp (5.5) asks none for such a
 * socket, only for one without a SOCKS proxy. So between its event that a connection is begun and
 * the making of the socket, on the same thread, this says that there is no proxy; before and after
 * that it is one like any other, and names are looked up behind it. An OkHttp without that event
 * makes its sockets itself.
 */
final class SocksProxy extends Proxy {
  /** Tells of the connections of a call that has no other listener. */
  static final EventListener EVENTS =
      new EventListener() {
        @Override
        public void connectStart(Call call, InetSocketAddress to, Proxy through) {
          onConnectStart(through);
        }
      };

  /** Through which the current thread is about to connect. */
  private static final ThreadLocal<@Nullable SocksProxy> CONNECTING = new ThreadLocal<>();

  private final Proxy target;

  private SocksProxy(Proxy target) {
    super(Type.SOCKS, target.address());
    this.target = target;
  }

  /** The proxy, as one of these if it is for SOCKS. */
  static @Nullable Proxy of(@Nullable Proxy proxy) {
    return proxy != null && proxy.type() == Type.SOCKS ? new SocksProxy(proxy) : proxy;
  }

  /** What another selects, with these for SOCKS. */
  static ProxySelector of(ProxySelector selector) {
    return new ProxySelector() {
      @Override
      public @Nullable List<Proxy> select(URI uri) {
        List<Proxy> selected = selector.select(uri);
        return selected == null ? null : selected.stream().map(SocksProxy::of).toList();
      }

      @Override
      public void connectFailed(URI uri, SocketAddress address, IOException e) {
        selector.connectFailed(uri, address, e);
      }
    };
  }

  /** OkHttp makes a socket next, on this thread. */
  static void onConnectStart(Proxy through) {
    if (through instanceof SocksProxy socks) {
      CONNECTING.set(socks);
    }
  }

  /** The socket that is to be made; null if it is not one through a SOCKS proxy. */
  static @Nullable Socket openIfConnecting() {
    SocksProxy now = connecting();
    CONNECTING.remove();
    return now == null ? null : new Socket(now.target);
  }

  private static @Nullable SocksProxy connecting() {
    SocksProxy now = CONNECTING.get();
    if (now == null) {
      // To look has left something with the thread.
      CONNECTING.remove();
    }
    return now;
  }

  @Override
  @SuppressWarnings("ReferenceEquality") // To compare by value asks for the type.
  public Type type() {
    return connecting() == this ? Type.DIRECT : Type.SOCKS;
  }
}
