// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

import java.io.IOException;
import java.net.Socket;
import java.nio.channels.SocketChannel;

/**
 * Opens sockets whose blocking reads and writes end when their thread is interrupted. A plain
 * {@link Socket} ignores the interrupt of a platform thread; the socket of a channel is closed by
 * it ({@link java.nio.channels.InterruptibleChannel}). So a call can run on its caller's own
 * thread, which saves two thread switches.
 */
final class InterruptibleSocketFactory {
  private InterruptibleSocketFactory() {}

  /** Opens a socket that is not connected. */
  static Socket open() throws IOException {
    return SocketChannel.open().socket();
  }
}
