// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.testing;

import static dev.offmeter.testing.Loopback.awaitSoon;

import java.util.Arrays;
import java.util.concurrent.CompletableFuture;
import java.util.function.Supplier;

/** Reads from a socket on a thread of its own. */
public final class SocketReader {
  private SocketReader() {}

  /** Returns the result of {@code read}, once its thread waits for the socket. */
  public static <T> CompletableFuture<T> startReading(Supplier<T> read) {
    CompletableFuture<T> result = new CompletableFuture<>();
    Thread thread =
        new Thread(() -> result.completeAsync(read, Runnable::run), "test-socket-reader");
    thread.start();
    awaitSoon(() -> result.isDone() || isReading(thread));
    return result;
  }

  private static boolean isReading(Thread thread) {
    return Arrays.stream(thread.getStackTrace())
        .anyMatch(frame -> frame.getClassName().startsWith("sun.nio.ch."));
  }
}
