// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.concurrent.TimeUnit;

/** An output that others can wait for. */
final class Watched extends ByteArrayOutputStream {
  @Override
  public synchronized void write(int b) {
    super.write(b);
    notifyAll();
  }

  @Override
  public synchronized void write(byte[] bytes, int from, int length) {
    super.write(bytes, from, length);
    notifyAll();
  }

  /** Returns when the text has been written; fails whoever waits for it too long. */
  synchronized void await(String text) throws IOException {
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
    while (!text().contains(text)) {
      long left = TimeUnit.NANOSECONDS.toMillis(end - System.nanoTime());
      if (left <= 0) {
        throw new IOException("not shown in time: " + text);
      }
      try {
        wait(left);
      } catch (InterruptedException e) {
        throw new IOException("interrupted while waiting for " + text, e);
      }
    }
  }

  synchronized String text() {
    return toString(UTF_8).replace("\r\n", "\n");
  }
}
