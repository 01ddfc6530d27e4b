// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.endpoint;

import dev.offmeter.ChatRequest;
import dev.offmeter.Locality;
import dev.offmeter.wire.Check;
import dev.offmeter.wire.Checks;
import dev.offmeter.wire.ForeignCode;
import dev.offmeter.wire.Protocol;
import java.net.Proxy;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import java.util.function.LongSupplier;
import javax.net.SocketFactory;
import okhttp3.ConnectionPool;
import okhttp3.CookieJar;
import okhttp3.OkHttpClient;
import org.jspecify.annotations.Nullable;

/**
 * Opens exchanges. Safe for use by many threads.
 *
 * <p>An {@link OkHttpClient} of the caller's own keeps its TLS, proxy, DNS and interceptors; what
 * the library promises about redirects, clocks and connections is set here.
 */
public final class Transport implements AutoCloseable {
  /** By origin: what is learnt of one connection to a server holds for all its endpoints. */
  private final Map<String, KeptConnections> kept = new ConcurrentHashMap<>();

  private final @Nullable OkHttpClient callers;
  private final Executor workers;
  private final Executor canceller;
  private final LongSupplier nanos;

  /** Null as long as there is no server: a client of functions alone does without OkHttp. */
  private volatile @Nullable Shared shared;

  /**
   * A transport on a client of the caller's own, or on a new one.
   *
   * @param nanos tells how long foreign code has been running
   */
  public Transport(@Nullable OkHttpClient callers, Executor workers, LongSupplier nanos) {
    this.nanos = nanos;
    this.callers = callers;
    this.workers = workers;
    // To cancel a call calls the application's event listener, which must not hold up the clocks.
    this.canceller = callers == null ? Runnable::run : orHere(workers);
  }

  private Shared shared() {
    Shared made = shared;
    if (made == null) {
      made = new Shared(callers, workers);
      shared = made;
    }
    return made;
  }

  /** What all servers have in common. */
  private static final class Shared {
    /**
     * Keeps nothing, and has nothing of a call's: a check is to tell of the server as it is now.
     */
    private final ConnectionPool asidePool = OkHttpThreads.pool(0, 1, TimeUnit.SECONDS);

    private final OkHttpClient client;

    Shared(@Nullable OkHttpClient callers, Executor workers) {
      OkHttpClient base = callers == null ? new OkHttpClient() : callers;
      boolean plain = base.socketFactory() == SocketFactory.getDefault();
      BoundedSockets sockets =
          new BoundedSockets(
              plain ? InterruptibleSockets::open : base.socketFactory()::createSocket);
      this.client =
          OkHttpThreads.on(base.newBuilder())
              .connectionPool(asidePool)
              .followRedirects(false)
              .followSslRedirects(false)
              .cookieJar(CookieJar.NO_COOKIES)
              .cache(null)
              .eventListenerFactory(GuardedEvents.of(base.eventListenerFactory()))
              // One call, one connection: to abandon a call is to close its connection, at once.
              .protocols(List.of(okhttp3.Protocol.HTTP_1_1))
              // Every wait has a clock of ours, which ends it by cancelling the call.
              .callTimeout(Duration.ZERO)
              .readTimeout(Duration.ZERO)
              .writeTimeout(Duration.ZERO)
              .dns(new AbandonableDns(base.dns(), workers))
              .socketFactory(sockets)
              .proxy(SocksProxy.of(base.proxy()))
              .proxySelector(SocksProxy.of(base.proxySelector()))
              .addNetworkInterceptor(new Connected(sockets))
              .build();
    }
  }

  private static Executor orHere(Executor workers) {
    return task -> {
      // The client may be closed, or the process without a further thread.
      if (ForeignCode.run(() -> workers.execute(task)) != null) {
        task.run();
      }
    };
  }

  /** How exchanges with {@code spec} are opened. */
  public Opener to(EndpointSpec spec) {
    if (spec.isLocal()) {
      Function<ChatRequest, String> function = Objects.requireNonNull(spec.function());
      return (request, progress) -> new LocalExchange(function, request, progress, workers);
    }
    OkHttpClient.Builder here =
        shared().client.newBuilder().connectTimeout(spec.limits().connect());
    if (spec.onThisMachine()) {
      // What is meant for this machine, and may be in clear text, goes through no other.
      here.proxy(Proxy.NO_PROXY);
    }
    KeptConnections connections =
        kept.computeIfAbsent(spec.origin(), origin -> new KeptConnections());
    return new Server(here.connectionPool(connections.pool()).build(), connections, spec);
  }

  private final class Server implements Opener {
    private final OkHttpClient there;
    private final OkHttpClient asideClient;
    private final LeftBehind leftBehind = new LeftBehind(nanos);
    private final Lookups lookups = new Lookups(nanos);
    private final KeptConnections connections;
    private final EndpointSpec spec;
    private final AdaptedProtocol adapted;

    Server(OkHttpClient there, KeptConnections connections, EndpointSpec spec) {
      this.there = there;
      this.connections = connections;
      this.asideClient = there.newBuilder().connectionPool(shared().asidePool).build();
      this.spec = spec;
      this.adapted = new AdaptedProtocol(spec.name(), Objects.requireNonNull(spec.protocol()));
    }

    private Aside aside() {
      return new Aside(workers, leftBehind, lookups);
    }

    @Override
    public Exchange open(ChatRequest request, Progress progress) {
      connections.use();
      return new HttpExchange(
          there, connections, spec, adapted, request, progress, aside(), canceller);
    }

    @Override
    public Examination examination(@Nullable ChatRequest question) {
      return new HttpExamination(there, spec, adapted, question, this::aside, canceller);
    }

    @Override
    public void dropIdleConnections() {
      connections.drop();
    }

    @Override
    public @Nullable Checkup checkup(Checkup.Kind kind) {
      // Somebody else's server is not asked on the side: it may bill that, and count it.
      boolean ours = spec.locality() == Locality.SELF_HOSTED;
      Checks checks = ours ? adapted.get().checks() : Checks.NONE;
      Check check =
          switch (kind) {
            case ALIVE -> checks.alive();
            case RESIDENT -> checks.resident();
            case LOAD -> checks.load();
            case UNLOAD -> checks.unload();
            case ONE_TOKEN -> checks.oneToken();
            case OLLAMA -> checks.ollama();
          };
      return check == null ? null : new HttpCheckup(asideClient, spec, check, aside(), canceller);
    }
  }

  /** Closes the idle connections. */
  @Override
  public void close() {
    kept.values().forEach(KeptConnections::drop);
    Shared made = shared;
    if (made != null) {
      made.asidePool.evictAll();
    }
  }

  /** Opens an exchange with one endpoint. */
  public interface Opener {
    /** An exchange for {@code request} that tells {@code progress} how far it has come. */
    Exchange open(ChatRequest request, Progress progress);

    /** Drops the connections that idle, so that the next exchange has a new one. */
    default void dropIdleConnections() {}

    /** A request on the side; null if the endpoint is never asked so. */
    default @Nullable Checkup checkup(Checkup.Kind kind) {
      return null;
    }

    /**
     * A look at all that can be found out of a server, managed or not; null for a function.
     *
     * @param question asked at the end; null if nothing is to be generated
     */
    default @Nullable Examination examination(@Nullable ChatRequest question) {
      return null;
    }
  }

  /**
   * Finds out, one request after the other, how a server is. Used by one thread, but for {@link
   * #cancel()}. Never throws for what is wrong with the server.
   */
  public interface Examination extends AutoCloseable {
    /** Whether there is nothing more to be asked. */
    boolean isOver();

    /** The longest that {@link #next()} may take; whoever calls that sees to it. */
    Duration limit();

    /** Sends one request. */
    List<Protocol.Fact> next();

    /** Ends {@link #next()} from any thread. */
    void cancel();

    /** Closes its connections. */
    @Override
    void close();
  }
}
