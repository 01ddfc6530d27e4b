// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

import dev.offmeter.ChatRequest;
import dev.offmeter.Locality;
import dev.offmeter.Usage;
import dev.offmeter.internal.UserCode;
import dev.offmeter.internal.wire.ProbeRequest;
import dev.offmeter.internal.wire.Protocol;
import dev.offmeter.internal.wire.ServerProbes;
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
import okhttp3.ConnectionSpec;
import okhttp3.CookieJar;
import okhttp3.OkHttpClient;
import org.jspecify.annotations.Nullable;

/**
 * Opens exchanges. Safe for use by many threads.
 *
 * <p>An {@link OkHttpClient} of the application's own keeps its TLS, proxy, DNS and interceptors;
 * redirects, timeouts and connections are set here, as the library's promises require.
 */
public final class Transport implements AutoCloseable {
  /**
   * Connections by origin: what is learnt about one connection to a server holds for all its
   * endpoints.
   */
  private final Map<String, IdleConnections> kept = new ConcurrentHashMap<>();

  private final @Nullable OkHttpClient applicationClient;
  private final Executor workers;
  private final Executor canceller;
  private final LongSupplier nanos;

  /**
   * The connections of all servers; null for a client of functions alone, which needs no OkHttp.
   */
  private volatile @Nullable Shared shared;

  /**
   * Creates a transport on the application's own client, or on a new one.
   *
   * @param nanos the time source for how long code of callers and libraries has been running
   */
  public Transport(@Nullable OkHttpClient applicationClient, Executor workers, LongSupplier nanos) {
    this.nanos = nanos;
    this.applicationClient = applicationClient;
    this.workers = workers;
    // Cancelling a call calls the application's event listener, which must not hold up the timers.
    this.canceller = applicationClient == null ? Runnable::run : orDirect(workers);
  }

  private Shared shared() {
    Shared made = shared;
    if (made == null) {
      made = new Shared(applicationClient, workers);
      shared = made;
    }
    return made;
  }

  /** Holds what all servers share. */
  private static final class Shared {
    /** Keeps no connection: a health check must report the server as it is now. */
    private final ConnectionPool probePool = OkHttpThreads.pool(0, 1, TimeUnit.SECONDS);

    private final @Nullable OkHttpClient callers;
    private final Executor workers;
    private @Nullable OkHttpClient inClearText;
    private @Nullable OkHttpClient withTls;

    Shared(@Nullable OkHttpClient callers, Executor workers) {
      this.callers = callers;
      this.workers = workers;
    }

    /**
     * Returns the client for an origin. Setting up TLS takes longer than all else before the first
     * answer, so it is done once there is an endpoint with TLS. The application's own client is
     * used as it is.
     */
    OkHttpClient client(String origin) {
      if (callers == null && origin.startsWith("http:")) {
        inClearText = inClearText == null ? on(clearTextOnly()) : inClearText;
        return inClearText;
      }
      withTls = withTls == null ? on(callers == null ? new OkHttpClient() : callers) : withTls;
      return withTls;
    }

    private static OkHttpClient clearTextOnly() {
      return new OkHttpClient.Builder().connectionSpecs(List.of(ConnectionSpec.CLEARTEXT)).build();
    }

    private OkHttpClient on(OkHttpClient base) {
      boolean plain = base.socketFactory() == SocketFactory.getDefault();
      BoundedSocketFactory sockets =
          new BoundedSocketFactory(
              plain ? InterruptibleSocketFactory::open : base.socketFactory()::createSocket);
      return OkHttpThreads.configure(base.newBuilder())
          .connectionPool(probePool)
          .followRedirects(false)
          .followSslRedirects(false)
          .cookieJar(CookieJar.NO_COOKIES)
          .cache(null)
          .eventListenerFactory(GuardedEventListener.of(base.eventListenerFactory()))
          // One call, one connection: a call is cancelled by closing its connection, at once.
          .protocols(List.of(okhttp3.Protocol.HTTP_1_1))
          // Every wait has a timeout of this library, which cancels the call.
          .callTimeout(Duration.ZERO)
          .readTimeout(Duration.ZERO)
          .writeTimeout(Duration.ZERO)
          .dns(new CancellableDns(base.dns(), workers))
          .socketFactory(sockets)
          .proxy(SocksProxy.of(base.proxy()))
          .proxySelector(SocksProxy.of(base.proxySelector()))
          .addNetworkInterceptor(new ConnectionInterceptor(sockets))
          .build();
    }
  }

  private static Executor orDirect(Executor workers) {
    return task -> {
      // The client may be closed, or the process unable to start another thread.
      if (UserCode.run(() -> workers.execute(task)) != null) {
        task.run();
      }
    };
  }

  /** Returns the factory of exchanges with one endpoint. */
  public ExchangeFactory exchangesWith(EndpointConfig config) {
    if (config.isLocal()) {
      Function<ChatRequest, String> function = Objects.requireNonNull(config.function());
      return (request, listener) -> new FunctionExchange(function, request, listener, workers);
    }
    ExchangeFactory scripted = config.scriptedExchanges();
    if (scripted != null) {
      return scripted;
    }
    OkHttpClient.Builder here =
        shared().client(config.origin()).newBuilder().connectTimeout(config.timeouts().connect());
    if (config.onThisMachine()) {
      // A request for this machine, which may be in clear text, must not leave it through a proxy.
      here.proxy(Proxy.NO_PROXY);
    }
    IdleConnections connections =
        kept.computeIfAbsent(config.origin(), origin -> new IdleConnections());
    return new EndpointExchanges(
        here.connectionPool(connections.pool()).build(), connections, config);
  }

  private final class EndpointExchanges implements ExchangeFactory {
    private final OkHttpClient callClient;
    private final OkHttpClient probeClient;
    private final UnreturnedTasks unreturnedTasks = new UnreturnedTasks(nanos);
    private final DnsLookups lookups = new DnsLookups(nanos);
    private final IdleConnections connections;
    private final EndpointConfig config;
    private final AdaptedProtocol adapted;

    EndpointExchanges(OkHttpClient callClient, IdleConnections connections, EndpointConfig config) {
      this.callClient = callClient;
      this.connections = connections;
      this.probeClient = callClient.newBuilder().connectionPool(shared().probePool).build();
      this.config = config;
      this.adapted = new AdaptedProtocol(config.name(), Objects.requireNonNull(config.protocol()));
    }

    private OffloadedTask newOffloadedTask() {
      return new OffloadedTask(workers, unreturnedTasks, lookups);
    }

    @Override
    public Exchange open(ChatRequest request, ExchangeListener listener) {
      connections.onUse();
      return new HttpExchange(
          callClient,
          connections,
          config,
          adapted,
          request,
          listener,
          newOffloadedTask(),
          canceller);
    }

    @Override
    public Diagnostics diagnostics(@Nullable ChatRequest question) {
      return new HttpDiagnostics(
          callClient, config, adapted, question, this::newOffloadedTask, canceller);
    }

    @Override
    public void dropIdleConnections() {
      connections.dropIdle();
    }

    @Override
    public @Nullable Probe probe(Probe.Kind kind) {
      // A server of a third party gets no requests beside calls: it may bill or count them.
      boolean ours = config.locality() == Locality.SELF_HOSTED;
      ServerProbes checks = ours ? adapted.get().probes() : ServerProbes.NONE;
      ProbeRequest probeRequest =
          switch (kind) {
            case LIVENESS -> checks.liveness();
            case MODEL_LOADED -> checks.modelLoaded();
            case LOAD_MODEL -> checks.loadModel();
            case UNLOAD_MODEL -> checks.unloadModel();
            case GENERATE_TOKEN -> checks.generateToken();
            case MODEL_INFO -> checks.modelInfo();
            case DETECT_OLLAMA -> checks.detectOllama();
          };
      return probeRequest == null
          ? null
          : new HttpProbe(probeClient, config, probeRequest, newOffloadedTask(), canceller);
    }
  }

  /** Closes the idle connections. */
  @Override
  public void close() {
    kept.values().forEach(IdleConnections::dropIdle);
    Shared made = shared;
    if (made != null) {
      made.probePool.evictAll();
    }
  }

  /** Opens an exchange with one endpoint. */
  public interface ExchangeFactory {
    /** Opens an exchange for {@code request} that reports its progress to {@code listener}. */
    Exchange open(ChatRequest request, ExchangeListener listener);

    /** Drops the idle connections, so that the next exchange opens a new one. */
    default void dropIdleConnections() {}

    /** Returns a probe; null if the endpoint is never probed in that way. */
    default @Nullable Probe probe(Probe.Kind kind) {
      return null;
    }

    /**
     * Returns the diagnostics of a server, managed or not; null for a function.
     *
     * @param question asked at the end; null if nothing is to be generated
     */
    default @Nullable Diagnostics diagnostics(@Nullable ChatRequest question) {
      return null;
    }
  }

  /**
   * Finds out about a server, one request after the other. Used by one thread, except for {@link
   * #cancel()}. Never throws for a fault of the server.
   */
  public interface Diagnostics extends AutoCloseable {
    /** Returns whether there is nothing more to ask. */
    boolean isOver();

    /** Returns the longest that {@link #next()} may take; its caller enforces that. */
    Duration limit();

    /** Sends one request and returns what its reply says. */
    List<Protocol.Fact> next();

    /** Returns the tokens of the question; null if it was not sent, or was refused. */
    @Nullable Usage usage();

    /** Ends {@link #next()} from any thread. */
    void cancel();

    /** Closes the connections. */
    @Override
    void close();
  }
}
