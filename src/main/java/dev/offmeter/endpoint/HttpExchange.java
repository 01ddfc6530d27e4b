// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.endpoint;

import dev.offmeter.ChatRequest;
import dev.offmeter.FailureKind;
import dev.offmeter.Locality;
import dev.offmeter.wire.Ending;
import dev.offmeter.wire.Failure;
import dev.offmeter.wire.ForeignCode;
import dev.offmeter.wire.HeapShare;
import dev.offmeter.wire.HeapShare.TooLarge;
import dev.offmeter.wire.Protocol;
import dev.offmeter.wire.Reading;
import dev.offmeter.wire.Reply;
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

/** One HTTP request and its reply, on the caller's own thread. */
final class HttpExchange implements Exchange, Progress {
  private static final long REPLY_BYTES = 64 * 1024;

  /** A server may refuse several fields, one after the other. */
  private static final int ADAPTATIONS = 4;

  private static final Headers NO_HEADERS = new Headers.Builder().build();

  /** How long after it was sent a request may find that its connection had been closed before. */
  private static final long STALE_NANOS = TimeUnit.SECONDS.toNanos(2);

  /** The same for a server that may bill both, and is reached over no tunnel of one's own. */
  private static final long STALE_NANOS_OF_MANAGED = TimeUnit.MILLISECONDS.toNanos(500);

  /**
   * How long the end of a reply may take whose answer is whole. It comes at once or not at all; and
   * a connection without it can be used no more.
   */
  private static final long MOST_FOR_THE_REST = TimeUnit.MILLISECONDS.toNanos(25);

  private final AdaptedProtocol adapted;
  private final String model;
  private final List<String> optionTexts;
  private final long staleNanos;
  private final Credentials credentials;
  private final ChatRequest request;
  private final Progress progress;
  private final Gathered gathered;
  private final HeapShare share = new HeapShare();
  private final EndableCall call;
  private boolean limited;
  private boolean connected;
  private boolean begun;
  private boolean reused;
  private boolean renewed;

  /** Whether no byte has come over a kept connection, and whether that is being given up. */
  private final AtomicReference<Wait> wait = new AtomicReference<>(Wait.NONE);

  private final KeptConnections connections;
  private int generation;
  private boolean sharesFate;

  /** Whether the other end closed a kept connection before a byte of the reply. */
  private boolean stale;

  private long sent;
  private Protocol protocol;
  private Protocol.@Nullable Adaptation adaptation;
  private int adaptations;
  private @Nullable Failure refusal;
  private @Nullable Response response;
  private @Nullable ResponseBody body;
  private @Nullable Reading reading;

  private enum Wait {
    NONE,
    ON_KEPT,
    GIVEN_UP
  }

  HttpExchange(
      OkHttpClient client,
      KeptConnections connections,
      EndpointSpec spec,
      AdaptedProtocol adapted,
      ChatRequest request,
      Progress progress,
      Aside aside,
      Executor canceller) {
    this.connections = connections;
    this.adapted = adapted;
    this.adaptation = adapted.takePostponed();
    this.protocol = adaptation == null ? adapted.get() : adaptation.protocol();
    this.model = spec.model();
    this.optionTexts = spec.optionTexts();
    this.staleNanos =
        spec.locality() == Locality.SELF_HOSTED ? STALE_NANOS : STALE_NANOS_OF_MANAGED;
    this.request = request;
    this.progress = progress;
    this.gathered = new Gathered(progress, request.maxTokens());
    this.call = new EndableCall(client, aside, canceller);
    this.credentials = new Credentials(spec.headers(), aside);
  }

  @Override
  public @Nullable Answer next() throws Failure {
    try {
      Answer answer =
          answerIfComplete(
              reading == null ? ask(credentials.on(protocol.request(request), this)) : reading);
      if (answer == null) {
        gathered.checkWithdrawals();
        if (limited) {
          gathered.checkLimit();
        }
      }
      return answer;
    } catch (Failure | LinkageError e) {
      // A library that does not fit is named where all attempts end.
      throw e;
    } catch (OutOfMemoryError e) {
      throw ForeignCode.isForThreads(e)
          ? Failure.of(FailureKind.INTERNAL, ForeignCode.NO_THREAD)
          : Failure.of(FailureKind.RESPONSE_TOO_LARGE, "no memory was left for the answer");
    } catch (Throwable e) {
      // Interceptors and all else that an OkHttpClient brings.
      ForeignCode.keepInterrupt(e);
      throw Failure.of(FailureKind.INTERNAL, ForeignCode.described(e));
    }
  }

  @Override
  public Heard heard() {
    return gathered;
  }

  @Override
  public void cancel() {
    call.cancel();
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
    if (!renewed) {
      wait.set(Wait.ON_KEPT);
    }
    progress.reused();
  }

  @Override
  public boolean wantsNewConnection() {
    return renewed;
  }

  @Override
  public void replied() {
    progress.replied();
  }

  @Override
  public boolean resend() {
    boolean begins = wait.compareAndSet(Wait.ON_KEPT, Wait.GIVEN_UP);
    if (begins) {
      call.abandon();
    }
    return begins;
  }

  @Override
  public boolean sharesFate() {
    return sharesFate || stale;
  }

  @Override
  public void piece() {
    progress.piece();
  }

  @Override
  public void close() {
    close(MOST_FOR_THE_REST);
  }

  /** OkHttp reads a reply to its end when it is closed, as long as no clock of ours is sooner. */
  @Override
  public void close(long nanos) {
    if (reused && response == null) {
      reused = false;
      sharesFate = !connections.drop(generation);
    }
    share.release();
    Response head = response;
    if (head == null) {
      return;
    }
    // The answer may have taken longer than a watchdog waits for work.
    OkioWatchdog.start();
    long until = System.nanoTime() + Math.max(0, Math.min(nanos, MOST_FOR_THE_REST));
    ForeignCode.ignore(() -> head.body().source().timeout().deadlineNanoTime(until));
    close(reading);
    close(body);
    body = null;
    close(head);
  }

  /** An interceptor may have put a body of its own into it. */
  private static void close(@Nullable AutoCloseable part) {
    if (part != null) {
      ForeignCode.ignore(part::close);
    }
  }

  private Reading ask(Request http) throws Failure {
    makeBody(http);
    progress.connecting();
    connected = false;
    reused = false;
    generation = connections.generation();
    sent = System.nanoTime();
    try {
      Response head = call.execute(http);
      if (isGivenUp()) {
        head.close();
        return askAnew();
      }
      if (isUnasked(head)) {
        head.close();
        return askOnceMore(
            Failure.of(FailureKind.CONNECTION_LOST, "the kept connection had timed out")
                .withStatus(408));
      }
      response = head;
      // ngrok's page for browsers is an HTTP 200, which its header tells from the server's.
      if (head.code() != 200 || head.header("ngrok-error-code") != null) {
        return askOtherwise(reply(head), head.request().url().encodedPath());
      }
      ResponseBody plain = Decoded.body(head);
      body = plain;
      progress.replied();
      Reading begun = protocol.read(request, plain, gathered);
      reading = begun;
      limited = protocol.limitsOutput();
      return begun;
    } catch (IOException e) {
      if (isGivenUp() || isUnsent(e)) {
        return askAnew();
      }
      // An interceptor of the application's own may say anything.
      Failure failure = redacted(failure(e));
      if (!isOfStale(e)) {
        throw failure;
      }
      if (!isSoon()) {
        stale = true;
        throw failure;
      }
      return askOnceMore(failure);
    }
  }

  /** Over a new connection; not if a rate leaves no room for a further request. */
  private Reading askOnceMore(Failure lost) throws Failure {
    stale = true;
    try {
      progress.askingAgain();
    } catch (Failure spent) {
      throw lost.withMessage(lost.message() + " (not sent once more: " + spent.message() + ")");
    }
    return askAnew();
  }

  /** While no other clock runs than that of the attempt: the text of a prompt may be long. */
  private void makeBody(Request http) throws Failure {
    try {
      Protocol.makeBody(http, this::isUnwanted);
    } catch (InterruptedIOException e) {
      throw Failure.of(FailureKind.CANCELLED, "given up before it was sent");
    }
  }

  private boolean isUnwanted() {
    return call.isCancelled() || Thread.currentThread().isInterrupted();
  }

  /** Ends the wait for the first byte. */
  private boolean isGivenUp() {
    return wait.getAndSet(Wait.NONE) == Wait.GIVEN_UP && !call.isCancelled();
  }

  /**
   * Whether it is no reply to this request: HAProxy and others say HTTP 408 on a connection that
   * has idled for too long, where it lies until the next request.
   */
  private boolean isUnasked(Response head) {
    return head.code() == 408 && reused && !renewed && isSoon() && !call.isCancelled();
  }

  /** Over a new connection: those that have idled beside the old one are dropped with it. */
  private Reading askAnew() throws Failure {
    renewed = true;
    stale = false;
    connections.drop(generation);
    return ask(credentials.on(protocol.request(request), this));
  }

  /** Asks once more, in a way that the refusal leaves open. */
  private Reading askOtherwise(Reply reply, String path) throws Failure {
    Failure refused = redacted(withPath(protocol.refused(reply), path));
    Protocol.Adaptation other = otherWay(reply);
    if (other == null) {
      throw ofTheFirstPath(refused);
    }
    refusal = refused;
    return ask(other);
  }

  private static Failure withPath(Failure refused, String path) {
    return refused.kind() == FailureKind.PATH_NOT_FOUND
        ? refused.withMessage(refused.message() + " (asked for " + path + ")")
        : refused;
  }

  private Protocol.@Nullable Adaptation otherWay(Reply reply) {
    return adaptations < ADAPTATIONS && !call.isCancelled()
        ? protocol.adapted(request, reply, adapted.isKnown())
        : null;
  }

  private Reading ask(Protocol.Adaptation other) throws Failure {
    close();
    response = null;
    reading = null;
    adaptations++;
    askPermission(other);
    adaptation = other;
    protocol = other.protocol();
    return ask(credentials.on(protocol.request(request), this));
  }

  /** A request within a rate costs one more. */
  private void askPermission(Protocol.Adaptation other) throws Failure {
    try {
      progress.askingAgain();
    } catch (Failure spent) {
      adapted.postpone(other);
      throw spent;
    }
  }

  /** That there is nothing at another path either is no news: the one that was meant is named. */
  private Failure ofTheFirstPath(Failure failure) {
    Failure before = refusal;
    boolean nowhere =
        failure.kind() == FailureKind.PATH_NOT_FOUND
            || failure.kind() == FailureKind.UNEXPECTED_RESPONSE;
    return before != null && before.kind() == FailureKind.PATH_NOT_FOUND && nowhere
        ? before
        : failure;
  }

  /**
   * Whether a kept connection turned out to be closed: llama-server (as observed on 0.7.0) and
   * others close theirs after a stream without saying so, and the next request crosses with it. The
   * server has not read such a request, so it is sent once more, over a new connection.
   */
  private boolean isOfStale(IOException e) {
    boolean unheard = reused && response == null && !renewed && !call.isCancelled();
    return unheard && TransportFailure.isOfClosed(e) && !Thread.currentThread().isInterrupted();
  }

  /** Each time one connection fewer is kept, so that this comes to an end. */
  private boolean isUnsent(IOException e) {
    return e instanceof Connected.NotForUse && !call.isCancelled();
  }

  private boolean isSoon() {
    return System.nanoTime() - sent < staleNanos;
  }

  private @Nullable Answer answerIfComplete(Reading reading) throws Failure {
    try {
      Ending ending = reading.next();
      if (ending == null) {
        share.keep(gathered.length() + reading.kept());
      }
      if (!begun && (ending != null || !gathered.isEmpty())) {
        begun = true;
        adapted.onAnswer(adaptation);
      }
      return ending == null ? null : shown(gathered.answer(request, ending, 200));
    } catch (Failure e) {
      Protocol.Adaptation other = gathered.isEmpty() ? otherWay(words(e)) : null;
      if (other == null) {
        throw ofTheFirstPath(redacted(e.status() == 0 ? e.withStatus(200) : e));
      }
      refusal = redacted(e.withStatus(200));
      ask(other);
      return null;
    } catch (IOException e) {
      throw redacted(TransportFailure.answering(e).withStatus(200));
    }
  }

  /** An error where an answer should be is a refusal too. */
  private static Reply words(Failure failure) {
    int status = failure.kind() == FailureKind.PATH_NOT_FOUND ? 404 : 200;
    return new Reply(status, NO_HEADERS, failure.message());
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
    return new Redactor(credentials.secrets(), model, request, optionTexts, gathered.said());
  }

  private Failure failure(IOException e) {
    return connected ? TransportFailure.waiting(e) : TransportFailure.connecting(e);
  }

  /** The beginning of a reply that is no answer. */
  static Reply reply(Response response) throws IOException {
    OkioWatchdog.start();
    response.body().source().timeout().deadline(1, TimeUnit.SECONDS);
    return patientReply(response);
  }

  /** A reply whose body may take as long as its reader likes. */
  static Reply patientReply(Response response) throws IOException {
    return reply(response, REPLY_BYTES);
  }

  /** A reply as far as it is to be read. */
  static Reply reply(Response response, long most) throws IOException {
    return new Reply(response.code(), response.headers(), beginning(response, most));
  }

  private static String beginning(Response response, long most) throws IOException {
    try (ResponseBody body = Decoded.body(response)) {
      BufferedSource source = body.source();
      request(source, most, response.code());
      return legible(source.readUtf8(Math.min(most, source.getBuffer().size())));
    } catch (Failure unknown) {
      return unknown.message();
    }
  }

  private static void request(BufferedSource source, long most, int status) throws IOException {
    try {
      source.request(most);
    } catch (IOException e) {
      // Cut or without end: the status of an error and what has come say enough.
      if (status == 200 && TransportFailure.cause(e) instanceof TooLarge) {
        throw e;
      }
    }
  }

  /** Bytes that are no text are for no log. */
  private static String legible(String body) {
    long odd = body.chars().filter(HttpExchange::isOdd).count();
    boolean control = body.chars().anyMatch(c -> c < ' ' && "\t\n\f\r\u001b".indexOf(c) < 0);
    return control || odd * 10 > body.length()
        ? "a body that is no text"
        : odd == 0 ? body : body.replace('\ufffd', '?');
  }

  private static boolean isOdd(int c) {
    return c == '\ufffd';
  }
}
