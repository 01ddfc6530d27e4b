// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.testing;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Holds a node's end of one connection. */
public final class Connection {
  private final Socket socket;
  private final InputStream in;

  Connection(Socket socket) throws IOException {
    this.socket = socket;
    this.in = new BufferedInputStream(socket.getInputStream());
  }

  /** Returns the next request, or null when the client has closed. */
  Request read() throws IOException {
    List<String> head = new ArrayList<>();
    for (String line = line(); line != null; line = line()) {
      if (line.isEmpty()) {
        return new Request(head, new String(in.readNBytes(length(head)), StandardCharsets.UTF_8));
      }
      head.add(line);
    }
    return null;
  }

  private String line() throws IOException {
    StringBuilder line = new StringBuilder();
    for (int next = in.read(); next >= 0; next = in.read()) {
      if (next == '\n') {
        return line.toString().replace("\r", "");
      }
      line.append((char) next);
    }
    return null;
  }

  private static int length(List<String> head) {
    return head.stream()
        .filter(line -> line.toLowerCase(Locale.ROOT).startsWith("content-length:"))
        .mapToInt(line -> Integer.parseInt(line.substring(15).strip()))
        .findFirst()
        .orElse(0);
  }

  /** Sends bytes as they are. */
  public void send(String text) throws IOException {
    socket.getOutputStream().write(text.getBytes(StandardCharsets.UTF_8));
    socket.getOutputStream().flush();
  }

  /** Sends some of the bytes as they are. */
  public void send(byte[] bytes, int from, int length) throws IOException {
    socket.getOutputStream().write(bytes, from, length);
    socket.getOutputStream().flush();
  }

  /** Sends nothing more, and waits until the client closes. */
  public void hang() throws IOException {
    while (in.read() >= 0) {
      // Bytes that the client still sends do not matter.
    }
  }

  /** Waits for the next request; returns false when the client has closed instead. */
  boolean awaitNext() throws IOException {
    in.mark(1);
    boolean more = in.read() >= 0;
    in.reset();
    return more;
  }

  /** Closes the connection cleanly. */
  public void close() throws IOException {
    socket.close();
  }

  /** Closes with a reset. */
  public void reset() throws IOException {
    socket.setSoLinger(true, 0);
    socket.close();
  }

  /** Holds one request as it arrived. */
  public record Request(List<String> head, String body) {
    /** Returns the value of a header, or null. */
    public String header(String name) {
      return head.stream()
          .filter(line -> line.regionMatches(true, 0, name + ":", 0, name.length() + 1))
          .map(line -> line.substring(name.length() + 1).strip())
          .findFirst()
          .orElse(null);
    }

    /** Returns the request line. */
    public String line() {
      return head.get(0);
    }
  }
}
