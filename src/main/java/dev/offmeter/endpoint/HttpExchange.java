// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.endpoint;

import dev.offmeter.ChatRequest;
import dev.offmeter.FailureKind;
import dev.offmeter.wire.Ending;
import dev.offmeter.wire.Failure;
import dev.offmeter.wire.Protocol;
import dev.offmeter.wire.Reading;
import dev.offmeter.wire.Reply;
import java.io.EOFException;
import java.io.IOException;
import java.net.SocketException;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import okhttp3.Call;
import okhttp3.OkHttpClient;
import okhttp3.Request;
import okhttp3.Response;
import okio.BufferedSource;
import org.jspecify.annotations.Nullable;

/** One HTTP request and its reply, on the caller's own thread. */
final class HttpExchange implements Exchange, Progress {
  private static final long REPLY_BYTES = 64 * 1024;

  /** How long after it was sent a request may find that its connection had been closed before. */
  private static final long STALE_NANOS = TimeUnit.SECONDS.toNanos(2);

  private static final String USER_AGENT = userAgent();

  private final OkHttpClient client;
  private final Protocol protocol;
  private final String model;
  private final List<Header> headers;
  private final ChatRequest request;
  private final Progress progress;
  private final Gathered gathered;
  private final Aside aside;
  private final Executor canceller;
  private final List<String> secrets = new ArrayList<>(2);
  private volatile @Nullable Call call;
  private volatile boolean cancelled;
  private boolean connected;
  private boolean reused;
  private boolean renewed;
  private long sent;
  private @Nullable Response response;
  private @Nullable Reading reading;

  HttpExchange(
      OkHttpClient client,
      EndpointSpec spec,
      ChatRequest request,
      Progress progress,
      Executor workers,
      Executor canceller) {
    this.client = client;
    this.canceller = canceller;
    this.protocol = Objects.requireNonNull(spec.protocol());
    this.model = spec.model();
    this.headers = spec.headers();
    this.request = request;
    this.progress = progress;
    this.gathered = new Gathered(progress);
    this.aside = new Aside(workers);
  }

  @Override
  public @Nullable Answer next() throws Failure {
    try {
      return answerIfComplete(reading == null ? ask(prepare()) : reading);
    } catch (Failure e) {
      throw e;
    } catch (Exception e) {
      // OkHttp waits for its connections in Kotlin, which lets this pass undeclared.
      if (e instanceof InterruptedException) {
        Thread.currentThread().interrupt();
      }
      throw Failure.of(FailureKind.INTERNAL, Thrown.described(e));
    }
  }

  @Override
  public Heard heard() {
    return gathered;
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
  public void connecting() {
    progress.connecting();
  }

  @Override
  public void connected() {
    connected = true;
    progress.connected();
  }

  @Override
  public void reused() {
    reused = true;
  }

  @Override
  public void piece() {
    progress.piece();
  }

  @Override
  public void close() {
    if (reading != null) {
      reading.close();
    }
    if (response != null) {
      response.close();
    }
  }

  private Reading ask(Request http) throws Failure {
    Call asking = client.newCall(http);
    call = asking;
    if (cancelled) {
      asking.cancel();
    }
    progress.connecting();
    reused = false;
    sent = System.nanoTime();
    AbandonableDns.enter(aside);
    try {
      Response head = asking.execute();
      response = head;
      if (head.code() != 200) {
        throw redacted(protocol.refused(reply(head)));
      }
      Reading begun = protocol.read(request, head.body(), gathered);
      reading = begun;
      return begun;
    } catch (IOException e) {
      if (isStale(e)) {
        renewed = true;
        return ask(prepare());
      }
      // An interceptor of the application's own may say anything.
      throw redacted(failure(e));
    } finally {
      AbandonableDns.leave();
    }
  }

  /**
   * Whether a kept connection turned out to be closed: llama-server (as observed on 0.7.0) and
   * others close theirs after a stream without saying so, and the next request crosses with it. The
   * server has not read such a request, so it is sent once more, over a new connection.
   */
  private boolean isStale(IOException e) {
    boolean unheard = reused && response == null && !renewed && !cancelled;
    boolean closed =
        e instanceof SocketException || TransportFailure.cause(e) instanceof EOFException;
    return unheard
        && closed
        && !Thread.currentThread().isInterrupted()
        && System.nanoTime() - sent < STALE_NANOS;
  }

  private @Nullable Answer answerIfComplete(Reading reading) throws Failure {
    try {
      Ending ending = reading.next();
      return ending == null ? null : shown(gathered.answer(request, ending, 200));
    } catch (Failure e) {
      throw redacted(e.status() == 0 ? e.withStatus(200) : e);
    } catch (IOException e) {
      throw redacted(TransportFailure.answering(e).withStatus(200));
    }
  }

  /** The name of a model is the server's word too. */
  private Answer shown(Answer answer) {
    return answer.model().equals(model)
        ? answer
        : answer.withModel(redactor().innocent(answer.model()));
  }

  private Failure redacted(Failure failure) {
    return redactor().clean(failure);
  }

  private Redactor redactor() {
    return new Redactor(secrets, request, gathered.text(), gathered.thinking());
  }

  private Failure failure(IOException e) {
    if (e instanceof Connected.ProxyLoginWanted) {
      return Failure.of(FailureKind.UNAUTHORIZED, "a proxy wants a login").withStatus(407);
    }
    return connected ? TransportFailure.waiting(e) : TransportFailure.connecting(e);
  }

  private static Reply reply(Response response) throws IOException {
    BufferedSource source = response.body().source();
    source.timeout().deadline(1, TimeUnit.SECONDS);
    try {
      source.request(REPLY_BYTES);
    } catch (IOException e) {
      // Cut or without end: the status and what has come say enough.
    }
    String body = source.readUtf8(Math.min(REPLY_BYTES, source.getBuffer().size()));
    return new Reply(response.code(), response.headers(), body);
  }

  private Request prepare() throws Failure {
    Request.Builder http =
        protocol
            .request(request)
            .header("User-Agent", USER_AGENT)
            // Compression would make a proxy hold the pieces back.
            .header("Accept-Encoding", "identity")
            .tag(Progress.class, this);
    for (Header header : headers) {
      http.header(header.name(), header.prefix() + value(header));
    }
    return http.build();
  }

  private String value(Header header) throws Failure {
    String fixed = header.fixedValue();
    String value = fixed != null ? fixed : supplied(header);
    secrets.add(value);
    return value;
  }

  private String supplied(Header header) throws Failure {
    String value = ask(header);
    if (value == null || value.isBlank()) {
      throw unusable(header, "is " + (value == null ? "null" : "blank"));
    }
    int illegal = Header.illegalCharacter(value);
    if (illegal >= 0) {
      throw unusable(header, "has a character that no header can hold, at position " + illegal);
    }
    return value;
  }

  private @Nullable String ask(Header header) throws Failure {
    Supplier<String> supplier = Objects.requireNonNull(header.supplier());
    try {
      return aside.call(supplier::get);
    } catch (ExecutionException e) {
      throw unusable(header, "could not be had: " + Thrown.described(e.getCause()));
    } catch (CancellationException e) {
      throw unusable(header, "was not supplied in time");
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw unusable(header, "was interrupted");
    }
  }

  private static Failure unusable(Header header, String why) {
    return Failure.of(
        FailureKind.UNAUTHORIZED, "the credential for header " + header.name() + " " + why);
  }

  private static String userAgent() {
    String version = HttpExchange.class.getPackage().getImplementationVersion();
    return version == null ? "offmeter" : "offmeter/" + version;
  }
}
