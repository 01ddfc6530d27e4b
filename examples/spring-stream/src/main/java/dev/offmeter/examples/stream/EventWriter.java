// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples.stream;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.locks.ReentrantLock;
import tools.jackson.databind.json.JsonMapper;

/**
 * Writes events of a page, each at once. For use by several threads. Nothing is written after its
 * close: a server uses the output of a request that has ended for the next one.
 */
final class EventWriter implements AutoCloseable {
  private final ReentrantLock lock = new ReentrantLock();
  private final OutputStream out;
  private final JsonMapper json;

  /** Guarded by the lock. */
  private boolean closed;

  EventWriter(OutputStream out, JsonMapper json) {
    this.out = out;
    this.json = json;
  }

  void send(BrowserEvent event) throws IOException {
    write("event:" + event.name() + "\ndata:" + json.writeValueAsString(event.data()) + "\n\n");
  }

  void comment() throws IOException {
    write(":\n\n");
  }

  private void write(String text) throws IOException {
    lock.lock();
    try {
      if (!closed) {
        out.write(text.getBytes(StandardCharsets.UTF_8));
        out.flush();
      }
    } finally {
      lock.unlock();
    }
  }

  @Override
  public void close() {
    lock.lock();
    try {
      closed = true;
    } finally {
      lock.unlock();
    }
  }
}
