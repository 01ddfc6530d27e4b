// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

import dev.offmeter.ChatRequest;
import dev.offmeter.FailureKind;
import dev.offmeter.Usage;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.UserCode;
import dev.offmeter.internal.wire.ErrorResponse;
import dev.offmeter.internal.wire.Protocol.Fact;
import dev.offmeter.internal.wire.Protocol.InfoRequest;
import dev.offmeter.internal.wire.Protocol.Topic;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.Executor;
import java.util.function.Supplier;
import okhttp3.OkHttpClient;
import okhttp3.Request;
import okhttp3.Response;
import org.jspecify.annotations.Nullable;

/**
 * Finds out how one server is reached, what it reports about itself, and whether it answers. Uses
 * the credentials of a call and the same origin, over connections of its own.
 */
final class HttpDiagnostics implements Transport.Diagnostics {
  /** The time that a server may take to report about itself, once connected. */
  private static final Duration REPORT_TIMEOUT = Duration.ofSeconds(5);

  /**
   * Failures of what stands before the server: nothing more can be learnt about the server itself.
   */
  private static final Set<FailureKind> IN_BETWEEN =
      EnumSet.of(
          FailureKind.ACCESS_DENIED,
          FailureKind.BOT_CHALLENGE,
          FailureKind.REDIRECTED,
          FailureKind.HOST_REJECTED,
          FailureKind.TUNNEL_DOWN,
          FailureKind.ORIGIN_UNREACHABLE,
          FailureKind.GATEWAY_TIMEOUT);

  /** Failures after which the server counts as answering: one token may hold no visible text. */
  private static final Set<FailureKind> SPOKE =
      EnumSet.of(FailureKind.EMPTY_ANSWER, FailureKind.THINKING_ONLY);

  /** A list of models may be long. */
  private static final long MOST_BYTES = 4 * 1024 * 1024;

  private static final ExchangeListener IGNORED =
      new ExchangeListener() {
        @Override
        public void onConnecting() {}

        @Override
        public void onConnected() {}

        @Override
        public void onDelta() {}
      };

  private final EndpointConfig config;
  private final AdaptedProtocol adapted;
  private final @Nullable ChatRequest question;
  private final Supplier<OffloadedTask> offloadedTasks;
  private final Executor canceller;
  private final IdleConnections connections = new IdleConnections();
  private final ConnectionPhases phases = new ConnectionPhases(Instant.now());
  private final OkHttpClient client;
  private final Iterator<InfoRequest> infoRequests;
  private boolean first = true;
  private boolean over;
  private volatile boolean cancelled;
  private volatile @Nullable Runnable running;

  /** The question that was sent and not refused. Used by the thread that diagnoses. */
  private @Nullable Exchange asked;

  HttpDiagnostics(
      OkHttpClient client,
      EndpointConfig config,
      AdaptedProtocol adapted,
      @Nullable ChatRequest question,
      Supplier<OffloadedTask> offloadedTasks,
      Executor canceller) {
    this.config = config;
    this.adapted = adapted;
    this.question = question;
    this.offloadedTasks = offloadedTasks;
    this.canceller = canceller;
    this.client =
        client.newBuilder().connectionPool(connections.pool()).eventListener(phases).build();
    this.infoRequests = adapted.get().infoRequests().iterator();
  }

  @Override
  public boolean isOver() {
    return over || cancelled;
  }

  @Override
  public Duration limit() {
    Duration connect = config.timeouts().connect();
    return infoRequests.hasNext() ? connect.plus(REPORT_TIMEOUT) : config.timeouts().attempt();
  }

  @Override
  public List<Fact> next() {
    try {
      return infoRequests.hasNext() ? run(infoRequests.next()) : fetchAnswer();
    } finally {
      running = null;
    }
  }

  private List<Fact> run(InfoRequest infoRequest) {
    OffloadedTask offloadedTask = offloadedTasks.get();
    CancellableCall call = new CancellableCall(client, offloadedTask, canceller);
    Credentials credentials = new Credentials(config.headers(), offloadedTask);
    List<Fact> facts = new ArrayList<>();
    setRunning(call::cancel);
    try {
      ask(infoRequest, call, credentials, facts);
    } catch (AttemptException e) {
      // A credential could not be obtained.
      facts.add(Fact.wrong(Topic.KEY, e));
      over = true;
    } catch (IOException e) {
      onUnreached(infoRequest, e, facts);
    } catch (Throwable e) {
      UserCode.keepInterrupt(e);
      AttemptException broken = AttemptException.of(FailureKind.INTERNAL, UserCode.describe(e));
      facts.add(Fact.wrong(first ? Topic.ACCESS : infoRequest.topics().get(0), broken));
      over = true;
    }
    first = false;
    Redactor redactor = new Redactor(credentials.secrets());
    return facts.stream().map(fact -> redacted(fact, redactor)).toList();
  }

  private static Fact redacted(Fact fact, Redactor redactor) {
    AttemptException failure = fact.failure();
    String detail =
        redactor.redact(AttemptException.told(FailureKind.INTERNAL, fact.detail())).message();
    return new Fact(fact.topic(), detail, failure == null ? null : redactor.redact(failure));
  }

  private void ask(
      InfoRequest infoRequest, CancellableCall call, Credentials credentials, List<Fact> facts)
      throws AttemptException, IOException {
    Request http = credentials.apply(infoRequest.request().get(), IGNORED);
    try (Response response = call.execute(http)) {
      if (first) {
        facts.addAll(phases.facts(null, null));
      }
      ErrorResponse reply = HttpExchange.reply(response, MOST_BYTES);
      boolean telling = reply.status() == 200 && reply.body().strip().startsWith("{");
      AttemptException refusal = telling ? null : adapted.get().refused(reply);
      boolean blocked = refusal != null && isInBetween(refusal);
      if (refusal == null) {
        facts.addAll(infoRequest.reader().apply(reply));
      } else if (blocked) {
        over = true;
        facts.add(Fact.wrong(Topic.ACCESS, refusal));
      } else {
        onRefused(refusal, infoRequest, facts);
      }
      if (first && !blocked) {
        boolean edge = response.header("cf-ray") != null;
        facts.add(
            Fact.well(
                Topic.ACCESS, (edge ? "through Cloudflare, " : "") + "no login, no challenge"));
      }
    }
  }

  private boolean isInBetween(AttemptException refusal) {
    return IN_BETWEEN.contains(refusal.kind())
        || (first && refusal.kind() == FailureKind.UNEXPECTED_RESPONSE);
  }

  /** Records a refusal. A server that does not report something is not at fault. */
  private void onRefused(AttemptException refusal, InfoRequest infoRequest, List<Fact> facts) {
    switch (refusal.kind()) {
      case UNAUTHORIZED, QUOTA_EXCEEDED -> {
        if (infoRequest.topics().contains(Topic.KEY)) {
          facts.add(Fact.wrong(Topic.KEY, refusal));
        }
      }
      case MODEL_NOT_FOUND -> facts.add(Fact.wrong(Topic.MODEL, refusal));
      case SERVER_BUSY -> facts.add(Fact.wrong(Topic.LOADED, refusal));
      case SERVER_ERROR, RATE_LIMITED -> {
        if (first) {
          facts.add(Fact.wrong(infoRequest.topics().get(0), refusal));
        }
      }
      default -> {}
    }
  }

  /**
   * Records that the server was not reached. Only the first request reports how far it came; after
   * a later one, its own topic stays unknown.
   */
  private void onUnreached(InfoRequest infoRequest, IOException e, List<Fact> facts) {
    boolean connected = phases.isConnected();
    AttemptException failure = failure(e, connected);
    if (!first) {
      facts.add(Fact.wrong(infoRequest.topics().get(0), failure));
      return;
    }
    over = true;
    facts.addAll(phases.facts(e, connected ? null : failure));
    if (connected) {
      facts.add(Fact.wrong(Topic.ACCESS, failure));
    }
  }

  private AttemptException failure(IOException e, boolean connected) {
    if (cancelled) {
      return connected
          ? AttemptException.of(FailureKind.UNRESPONSIVE, "connected, but no reply in time")
          : AttemptException.of(FailureKind.CONNECT_TIMEOUT, "no connection in time");
    }
    return connected ? IoFailureClassifier.waiting(e) : IoFailureClassifier.connecting(e);
  }

  @Override
  public @Nullable Usage usage() {
    Exchange of = asked;
    return of == null ? null : of.usage();
  }

  private List<Fact> fetchAnswer() {
    over = true;
    ChatRequest request = question;
    if (request == null) {
      return List.of();
    }
    Exchange exchange =
        new HttpExchange(
            client,
            connections,
            config,
            adapted,
            request,
            IGNORED,
            offloadedTasks.get(),
            canceller);
    setRunning(exchange::cancel);
    asked = exchange;
    long since = System.nanoTime();
    try (exchange) {
      ExchangeResult answer = exchange.next();
      while (answer == null) {
        answer = exchange.next();
      }
      return List.of(Fact.well(Topic.ANSWER, rate(answer.usage().outputTokens(), since)));
    } catch (AttemptException e) {
      if (e.status() != 0 && e.status() != 200) {
        asked = null;
      }
      return List.of(answerFailure(e, since));
    }
  }

  private Fact answerFailure(AttemptException failure, long since) {
    if (cancelled) {
      String limit = config.timeouts().attempt().toMillis() / 1000.0 + " s";
      return Fact.wrong(
          Topic.ANSWER, AttemptException.of(FailureKind.ATTEMPT_TIMEOUT, "no answer in " + limit));
    }
    return SPOKE.contains(failure.kind())
        ? Fact.well(Topic.ANSWER, rate(1, since) + "; the token holds no text")
        : Fact.wrong(Topic.ANSWER, failure);
  }

  private static String rate(int reported, long since) {
    double seconds = Math.max(1e-3, (System.nanoTime() - since) / 1e9);
    int tokens = Math.max(1, reported);
    return String.format(
        Locale.ROOT,
        "%d token%s in %.2f s, %.1f tokens/s with the prompt",
        tokens,
        tokens == 1 ? "" : "s",
        seconds,
        tokens / seconds);
  }

  private void setRunning(Runnable cancel) {
    running = cancel;
    if (cancelled) {
      cancel.run();
    }
  }

  @Override
  public void cancel() {
    cancelled = true;
    Runnable current = running;
    if (current != null) {
      current.run();
    }
  }

  @Override
  public void close() {
    connections.dropIdle();
  }
}
