// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.spring;

import dev.offmeter.LlmClient;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import org.springframework.context.SmartLifecycle;

/**
 * Waits for the calls under way when the application stops: after executors, schedulers and the web
 * server, which start calls, and before the clients are closed. Spring waits for it no longer than
 * {@code spring.lifecycle.timeout-per-shutdown-phase}; what runs then is ended by the close.
 */
final class OffmeterLifecycle implements SmartLifecycle {
  /** The web server stops in the phases 1024 and 2048 below the default one. */
  static final int PHASE = DEFAULT_PHASE - 3072;

  private static final long PAUSE_NANOS = 10_000_000;

  private final List<LlmClient> clients;
  private volatile boolean running;

  OffmeterLifecycle(List<LlmClient> clients) {
    this.clients = clients;
  }

  @Override
  public void start() {
    running = true;
  }

  @Override
  public boolean isRunning() {
    return running;
  }

  @Override
  public int getPhase() {
    return PHASE;
  }

  @Override
  public void stop() {
    running = false;
  }

  @Override
  public void stop(Runnable callback) {
    running = false;
    if (isIdle()) {
      callback.run();
      return;
    }
    Thread waiting = new Thread(() -> awaitIdle(callback), "offmeter-shutdown");
    waiting.setDaemon(true);
    waiting.start();
  }

  private void awaitIdle(Runnable callback) {
    while (!isIdle()) {
      LockSupport.parkNanos(PAUSE_NANOS);
    }
    callback.run();
  }

  private boolean isIdle() {
    return clients.stream().allMatch(client -> client.runningCalls() == 0);
  }
}
