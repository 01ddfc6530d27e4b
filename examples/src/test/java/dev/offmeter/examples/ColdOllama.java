// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.time.Duration;
import java.util.Locale;

/**
 * An Ollama whose model is not in memory. It is loaded for the request that wants it first, without
 * being listed meanwhile, and no further once that one's connection is closed.
 */
final class ColdOllama implements AutoCloseable {
  private static final int MOMENT_MILLIS = 20;

  private final ServerSocket server;
  private final long loadNanos;
  private boolean loaded;
  private boolean loading;
  private int loadsBegun;

  ColdOllama(Duration load) throws IOException {
    this.server = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
    this.loadNanos = load.toNanos();
    daemon(this::accept);
  }

  String url() {
    return "http://127.0.0.1:" + server.getLocalPort();
  }

  synchronized int loadsBegun() {
    return loadsBegun;
  }

  private static void daemon(Runnable task) {
    Thread thread = new Thread(task, "cold-ollama");
    thread.setDaemon(true);
    thread.start();
  }

  private void accept() {
    while (!server.isClosed()) {
      try {
        Socket socket = server.accept();
        daemon(() -> serve(socket));
      } catch (IOException e) {
        // The server was closed.
      }
    }
  }

  private void serve(Socket socket) {
    try (socket) {
      InputStream in = new BufferedInputStream(socket.getInputStream());
      String path = request(in).split(" ")[1];
      switch (path) {
        case "/api/version" -> reply(socket, "{\"version\":\"0.33.0\"}");
        case "/api/ps" -> reply(socket, listed());
        case "/api/generate" -> replyWhenLoaded(socket, in, "{\"done\":true}");
        default -> replyWhenLoaded(socket, in, Typist.line("Dear Zoë, please pay.") + Typist.LAST);
      }
    } catch (IOException e) {
      // Whoever asked has gone.
    }
  }

  /** Reads a whole request; returns its head. */
  private static String request(InputStream in) throws IOException {
    StringBuilder head = new StringBuilder();
    while (head.indexOf("\r\n\r\n") < 0) {
      int read = in.read();
      if (read < 0) {
        throw new IOException("no request");
      }
      head.append((char) read);
    }
    for (String line : head.toString().split("\r\n")) {
      if (line.toLowerCase(Locale.ROOT).startsWith("content-length:")) {
        in.readNBytes(Integer.parseInt(line.substring(15).strip()));
      }
    }
    return head.toString();
  }

  private synchronized String listed() {
    return "{\"models\":[" + (loaded ? "{\"name\":\"qwen3:8b\"}" : "") + "]}";
  }

  private void replyWhenLoaded(Socket socket, InputStream in, String body) throws IOException {
    socket.setSoTimeout(MOMENT_MILLIS);
    while (!isLoaded()) {
      if (beginsLoad()) {
        load(in);
      } else {
        waitAMoment(in);
      }
    }
    reply(socket, body);
  }

  private synchronized boolean isLoaded() {
    return loaded;
  }

  private synchronized boolean beginsLoad() {
    if (loading || loaded) {
      return false;
    }
    loading = true;
    loadsBegun++;
    return true;
  }

  private void load(InputStream in) throws IOException {
    long since = System.nanoTime();
    boolean done = false;
    try {
      while (System.nanoTime() - since < loadNanos) {
        waitAMoment(in);
      }
      done = true;
    } finally {
      ended(done);
    }
  }

  private synchronized void ended(boolean done) {
    loading = false;
    loaded |= done;
  }

  private static void waitAMoment(InputStream in) throws IOException {
    try {
      if (in.read() < 0) {
        throw new IOException("gone");
      }
    } catch (SocketTimeoutException e) {
      // Still there.
    }
  }

  private static void reply(Socket socket, String body) throws IOException {
    byte[] bytes = body.getBytes(UTF_8);
    String head =
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: "
            + bytes.length
            + "\r\n\r\n";
    socket.getOutputStream().write(head.getBytes(UTF_8));
    socket.getOutputStream().write(bytes);
    socket.getOutputStream().flush();
  }

  @Override
  public void close() throws IOException {
    server.close();
  }
}
