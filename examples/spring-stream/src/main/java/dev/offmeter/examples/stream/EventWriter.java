// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples.stream;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.locks.ReentrantLock;
import tools.jackson.databind.json.JsonMapper;

/** Writes events of a page, each at once. For use by several threads. */
final class EventWriter {
  private final ReentrantLock lock = new ReentrantLock();
  private final OutputStream out;
  private final JsonMapper json;

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
      out.write(text.getBytes(StandardCharsets.UTF_8));
      out.flush();
    } finally {
      lock.unlock();
    }
  }
}
