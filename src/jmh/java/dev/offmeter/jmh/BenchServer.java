// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.jmh;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A stand-in for Ollama that costs as little as it can: every request gets the same reply, streamed
 * unless the request asks otherwise. It runs in a process of its own, so that its allocation is not
 * counted as a client's, prints its port, and ends when its standard input does.
 */
final class BenchServer {
  static final String ANSWER = "one two three four five six seven";

  /** A piece of an answer that a {@link #prompt} asks for. */
  static final String TOKEN = "word ";

  private static final Pattern NOT_STREAMED = Pattern.compile("\"stream\"\\s*:\\s*false");
  static final Pattern TOKENS = Pattern.compile("Write (\\d+) tokens, (\\d+) ms apart");
  private static final String HEAD =
      "{\"model\":\"m\",\"created_at\":\"2026-11-21T09:17:27.213301021Z\","
          + "\"message\":{\"role\":\"assistant\",\"content\":\"%s\"},\"done\":%s";
  private static final String COUNTERS =
      ",\"done_reason\":\"stop\",\"total_duration\":412301021,\"load_duration\":52301021,"
          + "\"prompt_eval_count\":26,\"prompt_eval_duration\":130301021,"
          + "\"eval_count\":8,\"eval_duration\":230301021}\n";
  private static final byte[] FIRST = first();
  private static final byte[] NEXT = piece(TOKEN);
  private static final byte[] END = end();
  private static final byte[] STREAMED = streamed();
  private static final byte[] WHOLE = whole();

  private BenchServer() {}

  /** Asks for a stream of its own; all of it at once if the tokens are no time apart. */
  static String prompt(int tokens, int millisApart) {
    return "Write " + tokens + " tokens, " + millisApart + " ms apart.";
  }

  public static void main(String[] args) throws IOException {
    ServerSocket server = new ServerSocket(0, 128, InetAddress.getLoopbackAddress());
    start(() -> acceptAll(server));
    System.out.println(server.getLocalPort());
    System.in.transferTo(OutputStream.nullOutputStream());
  }

  private static void start(Runnable task) {
    Thread thread = new Thread(task);
    thread.setDaemon(true);
    thread.start();
  }

  private static void acceptAll(ServerSocket server) {
    while (true) {
      try {
        Socket socket = server.accept();
        start(() -> serve(socket));
      } catch (IOException e) {
        return;
      }
    }
  }

  private static void serve(Socket socket) {
    try (socket) {
      socket.setTcpNoDelay(true);
      InputStream in = new BufferedInputStream(socket.getInputStream());
      OutputStream out = socket.getOutputStream();
      while (true) {
        reply(requestBody(in), out);
      }
    } catch (IOException e) {
      // The client has gone.
    }
  }

  private static void reply(String request, OutputStream out) throws IOException {
    Matcher tokens = TOKENS.matcher(request);
    if (tokens.find()) {
      tokens(Integer.parseInt(tokens.group(1)), Integer.parseInt(tokens.group(2)), out);
    } else {
      out.write(NOT_STREAMED.matcher(request).find() ? WHOLE : STREAMED);
    }
  }

  private static void tokens(int tokens, int millisApart, OutputStream out) throws IOException {
    OutputStream paced = millisApart == 0 ? new BufferedOutputStream(out, 64 * 1024) : out;
    paced.write(FIRST);
    for (int i = 1; i < tokens; i++) {
      pause(millisApart);
      paced.write(NEXT);
    }
    paced.write(END);
    paced.flush();
  }

  private static void pause(int millis) {
    if (millis > 0) {
      LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(millis));
    }
  }

  private static String requestBody(InputStream in) throws IOException {
    int length = 0;
    boolean chunked = false;
    for (String line = line(in); !line.isEmpty(); line = line(in)) {
      String header = line.toLowerCase(Locale.ROOT);
      if (header.startsWith("content-length:")) {
        length = Integer.parseInt(header.substring(15).strip());
      }
      chunked |= header.startsWith("transfer-encoding:") && header.endsWith("chunked");
    }
    return chunked ? chunks(in) : new String(in.readNBytes(length), ISO_8859_1);
  }

  private static String chunks(InputStream in) throws IOException {
    StringBuilder body = new StringBuilder();
    int size;
    do {
      size = Integer.parseInt(line(in).strip(), 16);
      body.append(new String(in.readNBytes(size), ISO_8859_1));
      line(in);
    } while (size > 0);
    return body.toString();
  }

  private static String line(InputStream in) throws IOException {
    StringBuilder line = new StringBuilder(80);
    for (int next = in.read(); next != '\n'; next = in.read()) {
      if (next < 0) {
        throw new EOFException();
      }
      if (next != '\r') {
        line.append((char) next);
      }
    }
    return line.toString();
  }

  /** A chunk for each line, as Ollama sends them. */
  private static byte[] streamed() {
    ByteArrayOutputStream reply = new ByteArrayOutputStream();
    reply.writeBytes(streamHead());
    String space = "";
    for (String word : List.of(ANSWER.split(" "))) {
      reply.writeBytes(piece(space + word));
      space = " ";
    }
    reply.writeBytes(END);
    return reply.toByteArray();
  }

  private static byte[] first() {
    ByteArrayOutputStream first = new ByteArrayOutputStream();
    first.writeBytes(streamHead());
    first.writeBytes(piece(TOKEN));
    return first.toByteArray();
  }

  static byte[] streamHead() {
    return head("application/x-ndjson", "Transfer-Encoding: chunked");
  }

  static byte[] piece(String text) {
    return chunk(HEAD.formatted(text, "false}\n"));
  }

  static byte[] end() {
    ByteArrayOutputStream end = new ByteArrayOutputStream();
    end.writeBytes(chunk(HEAD.formatted("", "true") + COUNTERS));
    end.writeBytes(chunk(""));
    return end.toByteArray();
  }

  /**
   * As many bytes as the streamed reply, so that clients are compared by what they do with them.
   */
  private static byte[] whole() {
    String json = HEAD.formatted(ANSWER, "true") + COUNTERS;
    String padded = json.stripTrailing() + " ".repeat(1024 - json.length()) + "\n";
    ByteArrayOutputStream reply = new ByteArrayOutputStream();
    reply.writeBytes(head("application/json", "Content-Length: " + padded.length()));
    reply.writeBytes(padded.getBytes(ISO_8859_1));
    return reply.toByteArray();
  }

  private static byte[] head(String type, String framing) {
    String head = "HTTP/1.1 200 OK\r\nContent-Type: " + type + "\r\n" + framing + "\r\n\r\n";
    return head.getBytes(ISO_8859_1);
  }

  private static byte[] chunk(String text) {
    String chunk = Integer.toHexString(text.length()) + "\r\n" + text + "\r\n";
    return chunk.getBytes(ISO_8859_1);
  }
}
