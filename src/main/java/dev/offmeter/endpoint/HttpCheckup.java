// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.endpoint;

import dev.offmeter.FailureKind;
import dev.offmeter.wire.Check;
import dev.offmeter.wire.Failure;
import dev.offmeter.wire.Vitals;
import java.io.IOException;
import java.util.concurrent.Executor;
import okhttp3.Call;
import okhttp3.OkHttpClient;
import okhttp3.Request;
import okhttp3.Response;
import org.jspecify.annotations.Nullable;

/** A check over HTTP, with the credentials of a call and to the same origin. */
final class HttpCheckup implements Checkup, Progress {
  private final OkHttpClient client;
  private final Check check;
  private final Aside aside;
  private final Credentials credentials;
  private final Executor canceller;
  private volatile @Nullable Call call;
  private volatile boolean cancelled;
  private boolean connected;

  HttpCheckup(
      OkHttpClient client, EndpointSpec spec, Check check, Executor workers, Executor canceller) {
    this.client = client;
    this.check = check;
    this.canceller = canceller;
    this.aside = new Aside(workers);
    this.credentials = new Credentials(spec.headers(), aside);
  }

  @Override
  public Vitals run() {
    try {
      return redacted(ask(credentials.on(alone(), this)));
    } catch (Failure e) {
      return Vitals.of(Vitals.Sign.REFUSED, e);
    } catch (IOException e) {
      return redacted(Vitals.dead(failure(e)));
    } catch (Exception e) {
      return Vitals.of(Vitals.Sign.UNKNOWN, Failure.of(FailureKind.INTERNAL, Thrown.described(e)));
    }
  }

  /** No connection is kept for what is seldom asked. */
  private Request.Builder alone() {
    return check.request().get().header("Connection", "close");
  }

  private Vitals ask(Request http) throws IOException {
    Call asking = client.newCall(http);
    call = asking;
    if (cancelled) {
      asking.cancel();
    }
    AbandonableDns.enter(aside);
    try (Response reply = asking.execute()) {
      return check.judge().apply(HttpExchange.reply(reply));
    } finally {
      AbandonableDns.leave();
    }
  }

  private Failure failure(IOException e) {
    if (cancelled) {
      return connected
          ? Failure.of(FailureKind.UNRESPONSIVE, "no reply to a health check")
          : Failure.of(FailureKind.CONNECT_TIMEOUT, "no connection for a health check");
    }
    return connected ? TransportFailure.waiting(e) : TransportFailure.connecting(e);
  }

  private Vitals redacted(Vitals vitals) {
    Failure failure = vitals.failure();
    return failure == null
        ? vitals
        : Vitals.of(vitals.sign(), new Redactor(credentials.secrets()).clean(failure));
  }

  @Override
  public void cancel() {
    cancelled = true;
    aside.cancel();
    Call running = call;
    if (running != null) {
      canceller.execute(running::cancel);
    }
  }

  @Override
  public void connecting() {}

  @Override
  public void connected() {
    connected = true;
  }

  @Override
  public void piece() {}
}
