// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

import dev.offmeter.internal.UserCode;
import java.io.IOException;
import java.util.concurrent.Executor;
import okhttp3.Call;
import okhttp3.OkHttpClient;
import okhttp3.Request;
import okhttp3.Response;
import org.jspecify.annotations.Nullable;

/**
 * Runs an HTTP call that any thread can cancel, wherever it waits: in a DNS lookup, for a
 * connection, for the reply. Run by one thread; {@link #cancel()} by any.
 */
final class CancellableCall {
  private final OkHttpClient client;
  private final OffloadedTask offloadedTask;
  private final Executor canceller;
  private volatile @Nullable Call call;
  private volatile boolean cancelled;

  CancellableCall(OkHttpClient client, OffloadedTask offloadedTask, Executor canceller) {
    this.client = client;
    this.offloadedTask = offloadedTask;
    this.canceller = canceller;
  }

  /** Sends the request and waits for the head of the reply. */
  Response execute(Request http) throws IOException {
    OkioWatchdog.start();
    Call asking = client.newCall(http);
    call = asking;
    if (cancelled) {
      asking.cancel();
    }
    CancellableDns.bind(offloadedTask);
    try {
      return asking.execute();
    } finally {
      CancellableDns.unbind();
    }
  }

  /** Closes the connection of the request in flight; another request may follow. */
  void closeConnection() {
    Call running = call;
    if (running != null) {
      canceller.execute(() -> UserCode.ignore(running::cancel));
    }
  }

  boolean isCancelled() {
    return cancelled;
  }

  /** Cancels the call and its offloaded task, and closes the connection. */
  void cancel() {
    cancelled = true;
    offloadedTask.cancel();
    closeConnection();
  }
}
