// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.endpoint;

import dev.offmeter.FailureKind;
import dev.offmeter.wire.Check;
import dev.offmeter.wire.Failure;
import dev.offmeter.wire.ForeignCode;
import dev.offmeter.wire.Reply;
import dev.offmeter.wire.Vitals;
import java.io.IOException;
import java.util.concurrent.Executor;
import okhttp3.OkHttpClient;
import okhttp3.Request;
import okhttp3.Response;

/**
 * A check over HTTP, with the credentials of a call and to the same origin, but over a connection
 * of its own. One that a call has left may lead nowhere: a router or a tunnel forgets it without a
 * word, and the server would seem dead.
 */
final class HttpCheckup implements Checkup, Progress {
  private final Check check;
  private final EndableCall call;
  private final Credentials credentials;
  private boolean connected;

  HttpCheckup(
      OkHttpClient client, EndpointSpec spec, Check check, Aside aside, Executor canceller) {
    this.check = check;
    this.call = new EndableCall(client, aside, canceller);
    this.credentials = new Credentials(spec.headers(), aside);
  }

  @Override
  public Vitals run() {
    try {
      return redacted(ask(credentials.on(alone(), this)));
    } catch (Failure e) {
      boolean ours = e.kind() == FailureKind.INTERNAL;
      return Vitals.of(ours ? Vitals.Sign.UNKNOWN : Vitals.Sign.REFUSED, e);
    } catch (IOException e) {
      return redacted(Vitals.withoutReply(failure(e)));
    } catch (Throwable e) {
      return Vitals.of(
          Vitals.Sign.UNKNOWN, Failure.of(FailureKind.INTERNAL, ForeignCode.described(e)));
    }
  }

  /** The connection is not kept here, and so need not be kept there. */
  private Request.Builder alone() {
    return check.request().get().header("Connection", "close");
  }

  private Vitals ask(Request http) throws IOException {
    try (Response head = call.execute(http)) {
      boolean mayTakeLong = check.loads() && head.code() == 200;
      Reply reply = mayTakeLong ? HttpExchange.patientReply(head) : HttpExchange.reply(head);
      if (call.isCancelled()) {
        throw new IOException("cancelled");
      }
      return check.judge().apply(reply);
    }
  }

  private Failure failure(IOException e) {
    if (call.isCancelled()) {
      return connected
          ? Failure.of(FailureKind.UNRESPONSIVE, "no reply to a " + what())
          : Failure.of(FailureKind.CONNECT_TIMEOUT, "no connection for a " + what());
    }
    return connected ? TransportFailure.waiting(e) : TransportFailure.connecting(e);
  }

  private String what() {
    return check.loads() ? "load of the model" : "health check";
  }

  private Vitals redacted(Vitals vitals) {
    Failure failure = vitals.failure();
    return failure == null
        ? vitals
        : Vitals.of(vitals.sign(), new Redactor(credentials.secrets()).clean(failure));
  }

  @Override
  public void cancel() {
    call.cancel();
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
