// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.testing;

import dev.offmeter.ChatRequest;
import dev.offmeter.LlmClient;
import org.jspecify.annotations.Nullable;

/** Runs one call on a thread that a test interrupts. */
public final class InterruptibleCaller {
  private final Thread thread;
  private volatile @Nullable Throwable thrown;
  private volatile boolean flag;

  private InterruptibleCaller(LlmClient client, ChatRequest request) {
    thread = new Thread(() -> call(client, request), "test-caller");
  }

  /** Starts a thread, and returns once it has begun its call. */
  public static InterruptibleCaller start(LlmClient client, ChatRequest request) {
    InterruptibleCaller caller = new InterruptibleCaller(client, request);
    caller.thread.start();
    return caller;
  }

  private void call(LlmClient client, ChatRequest request) {
    try {
      client.chat(request);
    } catch (Throwable e) {
      thrown = e;
    }
    flag = Thread.currentThread().isInterrupted();
  }

  /** Interrupts the thread, and waits for the call to end, but no longer than a second. */
  public void interrupt() throws InterruptedException {
    thread.interrupt();
    thread.join(1000);
  }

  /** Returns what the call threw; null while it has not ended. */
  public @Nullable Throwable thrown() {
    return thrown;
  }

  /** Returns whether the thread's interrupt flag was set when the call had ended. */
  public boolean isInterruptFlagSet() {
    return flag;
  }
}
