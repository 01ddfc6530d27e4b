// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.testkit;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/** Accepts connections on one loopback port, which stays reserved while it refuses them. */
final class LoopbackServer {
  private final int port;
  private final Handler handler;
  private final Set<HttpConnection> open = ConcurrentHashMap.newKeySet();
  private final Set<HttpConnection> inHand = ConcurrentHashMap.newKeySet();
  private @Nullable ServerSocket listening;
  private @Nullable Thread acceptor;

  /** Keeps the port while nothing listens: bound without listening, it refuses connections. */
  private @Nullable Socket reserved;

  LoopbackServer(Handler handler) {
    this.handler = handler;
    try {
      ServerSocket socket = listen(0);
      port = socket.getLocalPort();
      start(socket);
    } catch (IOException e) {
      throw new UncheckedIOException("no loopback port could be had", e);
    }
  }

  /** Replies to one request. */
  interface Handler {
    void handle(HttpConnection connection, HttpConnection.Request request) throws IOException;
  }

  private static ServerSocket listen(int port) throws IOException {
    ServerSocket socket = new ServerSocket();
    socket.setReuseAddress(true);
    socket.bind(address(port), 1000);
    return socket;
  }

  /** Returns an address of IPv4, whatever this machine prefers, as the URL has it. */
  private static InetSocketAddress address(int port) throws IOException {
    return new InetSocketAddress(InetAddress.getByAddress(new byte[] {127, 0, 0, 1}), port);
  }

  int port() {
    return port;
  }

  synchronized boolean isListening() {
    return listening != null;
  }

  /** Listens again after {@link #refuse} or {@link #close}; without effect while it listens. */
  synchronized void open() {
    if (listening != null) {
      return;
    }
    try {
      release();
      start(listen(port));
    } catch (IOException e) {
      throw new UncheckedIOException("port " + port + " could not be had again", e);
    }
  }

  private void start(ServerSocket socket) {
    listening = socket;
    acceptor = daemon("fake-llm-acceptor", () -> accept(socket));
  }

  /** Refuses connections, and closes those that are not in a call. */
  synchronized void refuse() {
    if (listening == null) {
      return;
    }
    try {
      open.stream().filter(idle -> !inHand.contains(idle)).forEach(HttpConnection::reset);
      stopListening();
      Socket keeper = new Socket();
      keeper.setReuseAddress(true);
      keeper.bind(address(port));
      reserved = keeper;
    } catch (IOException e) {
      throw new UncheckedIOException("port " + port + " could not be kept", e);
    }
  }

  /** Resets every connection. */
  void resetAll() {
    open.forEach(HttpConnection::reset);
  }

  /** Frees the port and closes every connection. */
  synchronized void close() {
    try {
      stopListening();
      release();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    resetAll();
  }

  /** Closes the port and waits for the end of its thread: until then the port is in use. */
  private void stopListening() throws IOException {
    ServerSocket socket = listening;
    Thread thread = acceptor;
    listening = null;
    acceptor = null;
    if (socket != null && thread != null) {
      socket.close();
      awaitEnd(thread);
    }
  }

  private static void awaitEnd(Thread thread) {
    boolean interrupted = false;
    while (thread.isAlive()) {
      try {
        thread.join();
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  private void release() throws IOException {
    Socket keeper = reserved;
    reserved = null;
    if (keeper != null) {
      keeper.close();
    }
  }

  private void accept(ServerSocket socket) {
    try {
      while (true) {
        Socket accepted = socket.accept();
        accepted.setTcpNoDelay(true);
        HttpConnection connection = new HttpConnection(accepted);
        open.add(connection);
        if (socket.isClosed()) {
          connection.reset();
        }
        Thread unused = daemon("fake-llm", () -> serve(connection));
      }
    } catch (IOException e) {
      // Closed: the test is over, or the server is to refuse.
    }
  }

  private void serve(HttpConnection connection) {
    try {
      HttpConnection.Request request = connection.read();
      while (request != null && connection.isOpen()) {
        inHand.add(connection);
        handler.handle(connection, request);
        inHand.remove(connection);
        request = isListening() && !request.isLast() ? connection.read() : null;
      }
      connection.close();
    } catch (IOException e) {
      // The client has closed, or sent what is no HTTP.
    } finally {
      connection.reset();
      inHand.remove(connection);
      open.remove(connection);
      connection.closed().countDown();
    }
  }

  private static Thread daemon(String name, Runnable task) {
    Thread thread = new Thread(task, name);
    thread.setDaemon(true);
    thread.start();
    return thread;
  }
}
