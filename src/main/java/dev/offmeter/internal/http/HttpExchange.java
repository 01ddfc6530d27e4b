// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

import dev.offmeter.ChatRequest;
import dev.offmeter.FailureKind;
import dev.offmeter.Locality;
import dev.offmeter.Usage;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.UserCode;
import dev.offmeter.internal.wire.ErrorResponse;
import dev.offmeter.internal.wire.HeapBudget;
import dev.offmeter.internal.wire.HeapBudget.TooLargeException;
import dev.offmeter.internal.wire.Protocol;
import dev.offmeter.internal.wire.ReplyReader;
import dev.offmeter.internal.wire.StreamEnd;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.util.List;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import okhttp3.Headers;
import okhttp3.OkHttpClient;
import okhttp3.Request;
import okhttp3.Response;
import okhttp3.ResponseBody;
import okio.BufferedSource;
import org.jspecify.annotations.Nullable;

/** Performs one HTTP request and reads its reply, on the caller's own thread. */
final class HttpExchange implements Exchange, ExchangeListener {
  private static final long REPLY_BYTES = 64 * 1024;

  /** A server may refuse several fields, one after the other. */
  private static final int ADAPTATIONS = 4;

  private static final Headers NO_HEADERS = new Headers.Builder().build();

  /**
   * The time from sending a request within which a loss means that its connection was closed
   * before.
   */
  private static final long STALE_NANOS = TimeUnit.SECONDS.toNanos(2);

  /**
   * The shorter window for a server that may bill both requests and is not reached over a tunnel of
   * one's own.
   */
  private static final String UNSENT = "abandoned before it was sent";

  private static final long STALE_NANOS_OF_MANAGED = TimeUnit.MILLISECONDS.toNanos(500);

  /**
   * The longest wait for the end of a reply whose answer is complete. The end comes at once or not
   * at all, and a connection without it cannot be reused.
   */
  private static final long MOST_FOR_THE_REST = TimeUnit.MILLISECONDS.toNanos(25);

  private final AdaptedProtocol adapted;
  private final String model;
  private final List<String> optionTexts;
  private final long staleNanos;
  private final Credentials credentials;
  private final ChatRequest request;
  private final ExchangeListener listener;
  private final AnswerAccumulator accumulator;
  private final HeapBudget heapBudget = new HeapBudget();
  private final CancellableCall call;
  private boolean limited;
  private boolean connected;
  private boolean begun;
  private boolean reused;
  private boolean retriedOnNewConnection;

  /**
   * The state of waiting for the first byte over a reused connection, which may be abandoned. The
   * reading thread and {@link #resend()} race for it.
   */
  private final AtomicReference<Wait> wait = new AtomicReference<>(Wait.NONE);

  private final IdleConnections connections;
  private int generation;
  private boolean sharesFate;

  /** True if the other end closed a reused connection before a byte of the reply. */
  private boolean stale;

  private long sent;
  private Protocol protocol;
  private Protocol.@Nullable Adaptation adaptation;
  private int adaptations;
  private @Nullable AttemptException refusal;
  private @Nullable Response response;
  private @Nullable ResponseBody body;
  private @Nullable ReplyReader replyReader;

  /** Written by the thread that reads; read by the one that ends a hedged call. */
  /** Null until the answer is complete. */
  private volatile @Nullable Usage usage;

  private enum Wait {
    NONE,
    ON_KEPT,
    GIVEN_UP
  }

  HttpExchange(
      OkHttpClient client,
      IdleConnections connections,
      EndpointConfig config,
      AdaptedProtocol adapted,
      ChatRequest request,
      ExchangeListener listener,
      OffloadedTask offloadedTask,
      Executor canceller) {
    this.connections = connections;
    this.adapted = adapted;
    this.adaptation = adapted.takePostponed();
    this.protocol = adaptation == null ? adapted.get() : adaptation.protocol();
    this.model = config.model();
    this.optionTexts = config.optionTexts();
    this.staleNanos =
        config.locality() == Locality.SELF_HOSTED ? STALE_NANOS : STALE_NANOS_OF_MANAGED;
    this.request = request;
    this.listener = listener;
    this.accumulator = new AnswerAccumulator(listener, request);
    this.call = new CancellableCall(client, offloadedTask, canceller);
    this.credentials = new Credentials(config.headers(), offloadedTask);
  }

  @Override
  public @Nullable ExchangeResult next() throws AttemptException {
    try {
      ExchangeResult answer =
          answerIfComplete(
              replyReader == null
                  ? send(credentials.apply(protocol.request(request), this))
                  : replyReader);
      if (answer == null) {
        accumulator.checkWithdrawals();
        accumulator.checkRepetition();
        if (limited) {
          accumulator.checkLimit();
        }
      }
      return answer;
    } catch (AttemptException | LinkageError e) {
      // FailoverCall explains a library that does not fit, for all attempts in one place.
      throw e;
    } catch (OutOfMemoryError e) {
      throw UserCode.isForThreads(e)
          ? AttemptException.of(FailureKind.INTERNAL, UserCode.NO_THREAD)
          : AttemptException.of(
              FailureKind.RESPONSE_TOO_LARGE, "no memory was left for the answer");
    } catch (Throwable e) {
      // Interceptors and whatever else an application's OkHttpClient brings may throw anything.
      UserCode.keepInterrupt(e);
      throw AttemptException.of(FailureKind.INTERNAL, UserCode.describe(e));
    }
  }

  @Override
  public PartialAnswer partialAnswer() {
    return accumulator;
  }

  @Override
  public Usage usage() {
    Usage ofWhole = usage;
    return ofWhole == null ? accumulator.usage() : ofWhole;
  }

  @Override
  public void cancel() {
    call.cancel();
  }

  @Override
  public void onConnecting() {
    listener.onConnecting();
  }

  @Override
  public void onConnected() {
    connected = true;
    listener.onConnected();
  }

  @Override
  public void onConnectionReused() {
    reused = true;
    if (!retriedOnNewConnection) {
      wait.set(Wait.ON_KEPT);
    }
    listener.onConnectionReused();
  }

  @Override
  public boolean isGivenUp() {
    return listener.isGivenUp();
  }

  @Override
  public boolean isNewConnectionRequired() {
    return retriedOnNewConnection;
  }

  @Override
  public void onReply() {
    listener.onReply();
  }

  @Override
  public boolean resend() {
    boolean begins = wait.compareAndSet(Wait.ON_KEPT, Wait.GIVEN_UP);
    if (begins) {
      call.closeConnection();
    }
    return begins;
  }

  @Override
  public boolean isConnectionSuspect() {
    return sharesFate || stale;
  }

  @Override
  public void onDelta() {
    listener.onDelta();
  }

  @Override
  public void close() {
    close(MOST_FOR_THE_REST);
  }

  /**
   * Closes the exchange. On close, OkHttp reads a reply to its end unless a deadline on its source
   * is sooner.
   */
  @Override
  public void close(long nanos) {
    if (reused && response == null) {
      reused = false;
      sharesFate = !connections.dropIdle(generation);
    }
    heapBudget.release();
    Response head = response;
    if (head == null) {
      return;
    }
    // Okio's watchdog thread may have ended for want of work while the answer came.
    OkioWatchdog.start();
    long until = System.nanoTime() + Math.max(0, Math.min(nanos, MOST_FOR_THE_REST));
    UserCode.ignore(() -> head.body().source().timeout().deadlineNanoTime(until));
    close(replyReader);
    close(body);
    body = null;
    close(head);
  }

  /**
   * Closes a part of the response; an interceptor may have replaced the body, and its close may
   * throw.
   */
  private static void close(@Nullable AutoCloseable part) {
    if (part != null) {
      UserCode.ignore(part::close);
    }
  }

  private ReplyReader send(Request http) throws AttemptException {
    makeBody(http);
    listener.onConnecting();
    connected = false;
    reused = false;
    generation = connections.generation();
    sent = System.nanoTime();
    try {
      Response head = call.execute(http);
      if (endWait()) {
        head.close();
        return sendOnNewConnection();
      }
      if (isStaleTimeout(head)) {
        head.close();
        return resendOnce(
            AttemptException.of(FailureKind.CONNECTION_LOST, "the reused connection had timed out")
                .withStatus(408));
      }
      response = head;
      // ngrok sends its browser warning as HTTP 200, marked by this header.
      if (head.code() != 200 || head.header("ngrok-error-code") != null) {
        return sendAdapted(reply(head), head.request().url().encodedPath());
      }
      ResponseBody plain = DecompressingSource.body(head);
      body = plain;
      listener.onReply();
      ReplyReader begun = protocol.read(request, plain, accumulator);
      replyReader = begun;
      limited = protocol.isOutputLimited();
      return begun;
    } catch (IOException e) {
      if (endWait() || isUnsent(e)) {
        return sendOnNewConnection();
      }
      if (e instanceof ConnectionInterceptor.GivenUpException) {
        throw AttemptException.of(FailureKind.CANCELLED, UNSENT);
      }
      // An interceptor's message may hold anything.
      AttemptException failure = redacted(failure(e));
      if (!isStaleConnection(e)) {
        throw failure;
      }
      if (!isWithinStaleWindow()) {
        stale = true;
        throw failure;
      }
      return resendOnce(failure);
    }
  }

  /** Sends the request again over a new connection, unless a rate limit leaves no room for it. */
  private ReplyReader resendOnce(AttemptException lost) throws AttemptException {
    stale = true;
    try {
      listener.onResend();
    } catch (AttemptException spent) {
      throw lost.withMessage(lost.message() + " (not sent once more: " + spent.message() + ")");
    }
    return sendOnNewConnection();
  }

  /** Makes the request's body while only the attempt's timeout runs: a prompt may be long. */
  private void makeBody(Request http) throws AttemptException {
    try {
      Protocol.prepareBody(http, this::isUnwanted);
    } catch (InterruptedIOException e) {
      throw AttemptException.of(FailureKind.CANCELLED, UNSENT);
    }
  }

  private boolean isUnwanted() {
    return call.isCancelled() || Thread.currentThread().isInterrupted();
  }

  /**
   * Ends the wait for the first byte; returns whether the connection had been abandoned meanwhile.
   */
  private boolean endWait() {
    return wait.getAndSet(Wait.NONE) == Wait.GIVEN_UP && !call.isCancelled();
  }

  /**
   * Returns whether the reply is an HTTP 408 for the idle connection and not for this request:
   * HAProxy and others send one when a connection has idled too long, and it is read as the reply
   * to the next request.
   */
  private boolean isStaleTimeout(Response head) {
    return head.code() == 408
        && reused
        && !retriedOnNewConnection
        && isWithinStaleWindow()
        && !call.isCancelled();
  }

  /**
   * Sends the request over a new connection, and drops the others that idled beside the old one.
   */
  private ReplyReader sendOnNewConnection() throws AttemptException {
    retriedOnNewConnection = true;
    stale = false;
    connections.dropIdle(generation);
    return send(credentials.apply(protocol.request(request), this));
  }

  /** Sends an adapted request if the refusal leaves one, else throws the refusal. */
  private ReplyReader sendAdapted(ErrorResponse reply, String path) throws AttemptException {
    AttemptException refused = redacted(withPath(protocol.refused(reply), path));
    Protocol.Adaptation other = adaptationFor(reply);
    if (other == null) {
      throw firstPathFailure(refused);
    }
    refusal = refused;
    return send(other);
  }

  private static AttemptException withPath(AttemptException refused, String path) {
    return refused.kind() == FailureKind.PATH_NOT_FOUND
        ? refused.withMessage(refused.message() + " (asked for " + path + ")")
        : refused;
  }

  private Protocol.@Nullable Adaptation adaptationFor(ErrorResponse reply) {
    return adaptations < ADAPTATIONS && !call.isCancelled()
        ? protocol.adapted(request, reply, adapted.isKnown())
        : null;
  }

  private ReplyReader send(Protocol.Adaptation other) throws AttemptException {
    close();
    response = null;
    replyReader = null;
    adaptations++;
    requestPermission(other);
    adaptation = other;
    protocol = other.protocol();
    return send(credentials.apply(protocol.request(request), this));
  }

  /** Asks for permission to send another request, which counts against a rate limit. */
  private void requestPermission(Protocol.Adaptation other) throws AttemptException {
    try {
      listener.onResend();
    } catch (AttemptException spent) {
      adapted.postpone(other);
      throw spent;
    }
  }

  /**
   * Returns the failure of the first path: that nothing answers at another path either adds
   * nothing.
   */
  private AttemptException firstPathFailure(AttemptException failure) {
    AttemptException before = refusal;
    boolean nowhere =
        failure.kind() == FailureKind.PATH_NOT_FOUND
            || failure.kind() == FailureKind.UNEXPECTED_RESPONSE;
    return before != null && before.kind() == FailureKind.PATH_NOT_FOUND && nowhere
        ? before
        : failure;
  }

  /**
   * Returns whether a reused connection turned out to be closed. llama-server (as observed on
   * 0.7.0) and others close theirs after a stream without announcing it, and the next request
   * crosses with the close. The server has not read such a request, so it is sent once more, over a
   * new connection.
   */
  private boolean isStaleConnection(IOException e) {
    boolean unheard = reused && response == null && !retriedOnNewConnection && !call.isCancelled();
    return unheard && IoFailureClassifier.isOfClosed(e) && !Thread.currentThread().isInterrupted();
  }

  /** Returns whether nothing was sent. Each retry drops pooled connections, so that this ends. */
  private boolean isUnsent(IOException e) {
    return e instanceof ConnectionInterceptor.UnusableConnectionException && !call.isCancelled();
  }

  private boolean isWithinStaleWindow() {
    return System.nanoTime() - sent < staleNanos;
  }

  private @Nullable ExchangeResult answerIfComplete(ReplyReader reader) throws AttemptException {
    try {
      StreamEnd streamEnd = reader.next();
      if (streamEnd != null) {
        usage = streamEnd.usage();
      } else {
        heapBudget.keep(accumulator.length() + reader.kept());
      }
      if (!begun && (streamEnd != null || !accumulator.isEmpty())) {
        begun = true;
        adapted.onAnswer(adaptation);
      }
      return streamEnd == null
          ? null
          : withPrintableModel(accumulator.answer(request, streamEnd, 200));
    } catch (AttemptException e) {
      Protocol.Adaptation other = accumulator.isEmpty() ? adaptationFor(inBandReply(e)) : null;
      if (other == null) {
        throw firstPathFailure(redacted(e.status() == 0 ? e.withStatus(200) : e));
      }
      refusal = redacted(e.withStatus(200));
      send(other);
      return null;
    } catch (IOException e) {
      throw redacted(IoFailureClassifier.answering(e).withStatus(200));
    }
  }

  /** Treats an error in place of an answer as a refusal. */
  private static ErrorResponse inBandReply(AttemptException failure) {
    int status = failure.kind() == FailureKind.PATH_NOT_FOUND ? 404 : 200;
    return new ErrorResponse(status, NO_HEADERS, failure.message());
  }

  /** Redacts the name of the model, which is the server's text too. */
  private ExchangeResult withPrintableModel(ExchangeResult answer) {
    return answer.model().equals(model)
        ? answer
        : answer.withModel(redactor().harmless(answer.model()));
  }

  private AttemptException redacted(AttemptException failure) {
    return redactor().redact(failure);
  }

  private Redactor redactor() {
    return new Redactor(
        credentials.secrets(), model, request, optionTexts, accumulator.writtenTexts());
  }

  private AttemptException failure(IOException e) {
    return connected ? IoFailureClassifier.waiting(e) : IoFailureClassifier.connecting(e);
  }

  /** Reads the beginning of a reply that is not an answer. */
  static ErrorResponse reply(Response response) throws IOException {
    return promptReply(response, REPLY_BYTES);
  }

  /** Reads at most so many bytes of a reply whose body must come within a second. */
  static ErrorResponse promptReply(Response response, long most) throws IOException {
    OkioWatchdog.start();
    response.body().source().timeout().deadline(1, TimeUnit.SECONDS);
    return reply(response, most);
  }

  /** Reads a reply whose body may take as long as its reader permits. */
  static ErrorResponse patientReply(Response response) throws IOException {
    return reply(response, REPLY_BYTES);
  }

  /** Reads at most so many bytes of a reply. */
  static ErrorResponse reply(Response response, long most) throws IOException {
    return new ErrorResponse(response.code(), response.headers(), beginning(response, most));
  }

  private static String beginning(Response response, long most) throws IOException {
    try (ResponseBody body = DecompressingSource.body(response)) {
      BufferedSource source = body.source();
      request(source, most, response.code());
      return legible(source.readUtf8(Math.min(most, source.getBuffer().size())));
    } catch (AttemptException unknown) {
      return unknown.message();
    }
  }

  private static void request(BufferedSource source, long most, int status) throws IOException {
    try {
      source.request(most);
    } catch (IOException e) {
      // A body may be cut or never end: its status and the bytes so far are enough.
      if (status == 200 && IoFailureClassifier.cause(e) instanceof TooLargeException) {
        throw e;
      }
    }
  }

  /** Replaces binary content, which must not get into a log. */
  private static String legible(String body) {
    long odd = body.chars().filter(HttpExchange::isOdd).count();
    boolean control = body.chars().anyMatch(c -> c < ' ' && "\t\n\f\r\u001b".indexOf(c) < 0);
    return control || odd * 10 > body.length()
        ? "a body that is not text"
        : odd == 0 ? body : body.replace('\ufffd', '?');
  }

  private static boolean isOdd(int c) {
    return c == '\ufffd';
  }
}
