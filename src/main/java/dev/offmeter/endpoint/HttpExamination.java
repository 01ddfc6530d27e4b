// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.endpoint;

import dev.offmeter.ChatRequest;
import dev.offmeter.FailureKind;
import dev.offmeter.wire.Failure;
import dev.offmeter.wire.ForeignCode;
import dev.offmeter.wire.Protocol.Fact;
import dev.offmeter.wire.Protocol.Inquiry;
import dev.offmeter.wire.Protocol.Topic;
import dev.offmeter.wire.Reply;
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
 * Finds out of one server what can be found out: how it is reached, what it tells of itself, and
 * whether it answers. With the credentials of a call and to the same origin, over connections of
 * its own.
 */
final class HttpExamination implements Transport.Examination {
  /** How long a server may take for what it tells of itself, once it is connected. */
  private static final Duration TELLING = Duration.ofSeconds(5);

  /** Whoever answers so stands before the server: of that, nothing more is to be learnt. */
  private static final Set<FailureKind> IN_BETWEEN =
      EnumSet.of(
          FailureKind.ACCESS_DENIED,
          FailureKind.BOT_CHALLENGE,
          FailureKind.REDIRECTED,
          FailureKind.HOST_REJECTED,
          FailureKind.TUNNEL_DOWN,
          FailureKind.ORIGIN_UNREACHABLE,
          FailureKind.GATEWAY_TIMEOUT);

  /** One token may hold nothing to be seen; that it came is enough. */
  private static final Set<FailureKind> SPOKE =
      EnumSet.of(FailureKind.EMPTY_ANSWER, FailureKind.THINKING_ONLY);

  /** A list of models may be long. */
  private static final long MOST_BYTES = 4 * 1024 * 1024;

  private static final Progress IGNORED =
      new Progress() {
        @Override
        public void connecting() {}

        @Override
        public void connected() {}

        @Override
        public void piece() {}
      };

  private final EndpointSpec spec;
  private final AdaptedProtocol adapted;
  private final @Nullable ChatRequest question;
  private final Supplier<Aside> asides;
  private final Executor canceller;
  private final KeptConnections connections = new KeptConnections();
  private final ConnectionPhases phases = new ConnectionPhases(Instant.now());
  private final OkHttpClient client;
  private final Iterator<Inquiry> inquiries;
  private boolean first = true;
  private boolean over;
  private volatile boolean cancelled;
  private volatile @Nullable Runnable running;

  HttpExamination(
      OkHttpClient client,
      EndpointSpec spec,
      AdaptedProtocol adapted,
      @Nullable ChatRequest question,
      Supplier<Aside> asides,
      Executor canceller) {
    this.spec = spec;
    this.adapted = adapted;
    this.question = question;
    this.asides = asides;
    this.canceller = canceller;
    this.client =
        client.newBuilder().connectionPool(connections.pool()).eventListener(phases).build();
    this.inquiries = adapted.get().inquiries().iterator();
  }

  @Override
  public boolean isOver() {
    return over || cancelled;
  }

  @Override
  public Duration limit() {
    Duration connect = spec.limits().connect();
    return inquiries.hasNext() ? connect.plus(TELLING) : spec.limits().attempt();
  }

  @Override
  public List<Fact> next() {
    try {
      return inquiries.hasNext() ? told(inquiries.next()) : spoken();
    } finally {
      running = null;
    }
  }

  private List<Fact> told(Inquiry inquiry) {
    Aside aside = asides.get();
    EndableCall call = new EndableCall(client, aside, canceller);
    Credentials credentials = new Credentials(spec.headers(), aside);
    List<Fact> facts = new ArrayList<>();
    runs(call::cancel);
    try {
      ask(inquiry, call, credentials, facts);
    } catch (Failure e) {
      // A credential that could not be had.
      facts.add(Fact.wrong(Topic.KEY, e));
      over = true;
    } catch (IOException e) {
      unreached(inquiry, e, facts);
    } catch (Throwable e) {
      ForeignCode.keepInterrupt(e);
      Failure broken = Failure.of(FailureKind.INTERNAL, ForeignCode.described(e));
      facts.add(Fact.wrong(first ? Topic.ACCESS : inquiry.about().get(0), broken));
      over = true;
    }
    first = false;
    Redactor redactor = new Redactor(credentials.secrets());
    return facts.stream().map(fact -> clean(fact, redactor)).toList();
  }

  private static Fact clean(Fact fact, Redactor redactor) {
    Failure failure = fact.failure();
    String detail = redactor.clean(Failure.told(FailureKind.INTERNAL, fact.detail())).message();
    return new Fact(fact.topic(), detail, failure == null ? null : redactor.clean(failure));
  }

  private void ask(Inquiry inquiry, EndableCall call, Credentials credentials, List<Fact> facts)
      throws Failure, IOException {
    Request http = credentials.on(inquiry.request().get(), IGNORED);
    try (Response response = call.execute(http)) {
      if (first) {
        facts.addAll(phases.facts(null, null));
      }
      Reply reply = HttpExchange.reply(response, MOST_BYTES);
      boolean telling = reply.status() == 200 && reply.body().strip().startsWith("{");
      Failure refusal = telling ? null : adapted.get().refused(reply);
      boolean blocked = refusal != null && isInBetween(refusal);
      if (refusal == null) {
        facts.addAll(inquiry.reader().apply(reply));
      } else if (blocked) {
        over = true;
        facts.add(Fact.wrong(Topic.ACCESS, refusal));
      } else {
        refused(refusal, inquiry, facts);
      }
      if (first && !blocked) {
        boolean edge = response.header("cf-ray") != null;
        facts.add(
            Fact.well(
                Topic.ACCESS, (edge ? "through Cloudflare, " : "") + "no login, no challenge"));
      }
    }
  }

  private boolean isInBetween(Failure refusal) {
    return IN_BETWEEN.contains(refusal.kind())
        || (first && refusal.kind() == FailureKind.UNEXPECTED_RESPONSE);
  }

  /** That a server does not tell something is no fault of its. */
  private void refused(Failure refusal, Inquiry inquiry, List<Fact> facts) {
    switch (refusal.kind()) {
      case UNAUTHORIZED, QUOTA_EXCEEDED -> {
        if (inquiry.about().contains(Topic.KEY)) {
          facts.add(Fact.wrong(Topic.KEY, refusal));
        }
      }
      case MODEL_NOT_FOUND -> facts.add(Fact.wrong(Topic.MODEL, refusal));
      case SERVER_BUSY -> facts.add(Fact.wrong(Topic.LOADED, refusal));
      case SERVER_ERROR, RATE_LIMITED -> {
        if (first) {
          facts.add(Fact.wrong(inquiry.about().get(0), refusal));
        }
      }
      default -> {}
    }
  }

  /** Only of the first is it said how far it came; a later one leaves open what it was about. */
  private void unreached(Inquiry inquiry, IOException e, List<Fact> facts) {
    boolean connected = phases.isConnected();
    Failure failure = failure(e, connected);
    if (!first) {
      facts.add(Fact.wrong(inquiry.about().get(0), failure));
      return;
    }
    over = true;
    facts.addAll(phases.facts(e, connected ? null : failure));
    if (connected) {
      facts.add(Fact.wrong(Topic.ACCESS, failure));
    }
  }

  private Failure failure(IOException e, boolean connected) {
    if (cancelled) {
      return connected
          ? Failure.of(FailureKind.UNRESPONSIVE, "connected, but no reply in time")
          : Failure.of(FailureKind.CONNECT_TIMEOUT, "no connection in time");
    }
    return connected ? TransportFailure.waiting(e) : TransportFailure.connecting(e);
  }

  private List<Fact> spoken() {
    over = true;
    ChatRequest asked = question;
    if (asked == null) {
      return List.of();
    }
    Exchange exchange =
        new HttpExchange(
            client, connections, spec, adapted, asked, IGNORED, asides.get(), canceller);
    runs(exchange::cancel);
    long since = System.nanoTime();
    try (exchange) {
      Answer answer = exchange.next();
      while (answer == null) {
        answer = exchange.next();
      }
      return List.of(Fact.well(Topic.ANSWER, rate(answer.usage().outputTokens(), since)));
    } catch (Failure e) {
      return List.of(unspoken(e, since));
    }
  }

  private Fact unspoken(Failure failure, long since) {
    if (cancelled) {
      String limit = spec.limits().attempt().toMillis() / 1000.0 + " s";
      return Fact.wrong(
          Topic.ANSWER, Failure.of(FailureKind.ATTEMPT_TIMEOUT, "no answer in " + limit));
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

  private void runs(Runnable cancel) {
    running = cancel;
    if (cancelled) {
      cancel.run();
    }
  }

  @Override
  public void cancel() {
    cancelled = true;
    Runnable asked = running;
    if (asked != null) {
      asked.run();
    }
  }

  @Override
  public void close() {
    connections.drop();
  }
}
