// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.testkit;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.ProtocolException;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CountDownLatch;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/** Holds the server's end of one connection, and reads and writes HTTP/1.1 on it. */
final class HttpConnection {
  /** How often a held call looks whether it may go on. */
  private static final int LOOK_MILLIS = 5;

  private final Socket socket;
  private final InputStream in;
  private final CountDownLatch closed = new CountDownLatch(1);
  private boolean wantsNoBody;

  HttpConnection(Socket socket) throws IOException {
    this.socket = socket;
    this.in = new BufferedInputStream(socket.getInputStream());
  }

  /**
   * Holds one request as it arrived.
   *
   * @param headers the lines of its head after the first
   */
  record Request(String method, String target, List<String> headers, String body) {
    /** Returns the path without its query. */
    String path() {
      int query = target.indexOf('?');
      return query < 0 ? target : target.substring(0, query);
    }

    @Nullable String header(String name) {
      return headers.stream()
          .filter(line -> line.regionMatches(true, 0, name + ":", 0, name.length() + 1))
          .map(line -> line.substring(name.length() + 1).strip())
          .findFirst()
          .orElse(null);
    }

    /** Returns whether the client wants the connection to be closed after the reply. */
    boolean isLast() {
      return "close".equalsIgnoreCase(header("Connection"));
    }
  }

  /** Returns a latch that is released when the connection is closed, by either end. */
  CountDownLatch closed() {
    return closed;
  }

  /** Returns the next request; null when the client has closed. */
  @Nullable Request read() throws IOException {
    String first = line();
    if (first == null) {
      return null;
    }
    List<String> headers = new ArrayList<>();
    for (String line = line(); line != null && !line.isEmpty(); line = line()) {
      headers.add(line);
    }
    String[] words = first.split(" ", 3);
    Request head = new Request(words[0], words.length > 1 ? words[1] : "/", headers, "");
    wantsNoBody = head.method().equals("HEAD");
    if ("100-continue".equalsIgnoreCase(head.header("Expect"))) {
      send("HTTP/1.1 100 Continue\r\n\r\n");
    }
    return new Request(head.method(), head.target(), headers, body(head));
  }

  private String body(Request head) throws IOException {
    String encoding = head.header("Transfer-Encoding");
    if (encoding != null && encoding.toLowerCase(Locale.ROOT).contains("chunked")) {
      return chunks();
    }
    String length = head.header("Content-Length");
    return text(in.readNBytes(length == null ? 0 : number(length, 10)));
  }

  private static int number(String text, int radix) throws IOException {
    try {
      return Integer.parseUnsignedInt(text, radix);
    } catch (NumberFormatException e) {
      throw new ProtocolException("the length of a body must be a number");
    }
  }

  private String chunks() throws IOException {
    ByteArrayOutputStream body = new ByteArrayOutputStream();
    while (true) {
      String size = line();
      int length = size == null ? 0 : number(size.replaceFirst(";.*", "").strip(), 16);
      if (length == 0) {
        for (String trailer = line(); trailer != null && !trailer.isEmpty(); trailer = line()) {
          // Trailers say nothing that a script asks for.
        }
        return text(body.toByteArray());
      }
      body.write(in.readNBytes(length));
      line();
    }
  }

  private static String text(byte[] bytes) {
    return new String(bytes, StandardCharsets.UTF_8);
  }

  private @Nullable String line() throws IOException {
    ByteArrayOutputStream line = new ByteArrayOutputStream();
    for (int next = in.read(); next >= 0; next = in.read()) {
      if (next == '\n') {
        return text(line.toByteArray()).replace("\r", "");
      }
      line.write(next);
    }
    return null;
  }

  void send(String text) throws IOException {
    socket.getOutputStream().write(text.getBytes(StandardCharsets.UTF_8));
    socket.getOutputStream().flush();
  }

  /** Sends text as one chunk of a chunked body. */
  void sendChunk(String text) throws IOException {
    int length = text.getBytes(StandardCharsets.UTF_8).length;
    send(Integer.toHexString(length) + "\r\n" + text + "\r\n");
  }

  /** Sends a whole response, without its body if the request was a {@code HEAD}. */
  void respond(int status, String type, String body, String... headers) throws IOException {
    send(head(status, type, body, headers) + (wantsNoBody ? "" : body));
  }

  /** Returns the head of a response whose body has the length of this one. */
  static String head(int status, String type, String body, String... headers) {
    StringBuilder head = new StringBuilder("HTTP/1.1 " + status + " Scripted\r\n");
    if (!type.isEmpty()) {
      head.append("Content-Type: ").append(type).append("\r\n");
    }
    for (String header : headers) {
      head.append(header).append("\r\n");
    }
    int length = body.getBytes(StandardCharsets.UTF_8).length;
    return head.append("Content-Length: ").append(length).append("\r\n\r\n").toString();
  }

  /** Sends nothing more, and waits until the client closes. */
  void hang() throws IOException {
    while (in.read() >= 0) {
      // Bytes that the client still sends do not matter.
    }
  }

  /**
   * Sends nothing until a condition holds.
   *
   * @return whether it holds; false if the client has closed meanwhile
   */
  boolean waitUntil(BooleanSupplier condition) throws IOException {
    while (!condition.getAsBoolean()) {
      if (isClosedWithin(LOOK_MILLIS)) {
        return false;
      }
    }
    return true;
  }

  private boolean isClosedWithin(int millis) throws IOException {
    socket.setSoTimeout(millis);
    in.mark(1);
    try {
      if (in.read() < 0) {
        return true;
      }
      // A second request behind the first: it waits, and this one cannot be seen to be given up.
      in.reset();
      return false;
    } catch (SocketTimeoutException e) {
      return false;
    } finally {
      socket.setSoTimeout(0);
    }
  }

  boolean isOpen() {
    return !socket.isClosed();
  }

  void close() throws IOException {
    socket.close();
  }

  /** Closes with a reset, as a process that is killed does. */
  void reset() {
    try (socket) {
      socket.setSoLinger(true, 0);
    } catch (IOException e) {
      // The other end closed at the same moment.
    }
  }
}
