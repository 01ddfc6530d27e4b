// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.jmh;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.util.Comparator;
import java.util.PriorityQueue;
import java.util.Queue;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Streams tokens at the pace of a {@link BenchServer#prompt}, to thousands at once from one thread.
 * The text of a token is the time when it was due, so that its reader knows how late it is. Like
 * {@link BenchServer} it prints its port, and ends when its standard input does.
 */
final class TokenServer {
  private static final int BACKLOG = 10_000;
  private static final Pattern LENGTH = Pattern.compile("(?i)\r\ncontent-length: *(\\d+)\r\n");
  private static final byte[] HEAD = BenchServer.streamHead();
  private static final byte[] END = BenchServer.end();
  private static final String NO_TIME = "0000000000000";
  private static final byte[] TOKEN = BenchServer.piece(NO_TIME + " ");
  private static final int TIME = new String(TOKEN, ISO_8859_1).indexOf(NO_TIME);

  private final Queue<Stream> streams =
      new PriorityQueue<>(Comparator.comparingLong((Stream stream) -> stream.due));
  private final ByteBuffer out = ByteBuffer.allocateDirect(64 * 1024);
  private final Selector selector = Selector.open();
  private final ServerSocketChannel server = ServerSocketChannel.open();

  private TokenServer() throws IOException {
    server.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), BACKLOG);
    server.configureBlocking(false);
    server.register(selector, SelectionKey.OP_ACCEPT);
  }

  public static void main(String[] args) throws IOException {
    TokenServer server = new TokenServer();
    Thread thread = new Thread(server::run);
    thread.setDaemon(true);
    thread.start();
    System.out.println(server.server.socket().getLocalPort());
    System.in.transferTo(OutputStream.nullOutputStream());
  }

  private void run() {
    try {
      while (true) {
        selector.select(this::ready, untilDue());
        sendDue();
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Returns the ms until the next token is due: at least 1, because 0 is for ever; 0 for none. */
  private long untilDue() {
    Stream next = streams.peek();
    return next == null ? 0 : Math.max(1, next.due - System.currentTimeMillis());
  }

  private void ready(SelectionKey key) {
    try {
      if (key.isAcceptable()) {
        acceptAll();
      } else {
        read(key, (ByteBuffer) key.attachment());
      }
    } catch (IOException e) {
      key.cancel();
    }
  }

  private void acceptAll() throws IOException {
    for (SocketChannel client = server.accept(); client != null; client = server.accept()) {
      client.configureBlocking(false);
      client.register(selector, SelectionKey.OP_READ, ByteBuffer.allocate(4096));
    }
  }

  private void read(SelectionKey key, ByteBuffer request) throws IOException {
    SocketChannel client = (SocketChannel) key.channel();
    if (client.read(request) < 0) {
      client.close();
      return;
    }
    String text = new String(request.array(), 0, request.position(), ISO_8859_1);
    if (isWhole(text)) {
      request.clear();
      streams.add(new Stream(client, text));
    }
  }

  private static boolean isWhole(String request) {
    int head = request.indexOf("\r\n\r\n");
    Matcher length = LENGTH.matcher(request);
    return head >= 0
        && length.find()
        && request.length() == head + 4 + Integer.parseInt(length.group(1));
  }

  private void sendDue() {
    long now = System.currentTimeMillis();
    for (Stream next = streams.peek(); next != null && next.due <= now; next = streams.peek()) {
      streams.remove();
      if (next.send(now)) {
        streams.add(next);
      }
    }
  }

  private void put(long time) {
    int digits = out.position() + TIME;
    out.put(TOKEN);
    out.put(digits, Long.toString(time).getBytes(ISO_8859_1));
  }

  private final class Stream {
    private final SocketChannel client;
    private final int millisApart;
    private int left;
    private long due = System.currentTimeMillis();
    private boolean begun;

    Stream(SocketChannel client, String request) {
      Matcher tokens = BenchServer.TOKENS.matcher(request);
      if (!tokens.find()) {
        throw new IllegalArgumentException(request);
      }
      this.client = client;
      this.left = Integer.parseInt(tokens.group(1));
      this.millisApart = Integer.parseInt(tokens.group(2));
    }

    /** Sends the tokens that are due; returns true if there will be more. */
    boolean send(long now) {
      out.clear();
      if (!begun) {
        begun = true;
        out.put(HEAD);
      }
      for (; left > 0 && due <= now && out.remaining() > 1024; due += millisApart) {
        left--;
        put(due);
      }
      if (left == 0) {
        out.put(END);
      }
      return write(out.flip()) && left > 0;
    }

    /** A client that has not read so few bytes is not alive: it is cut off. */
    private boolean write(ByteBuffer bytes) {
      try {
        client.write(bytes);
        if (bytes.hasRemaining()) {
          client.close();
        }
        return client.isOpen();
      } catch (IOException e) {
        return false;
      }
    }
  }
}
