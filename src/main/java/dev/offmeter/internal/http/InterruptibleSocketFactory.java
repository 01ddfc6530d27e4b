// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

import java.io.IOException;
import java.net.Socket;
import java.nio.channels.SocketChannel;

/**
 * Sockets whose blocking reads and writes end when their thread is interrupted. A plain {@link
 * Socket} ignores the interrupt of a platform thread; one that belongs to a channel is closed by it
 * ({@link java.nio.channels.InterruptibleChannel}). That lets a call run on its caller's own thread
 * and spares it two thread switches.
 */
final class InterruptibleSocketFactory {
  private InterruptibleSocketFactory() {}

  /** One that is not connected. */
  static Socket open() throws IOException {
    return SocketChannel.open().socket();
  }
}
