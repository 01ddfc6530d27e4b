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
 * Lets a socket factory make the sockets to a SOCKS proxy. OkHttp (5.5) asks a factory only for
 * sockets without a SOCKS proxy. So between OkHttp's event that a connection begins and the
 * creation of its socket, on the same thread, this claims to be no proxy; before and after that it
 * is an ordinary SOCKS proxy, which resolves host names. A version of OkHttp without that event
 * makes its sockets itself.
 */
final class SocksProxy extends Proxy {
  /** Listens to the connections of a call that has no other listener. */
  static final EventListener EVENTS =
      new EventListener() {
        @Override
        public void connectStart(Call call, InetSocketAddress to, Proxy through) {
          onConnectStart(through);
        }
      };

  /** The proxy through which the current thread is about to connect. */
  private static final ThreadLocal<@Nullable SocksProxy> CONNECTING = new ThreadLocal<>();

  private final Proxy target;

  private SocksProxy(Proxy target) {
    super(Type.SOCKS, target.address());
    this.target = target;
  }

  /** Wraps a SOCKS proxy; returns any other as it is. */
  static @Nullable Proxy of(@Nullable Proxy proxy) {
    return proxy != null && proxy.type() == Type.SOCKS ? new SocksProxy(proxy) : proxy;
  }

  /** Wraps the SOCKS proxies that another selector returns. */
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

  /** Called before OkHttp makes a socket on this thread. */
  static void onConnectStart(Proxy through) {
    if (through instanceof SocksProxy socks) {
      CONNECTING.set(socks);
    }
  }

  /** Opens the socket that is about to be made; null if it is not one through a SOCKS proxy. */
  static @Nullable Socket openIfConnecting() {
    SocksProxy now = connecting();
    CONNECTING.remove();
    return now == null ? null : new Socket(now.target);
  }

  private static @Nullable SocksProxy connecting() {
    SocksProxy now = CONNECTING.get();
    if (now == null) {
      // get() has left an entry for this thread.
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
