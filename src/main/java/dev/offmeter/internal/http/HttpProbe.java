// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.UserCode;
import dev.offmeter.internal.wire.ErrorResponse;
import dev.offmeter.internal.wire.ProbeRequest;
import dev.offmeter.internal.wire.ProbeResult;
import java.io.IOException;
import java.util.concurrent.Executor;
import okhttp3.OkHttpClient;
import okhttp3.Request;
import okhttp3.Response;

/**
 * Sends a probe over HTTP, with the credentials of a call and to the same origin, but over a
 * connection of its own. A router or a tunnel may have dropped a pooled one silently, and the
 * server would seem dead.
 */
final class HttpProbe implements Probe, ExchangeListener {
  private final ProbeRequest probeRequest;
  private final CancellableCall call;
  private final Credentials credentials;
  private boolean connected;

  HttpProbe(
      OkHttpClient client,
      EndpointConfig config,
      ProbeRequest probeRequest,
      OffloadedTask offloadedTask,
      Executor canceller) {
    this.probeRequest = probeRequest;
    this.call = new CancellableCall(client, offloadedTask, canceller);
    this.credentials = new Credentials(config.headers(), offloadedTask);
  }

  @Override
  public ProbeResult run() {
    try {
      return redact(send(credentials.apply(alone(), this)));
    } catch (AttemptException e) {
      boolean ours = e.kind() == FailureKind.INTERNAL;
      return ProbeResult.of(ours ? ProbeResult.Status.UNKNOWN : ProbeResult.Status.UNAUTHORIZED, e);
    } catch (IOException e) {
      return redact(ProbeResult.withoutReply(failure(e)));
    } catch (Throwable e) {
      return ProbeResult.of(
          ProbeResult.Status.UNKNOWN,
          AttemptException.of(FailureKind.INTERNAL, UserCode.describe(e)));
    }
  }

  /** Returns the request with {@code Connection: close}: a probe's connection is not reused. */
  private Request.Builder alone() {
    return probeRequest.request().get().header("Connection", "close");
  }

  private ProbeResult send(Request http) throws IOException {
    try (Response head = call.execute(http)) {
      boolean mayTakeLong = probeRequest.loading() && head.code() == 200;
      ErrorResponse reply =
          mayTakeLong
              ? HttpExchange.patientReply(head)
              : HttpExchange.promptReply(head, probeRequest.mostBytes());
      if (call.isCancelled()) {
        throw new IOException("cancelled");
      }
      return probeRequest.reader().apply(reply);
    }
  }

  private AttemptException failure(IOException e) {
    if (call.isCancelled()) {
      return connected
          ? AttemptException.of(FailureKind.UNRESPONSIVE, "no reply to a " + subject())
          : AttemptException.of(FailureKind.CONNECT_TIMEOUT, "no connection for a " + subject());
    }
    return connected ? IoFailureClassifier.waiting(e) : IoFailureClassifier.connecting(e);
  }

  private String subject() {
    return probeRequest.loading() ? "load of the model" : "health check";
  }

  private ProbeResult redact(ProbeResult probeResult) {
    AttemptException failure = probeResult.failure();
    return failure == null
        ? probeResult
        : ProbeResult.of(probeResult.status(), new Redactor(credentials.secrets()).redact(failure))
            .withTraits(probeResult.traits());
  }

  @Override
  public void cancel() {
    call.cancel();
  }

  @Override
  public void onConnecting() {}

  @Override
  public void onConnected() {
    connected = true;
  }

  @Override
  public void onDelta() {}
}
