// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.endpoint;

import dev.offmeter.wire.ForeignCode;
import java.io.IOException;
import java.util.concurrent.Executor;
import okhttp3.Call;
import okhttp3.OkHttpClient;
import okhttp3.Request;
import okhttp3.Response;
import org.jspecify.annotations.Nullable;

/**
 * An HTTP call that any thread can end, wherever it waits: in a lookup, for a connection, for the
 * reply. Run by one thread; {@link #cancel()} by any.
 */
final class EndableCall {
  private final OkHttpClient client;
  private final Aside aside;
  private final Executor canceller;
  private volatile @Nullable Call call;
  private volatile boolean cancelled;

  EndableCall(OkHttpClient client, Aside aside, Executor canceller) {
    this.client = client;
    this.aside = aside;
    this.canceller = canceller;
  }

  /** Sends the request, and waits for the head of the reply. */
  Response execute(Request http) throws IOException {
    OkioWatchdog.start();
    Call asking = client.newCall(http);
    call = asking;
    if (cancelled) {
      asking.cancel();
    }
    AbandonableDns.enter(aside);
    try {
      return asking.execute();
    } finally {
      AbandonableDns.leave();
    }
  }

  /** Closes the connection of the request that is under way; another may be sent. */
  void abandon() {
    Call running = call;
    if (running != null) {
      canceller.execute(() -> ForeignCode.ignore(running::cancel));
    }
  }

  boolean isCancelled() {
    return cancelled;
  }

  /** Ends it, and what runs aside for it; closes the connection. */
  void cancel() {
    cancelled = true;
    aside.cancel();
    abandon();
  }
}
