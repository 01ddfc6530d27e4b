// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

import dev.offmeter.internal.UserCode;
import dev.offmeter.internal.wire.HeapBudget.TooLargeException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.net.SocketAddress;
import java.net.SocketException;
import java.net.SocketOption;
import java.nio.channels.SocketChannel;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Fails once the server has sent too many bytes of which nothing reaches the reader of a body. The
 * reader of a body bounds the body; OkHttp collects what stands around it (headers, chunk
 * extensions, trailers, interim replies, a handshake), the line of a chunk without any bound.
 *
 * <p>Costs one addition for each read from the network. Used by the thread that runs the exchange.
 */
@SuppressWarnings("UnsynchronizedOverridesSynchronized") // The other socket has locks of its own.
final class BoundedSocket extends Socket {
  /**
   * Most bytes that may come with none for the reader of a body. Servers and proxies send 8 to 64
   * KiB of headers, a TLS handshake with its certificates takes 4 to 30 KiB; OkHttp (5.5) gives up
   * at 256 KiB of headers, with the message of a lost connection.
   */
  static final int MOST_UNUSED = 128 * 1024;

  /**
   * Most bytes that may come for each byte of a body, in the long run. A server that sends every
   * byte in a chunk and a TLS record of its own sends about 30; others send less than 2.
   */
  private static final int MOST_FOR_EACH = 32;

  private final Socket below;
  private final BoundedSocketFactory all;
  private @Nullable InputStream in;
  private long unused;
  private boolean hasBeenUsed;

  BoundedSocket(Socket below, BoundedSocketFactory all) {
    this.below = below;
    this.all = all;
  }

  /** Restarts the count when an exchange begins. */
  void reset() {
    unused = 0;
  }

  /** Marks the socket as used; returns whether no exchange had used it before. */
  boolean isFirstUse() {
    boolean first = !hasBeenUsed;
    hasBeenUsed = true;
    return first;
  }

  /** Called when bytes of a body have reached their reader. */
  void onConsumed(long bytes) {
    unused = Math.max(0, unused - MOST_FOR_EACH * bytes);
  }

  private void onReceived(int bytes) throws TooLargeException {
    unused += bytes;
    if (unused > MOST_UNUSED && all.isCounting()) {
      throw tooManyUnread();
    }
  }

  /** Returns the exception for too many bytes of which none was for the reader of a body. */
  static TooLargeException tooManyUnread() {
    return new TooLargeException(
        "more than "
            + MOST_UNUSED
            + " bytes of headers, trailers or framing, and none of an answer");
  }

  private final class Counted extends InputStream {
    private final InputStream from;

    Counted(InputStream from) {
      this.from = from;
    }

    @Override
    public int read() throws IOException {
      int next = from.read();
      if (next >= 0) {
        onReceived(1);
      }
      return next;
    }

    @Override
    public int read(byte[] bytes, int offset, int length) throws IOException {
      int count = from.read(bytes, offset, length);
      if (count > 0) {
        onReceived(count);
      }
      return count;
    }

    @Override
    public int available() throws IOException {
      return from.available();
    }

    @Override
    public void close() throws IOException {
      from.close();
    }
  }

  @Override
  public InputStream getInputStream() throws IOException {
    InputStream made = in;
    if (made == null) {
      made = new Counted(below.getInputStream());
      in = made;
    }
    return made;
  }

  // All other methods delegate to the socket below.

  @Override
  public void connect(SocketAddress endpoint) throws IOException {
    below.connect(endpoint);
  }

  @Override
  public void connect(SocketAddress endpoint, int timeout) throws IOException {
    below.connect(endpoint, timeout);
  }

  @Override
  public void bind(@Nullable SocketAddress local) throws IOException {
    below.bind(local);
  }

  @Override
  public @Nullable InetAddress getInetAddress() {
    return below.getInetAddress();
  }

  @Override
  public InetAddress getLocalAddress() {
    return below.getLocalAddress();
  }

  @Override
  public int getPort() {
    return below.getPort();
  }

  @Override
  public int getLocalPort() {
    return below.getLocalPort();
  }

  @Override
  public @Nullable SocketAddress getRemoteSocketAddress() {
    return below.getRemoteSocketAddress();
  }

  @Override
  public @Nullable SocketAddress getLocalSocketAddress() {
    return below.getLocalSocketAddress();
  }

  @Override
  public @Nullable SocketChannel getChannel() {
    return below.getChannel();
  }

  @Override
  public OutputStream getOutputStream() throws IOException {
    return below.getOutputStream();
  }

  @Override
  public void setTcpNoDelay(boolean on) throws SocketException {
    below.setTcpNoDelay(on);
  }

  @Override
  public boolean getTcpNoDelay() throws SocketException {
    return below.getTcpNoDelay();
  }

  @Override
  public void setSoLinger(boolean on, int linger) throws SocketException {
    below.setSoLinger(on, linger);
  }

  @Override
  public int getSoLinger() throws SocketException {
    return below.getSoLinger();
  }

  @Override
  public void sendUrgentData(int data) throws IOException {
    below.sendUrgentData(data);
  }

  @Override
  public void setOOBInline(boolean on) throws SocketException {
    below.setOOBInline(on);
  }

  @Override
  public boolean getOOBInline() throws SocketException {
    return below.getOOBInline();
  }

  @Override
  public void setSoTimeout(int timeout) throws SocketException {
    below.setSoTimeout(timeout);
  }

  @Override
  public int getSoTimeout() throws SocketException {
    return below.getSoTimeout();
  }

  @Override
  public void setSendBufferSize(int size) throws SocketException {
    below.setSendBufferSize(size);
  }

  @Override
  public int getSendBufferSize() throws SocketException {
    return below.getSendBufferSize();
  }

  @Override
  public void setReceiveBufferSize(int size) throws SocketException {
    below.setReceiveBufferSize(size);
  }

  @Override
  public int getReceiveBufferSize() throws SocketException {
    return below.getReceiveBufferSize();
  }

  @Override
  public void setKeepAlive(boolean on) throws SocketException {
    below.setKeepAlive(on);
  }

  @Override
  public boolean getKeepAlive() throws SocketException {
    return below.getKeepAlive();
  }

  @Override
  public void setTrafficClass(int type) throws SocketException {
    below.setTrafficClass(type);
  }

  @Override
  public int getTrafficClass() throws SocketException {
    return below.getTrafficClass();
  }

  @Override
  public void setReuseAddress(boolean on) throws SocketException {
    below.setReuseAddress(on);
  }

  @Override
  public boolean getReuseAddress() throws SocketException {
    return below.getReuseAddress();
  }

  /**
   * Closes the socket, and isolates the connection pool from it: the pool closes sockets in the
   * middle of other calls' work, which an interrupt set by an application's socket must not end.
   */
  @Override
  public void close() throws IOException {
    Throwable thrown = UserCode.tellWithoutInterrupt(below::close);
    if (thrown instanceof IOException failure) {
      throw failure;
    }
  }

  @Override
  public void shutdownInput() throws IOException {
    below.shutdownInput();
  }

  @Override
  public void shutdownOutput() throws IOException {
    below.shutdownOutput();
  }

  @Override
  public boolean isConnected() {
    return below.isConnected();
  }

  @Override
  public boolean isBound() {
    return below.isBound();
  }

  @Override
  public boolean isClosed() {
    return below.isClosed();
  }

  @Override
  public boolean isInputShutdown() {
    return below.isInputShutdown();
  }

  @Override
  public boolean isOutputShutdown() {
    return below.isOutputShutdown();
  }

  @Override
  public void setPerformancePreferences(int connectionTime, int latency, int bandwidth) {
    below.setPerformancePreferences(connectionTime, latency, bandwidth);
  }

  @Override
  public <T> Socket setOption(SocketOption<T> name, @Nullable T value) throws IOException {
    below.setOption(name, value);
    return this;
  }

  @Override
  public <T> @Nullable T getOption(SocketOption<T> name) throws IOException {
    return below.getOption(name);
  }

  @Override
  public Set<SocketOption<?>> supportedOptions() {
    return below.supportedOptions();
  }

  @Override
  public String toString() {
    return below.toString();
  }
}
