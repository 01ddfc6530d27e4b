// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import javax.net.SocketFactory;
import org.jspecify.annotations.Nullable;

/** Makes sockets by another factory, each of which bounds what a server may send. */
final class BoundedSocketFactory extends SocketFactory {
  private final SocketSource below;
  private volatile boolean counting = true;

  /** Makes the socket that is bounded. */
  @FunctionalInterface
  interface SocketSource {
    /** Opens a socket that is not connected. */
    Socket open() throws IOException;
  }

  BoundedSocketFactory(SocketSource below) {
    this.below = below;
  }

  @Override
  public Socket createSocket() throws IOException {
    Socket socks = SocksProxy.openIfConnecting();
    return new BoundedSocket(socks == null ? below.open() : socks, this);
  }

  /**
   * Lifts the bound of all of them, where nobody can tell them what reaches the reader of a body.
   */
  void stopCounting() {
    counting = false;
  }

  boolean isCounting() {
    return counting;
  }

  @Override
  public Socket createSocket(String host, int port) throws IOException {
    return connected(null, new InetSocketAddress(host, port));
  }

  @Override
  public Socket createSocket(String host, int port, InetAddress localHost, int localPort)
      throws IOException {
    return connected(
        new InetSocketAddress(localHost, localPort), new InetSocketAddress(host, port));
  }

  @Override
  public Socket createSocket(InetAddress host, int port) throws IOException {
    return connected(null, new InetSocketAddress(host, port));
  }

  @Override
  public Socket createSocket(InetAddress address, int port, InetAddress localAddress, int localPort)
      throws IOException {
    return connected(
        new InetSocketAddress(localAddress, localPort), new InetSocketAddress(address, port));
  }

  private Socket connected(@Nullable InetSocketAddress local, InetSocketAddress remote)
      throws IOException {
    Socket socket = createSocket();
    try {
      if (local != null) {
        socket.bind(local);
      }
      socket.connect(remote);
      return socket;
    } catch (IOException e) {
      socket.close();
      throw e;
    }
  }
}
