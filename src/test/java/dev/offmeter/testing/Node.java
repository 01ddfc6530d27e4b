// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.testing;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.regex.Pattern;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.SSLSocketFactory;
import org.jspecify.annotations.Nullable;

/** Runs a server on a loopback socket that replies to each request as its script says. */
public final class Node implements AutoCloseable {
  private static final Pattern ASIDE =
      Pattern.compile(
          "(GET \\S*/(api/version|api/ps|health|readyz|models)|POST \\S*/api/generate) HTTP/1.1");

  private static final Pattern INQUIRY =
      Pattern.compile("(GET \\S*/props|POST \\S*/api/show) HTTP/1.1");

  private volatile ServerSocket server;
  private volatile Thread acceptor;
  private final Set<Socket> open = ConcurrentHashMap.newKeySet();
  private final Set<Socket> inHand = ConcurrentHashMap.newKeySet();
  private final List<Connection.Request> requests = new CopyOnWriteArrayList<>();
  private final CountDownLatch asked = new CountDownLatch(1);
  private final List<Connection.Request> probes = new CopyOnWriteArrayList<>();
  private volatile Script script;
  private volatile boolean discardRequests;
  private volatile @Nullable SSLSocketFactory tls;
  private final List<Connection.Request> inquiries = new CopyOnWriteArrayList<>();
  private volatile Script respondToInquiriesWith =
      OllamaReplies.status(404, "text/plain", "404 page not found");
  private volatile Script respondToProbesWith =
      OllamaReplies.status(404, "text/plain", "404 page not found");

  /** Starts a server that runs until it is closed. */
  public Node(Script script) {
    this.script = script;
    try {
      server = listening(0);
    } catch (IOException e) {
      throw new AssertionError(e);
    }
    acceptor = daemon(this::accept);
  }

  private static ServerSocket listening(int port) throws IOException {
    ServerSocket socket = new ServerSocket();
    socket.setReuseAddress(true);
    socket.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 1000);
    return socket;
  }

  /** Answers one request; the connection is kept for the next unless the script ends it. */
  public interface Script {
    /** Answers {@code request}. */
    void answer(Connection connection, Connection.Request request) throws IOException;
  }

  /** Returns the base URL. */
  public String url() {
    return "http://127.0.0.1:" + server.getLocalPort();
  }

  /** Replaces the script. */
  public Node respondWith(Script script) {
    this.script = script;
    return this;
  }

  /** Sets the script for health checks and loads; until then their paths are unknown. */
  public Node respondToProbesWith(Script script) {
    this.respondToProbesWith = script;
    return this;
  }

  /** Sets the script for questions about the model; until then their paths are unknown. */
  public Node respondToInquiriesWith(Script script) {
    this.respondToInquiriesWith = script;
    return this;
  }

  /** Returns the questions about the model in order, which are not among the probes. */
  public List<Connection.Request> inquiries() {
    return inquiries;
  }

  /** Makes the server speak TLS. */
  public Node useTls(SSLSocketFactory tls) {
    this.tls = tls;
    return this;
  }

  /** Keeps no requests, for a long run. */
  public Node discardRequests() {
    discardRequests = true;
    return this;
  }

  /** Returns the probes in order, which are not in {@link #requests()}. */
  public List<Connection.Request> probes() {
    return probes;
  }

  /** Returns how many requests for a load have arrived, processed or not. */
  public long loadRequests() {
    return probes.stream().filter(probe -> probe.line().startsWith("POST")).count();
  }

  /** Returns the requests of calls, in order. */
  public List<Connection.Request> requests() {
    return requests;
  }

  /** Waits for the first request. */
  public void awaitFirstRequest() throws InterruptedException {
    asked.await();
  }

  /** Returns the number of connections that neither end has closed. */
  public int openConnections() {
    return open.size();
  }

  /** Returns the number of calls in progress; health checks and loads do not count. */
  public int activeCalls() {
    return inHand.size();
  }

  private void accept() {
    ServerSocket listening = server;
    try {
      while (true) {
        Socket socket = listening.accept();
        socket.setTcpNoDelay(true);
        open.add(socket);
        Thread unused = daemon(() -> serve(socket));
      }
    } catch (IOException e) {
      // Closed: the test is over, or has switched the node off.
    }
  }

  private Socket useTls(Socket socket) throws IOException {
    SSLSocketFactory tls = this.tls;
    if (tls == null) {
      return socket;
    }
    SSLSocket secured = (SSLSocket) tls.createSocket(socket, null, socket.getPort(), true);
    secured.setUseClientMode(false);
    return secured;
  }

  private void serve(Socket socket) {
    try (socket) {
      Connection connection = new Connection(useTls(socket));
      for (Connection.Request request = connection.read();
          request != null && !socket.isClosed();
          request = connection.read()) {
        if (ASIDE.matcher(request.line()).matches()) {
          keep(request, probes);
          respondToProbesWith.answer(connection, request);
          continue;
        }
        if (INQUIRY.matcher(request.line()).matches()) {
          keep(request, inquiries);
          respondToInquiriesWith.answer(connection, request);
          continue;
        }
        inHand.add(socket);
        keep(request, requests);
        asked.countDown();
        script.answer(connection, request);
        inHand.remove(socket);
      }
    } catch (IOException e) {
      // The client has closed the connection, which is what many tests are about.
    } finally {
      inHand.remove(socket);
      open.remove(socket);
    }
  }

  private void keep(Connection.Request request, List<Connection.Request> where) {
    if (!discardRequests) {
      where.add(request);
    }
  }

  /**
   * Listens again at the same address after a close.
   *
   * @throws IOException if another process has taken the port meanwhile
   */
  public void restart() throws IOException {
    server = listening(server.getLocalPort());
    acceptor = daemon(this::accept);
  }

  /** Closes the idle connections, as a proxy does after a while. */
  public void closeIdleConnections() {
    for (Socket socket : open) {
      if (!inHand.contains(socket)) {
        drop(socket);
      }
    }
  }

  /** Stops listening and drops every connection, as a machine that loses power does. */
  @Override
  public void close() {
    try {
      server.close();
    } catch (IOException e) {
      throw new AssertionError(e);
    }
    awaitEnd(acceptor);
    open.forEach(Node::drop);
  }

  /**
   * Waits for the end of the accepting thread: until then a connection may be made although the
   * socket is closed.
   */
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

  private static void drop(Socket socket) {
    try (socket) {
      socket.setSoLinger(true, 0);
    } catch (IOException e) {
      // The other end closed at the same moment.
    }
  }

  private static Thread daemon(Runnable task) {
    Thread thread = new Thread(task, "test-node");
    thread.setDaemon(true);
    thread.start();
    return thread;
  }
}
