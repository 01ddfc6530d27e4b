// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.failover;

import static dev.offmeter.testing.Loopback.awaitSoon;
import static dev.offmeter.testing.Loopback.ollama;
import static dev.offmeter.testing.TwoNodes.primaryState;
import static dev.offmeter.testing.TwoNodes.template;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.turbo.TurboFilter;
import ch.qos.logback.core.spi.FilterReply;
import dev.offmeter.Attempt;
import dev.offmeter.ChatEvent;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ChatStream;
import dev.offmeter.ClientInternals;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.LlmException;
import dev.offmeter.observe.EndpointChange;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.observe.LlmListener;
import dev.offmeter.testing.LoggedEvents;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import io.github.resilience4j.bulkhead.Bulkhead;
import io.github.resilience4j.core.EventProcessor;
import java.io.IOException;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Proxy;
import java.net.InetAddress;
import java.net.Socket;
import java.net.SocketAddress;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Flow;
import java.util.concurrent.TimeUnit;
import java.util.function.BiConsumer;
import java.util.function.Supplier;
import javax.net.SocketFactory;
import okhttp3.Call;
import okhttp3.EventListener;
import okhttp3.OkHttpClient;
import okhttp3.Response;
import okhttp3.ResponseBody;
import okio.Buffer;
import okio.BufferedSource;
import okio.ForwardingSource;
import okio.Okio;
import okio.Timeout;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.slf4j.LoggerFactory;
import org.slf4j.MDC;
import org.slf4j.Marker;
import org.slf4j.spi.MDCAdapter;

/**
 * Whatever code that is not the library's throws, wherever it is called: the call is answered by
 * another endpoint or fails with the library's own exception, nothing of it is left, and the client
 * can be closed and goes on working.
 */
@org.junit.jupiter.api.Timeout(20)
class UserCodeFailureTest {
  @RegisterExtension final Loopback loopback = new Loopback();
  @RegisterExtension final LoggedEvents log = new LoggedEvents(Level.WARN);

  private static final String SECRET = "a prompt that nobody may see";

  /** The throwables of user code. */
  enum Kind {
    EXCEPTION(() -> new IllegalStateException(SECRET)),
    CHECKED(() -> new Exception(SECRET)),
    IO(() -> new IOException("no such device")),
    STACK_OVERFLOW(StackOverflowError::new),
    OUT_OF_MEMORY(() -> new OutOfMemoryError(SECRET)),
    NOT_LINKED(() -> new NoClassDefFoundError("org/acme/Missing")),
    ASSERTION(() -> new AssertionError(SECRET)),
    CANCELLATION(CancellationException::new),
    OF_ANOTHER_LANGUAGE(() -> new Throwable(SECRET)),
    WITHOUT_TRACE(Traceless::new),
    UNSPEAKABLE(Unspeakable::new),
    IN_CIRCLES(Circular::new);

    private final Supplier<Throwable> make;

    Kind(Supplier<Throwable> make) {
      this.make = make;
    }

    <T> T thrown() {
      throw UserCodeFailureTest.<RuntimeException>undeclared(make.get());
    }
  }

  @SuppressWarnings("unchecked")
  private static <T extends Throwable> RuntimeException undeclared(Throwable thrown) throws T {
    throw (T) thrown;
  }

  private static final class Traceless extends RuntimeException {
    private static final long serialVersionUID = 1L;

    @Override
    public StackTraceElement[] getStackTrace() {
      throw new IllegalStateException(SECRET);
    }
  }

  private static final class Unspeakable extends IOException {
    private static final long serialVersionUID = 1L;

    @Override
    public String getMessage() {
      throw new StackOverflowError();
    }

    @Override
    public synchronized Throwable getCause() {
      throw new OutOfMemoryError(SECRET);
    }

    @Override
    public StackTraceElement[] getStackTrace() {
      return new StackTraceElement[] {null};
    }

    @Override
    public String toString() {
      throw new IllegalStateException(SECRET);
    }
  }

  private static final class Circular extends IOException {
    private static final long serialVersionUID = 1L;

    @Override
    public synchronized Throwable getCause() {
      IOException other = new IOException("the other");
      other.initCause(this);
      return other;
    }
  }

  /** The places where a client calls user code. */
  enum Place {
    FUNCTION {
      @Override
      Endpoint endpoint(Node node, Kind kind) {
        return Endpoint.local("first", request -> kind.thrown()).maxConcurrent(1).build();
      }
    },
    CREDENTIAL {
      @Override
      Endpoint endpoint(Node node, Kind kind) {
        return server(node).apiKey((Supplier<String>) kind::thrown).build();
      }
    },
    INTERCEPTOR {
      @Override
      OkHttpClient.Builder http(Kind kind) {
        return new OkHttpClient.Builder().addInterceptor(chain -> kind.thrown());
      }
    },
    INTERCEPTOR_AFTER_THE_REPLY {
      @Override
      OkHttpClient.Builder http(Kind kind) {
        return new OkHttpClient.Builder()
            .addNetworkInterceptor(
                chain -> {
                  Response unclosed = chain.proceed(chain.request());
                  return unclosed.code() > 0 ? kind.thrown() : unclosed;
                });
      }
    },
    BODY_OF_AN_INTERCEPTOR {
      @Override
      OkHttpClient.Builder http(Kind kind) {
        return new OkHttpClient.Builder()
            .addInterceptor(chain -> withBody(chain.proceed(chain.request()), kind));
      }
    },
    DNS {
      @Override
      OkHttpClient.Builder http(Kind kind) {
        return new OkHttpClient.Builder().dns(host -> kind.thrown());
      }
    },
    SOCKETS {
      @Override
      OkHttpClient.Builder http(Kind kind) {
        return new OkHttpClient.Builder().socketFactory(new Sockets(kind));
      }
    },
    CONNECT {
      @Override
      OkHttpClient.Builder http(Kind kind) {
        return new OkHttpClient.Builder()
            .socketFactory(
                new Sockets(kind) {
                  @Override
                  public Socket createSocket() {
                    return new Socket() {
                      @Override
                      public void connect(SocketAddress to, int timeout) {
                        Object unused = kind.thrown();
                      }
                    };
                  }
                });
      }
    },
    CLOSE {
      @Override
      OkHttpClient.Builder http(Kind kind) {
        return new OkHttpClient.Builder()
            .socketFactory(
                new Sockets(kind) {
                  @Override
                  public Socket createSocket() {
                    return new Socket() {
                      @Override
                      public void close() throws IOException {
                        super.close();
                        Object unused = kind.thrown();
                      }
                    };
                  }
                });
      }
    },
    EVENTS {
      @Override
      OkHttpClient.Builder http(Kind kind) {
        return new OkHttpClient.Builder().eventListener(events(kind));
      }
    },
    EVENTS_OF_A_CALL {
      @Override
      OkHttpClient.Builder http(Kind kind) {
        return new OkHttpClient.Builder().eventListenerFactory(call -> kind.thrown());
      }
    },
    LISTENER {
      @Override
      LlmListener listener(Kind kind) {
        return (LlmListener)
            Proxy.newProxyInstance(
                LlmListener.class.getClassLoader(),
                new Class<?>[] {LlmListener.class},
                (proxy, method, arguments) ->
                    method.getDeclaringClass() == Object.class
                        ? ofObject(proxy, method.getName())
                        : kind.thrown());
      }
    },
    CHECK {
      @Override
      ChatRequest.Builder request(Kind kind) {
        return super.request(kind).accept(answer -> kind.thrown());
      }
    },
    CONSUMERS_OF_RESILIENCE4J {
      @Override
      void watch(LlmClient client, Kind kind) {
        client
            .resilience4j()
            .bulkheads()
            .getAllBulkheads()
            .forEach(each -> each.getEventPublisher().onEvent(event -> kind.thrown()));
        client
            .resilience4j()
            .circuitBreakers()
            .getAllCircuitBreakers()
            .forEach(each -> each.getEventPublisher().onEvent(event -> kind.thrown()));
        client
            .resilience4j()
            .timeLimiters()
            .getAllTimeLimiters()
            .forEach(each -> each.getEventPublisher().onSuccess(event -> kind.thrown()));
      }
    },
    LOG_CONTEXT {
      @Override
      void around(Kind kind, Runnable calls) {
        withLogContext((proxy, method, arguments) -> kind.thrown(), calls);
      }
    },
    LOG {
      @Override
      void around(Kind kind, Runnable calls) {
        LoggerContext context = (LoggerContext) LoggerFactory.getILoggerFactory();
        ThrowingLog broken = new ThrowingLog(kind);
        context.addTurboFilter(broken);
        try {
          calls.run();
        } finally {
          context.getTurboFilterList().remove(broken);
        }
      }
    };

    void watch(LlmClient client, Kind kind) {}

    static Endpoint.Builder server(Node node) {
      return Endpoint.ollama("first", node.url().replace("127.0.0.1", "localhost"))
          .model("m")
          .maxConcurrent(1);
    }

    Endpoint endpoint(Node node, Kind kind) {
      return server(node).build();
    }

    OkHttpClient.Builder http(Kind kind) {
      return new OkHttpClient.Builder();
    }

    LlmListener listener(Kind kind) {
      return new LlmListener() {};
    }

    ChatRequest.Builder request(Kind kind) {
      return ChatRequest.builder().user(SECRET);
    }

    void around(Kind kind, Runnable calls) {
      calls.run();
    }
  }

  private static Object ofObject(Object proxy, String method) {
    return switch (method) {
      case "hashCode" -> System.identityHashCode(proxy);
      case "toString" -> "a listener";
      default -> false;
    };
  }

  /** Throws at whatever event. */
  private static EventListener events(Kind kind) {
    return new EventListener() {
      @Override
      public void callStart(Call call) {
        Object unused = kind.thrown();
      }

      @Override
      public void dnsStart(Call call, String domain) {
        Object unused = kind.thrown();
      }

      @Override
      public void connectionAcquired(Call call, okhttp3.Connection connection) {
        Object unused = kind.thrown();
      }

      @Override
      public void requestBodyEnd(Call call, long bytes) {
        Object unused = kind.thrown();
      }

      @Override
      public void responseHeadersEnd(Call call, Response response) {
        Object unused = kind.thrown();
      }

      @Override
      public void responseBodyEnd(Call call, long bytes) {
        Object unused = kind.thrown();
      }

      @Override
      public void connectionReleased(Call call, okhttp3.Connection connection) {
        Object unused = kind.thrown();
      }

      @Override
      public void callEnd(Call call) {
        Object unused = kind.thrown();
      }

      @Override
      public void callFailed(Call call, IOException failure) {
        Object unused = kind.thrown();
      }

      @Override
      public void canceled(Call call) {
        Object unused = kind.thrown();
      }
    };
  }

  private static Response withBody(Response response, Kind kind) {
    ResponseBody body = response.body();
    BufferedSource throwing =
        Okio.buffer(
            new ForwardingSource(body.source()) {
              @Override
              public long read(Buffer sink, long count) {
                return kind.<Long>thrown();
              }

              @Override
              public Timeout timeout() {
                return kind.thrown();
              }

              @Override
              public void close() throws IOException {
                super.close();
                Object unused = kind.thrown();
              }
            });
    return response
        .newBuilder()
        .body(ResponseBody.create(throwing, body.contentType(), -1))
        .build();
  }

  private static class Sockets extends SocketFactory {
    private final Kind kind;

    Sockets(Kind kind) {
      this.kind = kind;
    }

    @Override
    public Socket createSocket() {
      return kind.thrown();
    }

    @Override
    public Socket createSocket(String host, int port) {
      return kind.thrown();
    }

    @Override
    public Socket createSocket(String host, int port, InetAddress local, int localPort) {
      return kind.thrown();
    }

    @Override
    public Socket createSocket(InetAddress host, int port) {
      return kind.thrown();
    }

    @Override
    public Socket createSocket(InetAddress host, int port, InetAddress local, int localPort) {
      return kind.thrown();
    }
  }

  /** A disk that is full, say, under an appender that hands that on. */
  private static final class ThrowingLog extends TurboFilter {
    private final Kind kind;

    ThrowingLog(Kind kind) {
      this.kind = kind;
    }

    @Override
    public FilterReply decide(
        Marker marker,
        ch.qos.logback.classic.Logger logger,
        Level level,
        String format,
        Object[] parameters,
        Throwable thrown) {
      return kind.thrown();
    }
  }

  static List<Arguments> everyKindAtEveryPlace() {
    List<Arguments> all = new ArrayList<>();
    for (Place place : Place.values()) {
      Arrays.stream(Kind.values()).forEach(kind -> all.add(Arguments.of(place, kind)));
    }
    return all;
  }

  @ParameterizedTest
  @MethodSource("everyKindAtEveryPlace")
  void aCallIsAnsweredOrFailsAndLeavesNothing(Place place, Kind kind) {
    Node node = loopback.node(OllamaReplies.answering("NODE"));
    node.respondToProbesWith(OllamaReplies.probes(OllamaReplies.loadCompleted(), "m"));
    place.around(kind, () -> callsOfEveryKind(place, kind, node));
  }

  private void callsOfEveryKind(Place place, Kind kind, Node node) {
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .httpClient(place.http(kind).build())
                .listener(place.listener(kind))
                .endpoint(place.endpoint(node, kind))
                .endpoint(
                    Endpoint.local("template", request -> "TEMPLATE").maxConcurrent(1).build()));
    place.watch(client, kind);
    ChatRequest request = place.request(kind).build();

    for (int i = 0; i < 4; i++) {
      assertAnsweredOrFailed(() -> client.chat(request));
      assertAnsweredOrFailed(() -> streamed(client, request));
      assertAnsweredOrFailed(() -> client.chatAsync(request).get(5, TimeUnit.SECONDS));
    }
    assertThat(catchThrowable(() -> client.warmUp().get(5, TimeUnit.SECONDS))).isNull();
    assertThat(catchThrowable(() -> client.recheck("first").get(5, TimeUnit.SECONDS))).isNull();
    assertThat(catchThrowable(() -> client.diagnose(true))).isNull();
    assertThat(catchThrowable(() -> client.status().toString())).isNull();

    assertNothingIsLeft(client);
    client.close();
    assertThat(Thread.interrupted()).as("interrupted").isFalse();
  }

  private interface Asking {
    Object ask() throws Exception;
  }

  private static ChatResponse streamed(LlmClient client, ChatRequest request) {
    try (ChatStream stream = client.stream(request)) {
      return stream.response();
    }
  }

  private static void assertAnsweredOrFailed(Asking runningProbe) {
    Throwable thrown = catchThrowable(runningProbe::ask);
    Throwable told =
        thrown instanceof java.util.concurrent.ExecutionException async ? async.getCause() : thrown;
    if (told != null) {
      assertThat(told).isInstanceOf(LlmException.class);
      assertThat(told.toString()).doesNotContain(SECRET);
    }
  }

  private static void assertNothingIsLeft(LlmClient client) {
    awaitSoon(() -> ClientInternals.activeCalls(client) == 0);
    awaitSoon(
        () -> client.status().endpoints().stream().allMatch(endpoint -> endpoint.inFlight() == 0));
  }

  @ParameterizedTest
  @EnumSource(Kind.class)
  void whatAFunctionOrASupplierThrowsIsNamedEvenIfItCannotTellItself(Kind kind) {
    Node node = loopback.node(OllamaReplies.answering("NODE"));
    Endpoint last = template();
    LlmClient asked =
        loopback.client(
            LlmClient.builder().endpoint(Place.FUNCTION.endpoint(node, kind)).endpoint(last));
    LlmClient supplied =
        loopback.client(
            LlmClient.builder().endpoint(Place.CREDENTIAL.endpoint(node, kind)).endpoint(last));

    Attempt function = asked.chat(SECRET).attempts().get(0);
    Attempt credential = supplied.chat(SECRET).attempts().get(0);

    String name = kind.make.get().getClass().getName();
    assertThat(function.failure()).contains(FailureKind.FUNCTION_FAILED);
    assertThat(function.message()).startsWith("the function threw " + name);
    assertThat(credential.failure()).contains(FailureKind.UNAUTHORIZED);
    assertThat(credential.message())
        .startsWith("the credential for header Authorization could not be obtained: " + name);
  }

  @ParameterizedTest
  @EnumSource(Kind.class)
  void whatAnEventListenerThrowsIsIgnoredAndSaidOnce(Kind kind) {
    Node node = loopback.node(OllamaReplies.answering("NODE"));
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .httpClient(new OkHttpClient.Builder().eventListener(events(kind)).build())
                .endpoint(ollama("first", node).build()));

    for (int i = 0; i < 3; i++) {
      assertThat(client.chat(SECRET).text()).isEqualTo("NODE");
    }

    assertThat(log.messages()).hasSize(1);
    assertThat(log.messages().get(0))
        .startsWith("the event listener of the OkHttpClient threw ")
        .doesNotContain(SECRET);
    assertThat(node.openConnections()).as("connections kept").isOne();
  }

  @Test
  void whatAListenerThrowsIsSaidOnce() {
    Node node = loopback.node(OllamaReplies.answering("NODE"));
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .listener(Place.LISTENER.listener(Kind.STACK_OVERFLOW))
                .endpoint(ollama("first", node).build()));

    client.chat(SECRET);
    client.chat(SECRET);

    assertThat(log.messages()).hasSize(1).first().asString().contains("StackOverflowError");
  }

  @ParameterizedTest
  @EnumSource(Kind.class)
  void aTrialThatEndsInApplicationCodeIsNotTheLast(Kind kind) {
    Node node = loopback.node(OllamaReplies.status(429, "", "", "Retry-After: 0"));
    List<EndpointState> states = new java.util.concurrent.CopyOnWriteArrayList<>();
    boolean[] throwing = {false};
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .httpClient(
                    new OkHttpClient.Builder()
                        .addInterceptor(
                            chain -> throwing[0] ? kind.thrown() : chain.proceed(chain.request()))
                        .build())
                .listener(
                    new LlmListener() {
                      @Override
                      public void onEndpointChanged(EndpointChange change) {
                        states.add(change.to());
                      }
                    })
                .endpoint(ollama("first", node).maxConcurrent(1).build())
                .endpoint(template()));
    client.chat(SECRET);
    CompletableFuture<?> rechecked = client.recheck("first");
    awaitSoon(rechecked::isDone);
    throwing[0] = true;

    assertThat(client.chat(SECRET).text()).isEqualTo("TEMPLATE");

    assertThat(states).contains(EndpointState.TRIAL);
    throwing[0] = false;
    node.respondWith(OllamaReplies.answering("NODE"));
    awaitSoon(
        () -> {
          client.recheck("first");
          return client.chat(SECRET).endpoint().equals("first");
        });
  }

  @ParameterizedTest
  @EnumSource(Kind.class)
  void whatASubscriberThrowsEndsItsCallOnly(Kind kind) {
    Node node = loopback.node(OllamaReplies.answering("NODE"));
    LlmClient client = loopback.client(LlmClient.builder().endpoint(ollama("first", node).build()));
    List<BiConsumer<Throwing, Kind>> places =
        List.of(
            (subscriber, thrown) -> subscriber.onSubscribe = thrown,
            (subscriber, thrown) -> subscriber.onNext = thrown,
            (subscriber, thrown) -> subscriber.onComplete = thrown);

    for (BiConsumer<Throwing, Kind> place : places) {
      Throwing subscriber = new Throwing();
      place.accept(subscriber, kind);
      client.publish(ChatRequest.builder().user(SECRET).build()).subscribe(subscriber);
      awaitSoon(() -> ClientInternals.activeCalls(client) == 0);
    }

    assertThat(client.chat(SECRET).text()).isEqualTo("NODE");
  }

  @ParameterizedTest
  @EnumSource(Kind.class)
  void whatASubscriberToAClosedClientThrowsIsIgnored(Kind kind) {
    LlmClient client =
        loopback.client(LlmClient.builder().endpoint(Endpoint.local("f", request -> "F").build()));
    client.close();
    Throwing subscriber = new Throwing();
    subscriber.onSubscribe = kind;

    client.publish(ChatRequest.builder().user(SECRET).build()).subscribe(subscriber);

    assertThat(Thread.interrupted()).isFalse();
  }

  @ParameterizedTest
  @EnumSource(Kind.class)
  void aLogThatThrowsWhileAListenerIsComplainedOfCostsNothing(Kind kind) {
    Node node = loopback.node(OllamaReplies.answering("NODE"));
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .httpClient(new OkHttpClient.Builder().eventListener(events(kind)).build())
                .listener(Place.LISTENER.listener(kind))
                .endpoint(ollama("first", node).build()));

    Place.LOG.around(kind, () -> assertThat(client.chat(SECRET).attempts()).hasSize(1));
  }

  private static final class Throwing implements Flow.Subscriber<ChatEvent> {
    private volatile Kind onSubscribe;
    private volatile Kind onNext;
    private volatile Kind onComplete;

    private static void act(Kind kind) {
      if (kind != null) {
        Object unused = kind.thrown();
      }
    }

    @Override
    public void onSubscribe(Flow.Subscription subscription) {
      subscription.request(Long.MAX_VALUE);
      act(onSubscribe);
    }

    @Override
    public void onNext(ChatEvent event) {
      act(onNext);
    }

    @Override
    public void onError(Throwable thrown) {
      act(onNext);
    }

    @Override
    public void onComplete() {
      act(onComplete);
    }
  }

  @ParameterizedTest
  @CsvSource(
      nullValues = "none",
      value = {
        "unable to create native thread: possibly out of memory or process limits, INTERNAL",
        "unable to create new native thread, INTERNAL",
        "Java heap space, RESPONSE_TOO_LARGE",
        "none, RESPONSE_TOO_LARGE"
      })
  void wantOfThreadsIsNoWantOfMemory(String message, FailureKind kind) {
    Node node = loopback.node(OllamaReplies.answering("NODE"));
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .httpClient(
                    new OkHttpClient.Builder()
                        .addInterceptor(
                            chain -> {
                              throw new OutOfMemoryError(message);
                            })
                        .build())
                .endpoint(ollama("first", node).build())
                .endpoint(template()));

    assertThat(client.chat(SECRET).attempts().get(0).failure()).contains(kind);
  }

  @Test
  void anInterruptThatApplicationCodeHasTakenIsGivenBack() {
    Node node = loopback.node(OllamaReplies.answering("NODE"));
    LlmClient client = loopback.client(LlmClient.builder().endpoint(ollama("first", node).build()));
    ChatRequest request =
        ChatRequest.builder()
            .user(SECRET)
            .accept(
                answer -> {
                  throw UserCodeFailureTest.<RuntimeException>undeclared(
                      new InterruptedException("asleep"));
                })
            .build();

    assertThatThrownBy(() -> client.chat(request)).isInstanceOf(LlmException.class);

    assertThat(Thread.interrupted()).isTrue();
  }

  @ParameterizedTest
  @EnumSource(Kind.class)
  void aConsumerOfResilience4jThatThrowsLosesNoStateAndNoSlot(Kind kind) {
    Node node = loopback.node(OllamaReplies.status(500, "", ""));
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .endpoint(ollama("first", node).maxConcurrent(1).build())
                .endpoint(template()));
    Place.CONSUMERS_OF_RESILIENCE4J.watch(client, kind);

    for (int i = 0; i < 4; i++) {
      assertThat(client.chat(SECRET).text()).isEqualTo("TEMPLATE");
    }

    assertThat(node.requests()).hasSize(2);
    assertThat(primaryState(client)).isEqualTo(EndpointState.DOWN);
    assertThat(client.status().endpoints().get(0).inFlight()).isZero();
  }

  @ParameterizedTest
  @EnumSource(Kind.class)
  void aLogThatThrowsKeepsNoNodeUpThatIsDown(Kind kind) throws Exception {
    Node node = loopback.node(OllamaReplies.status(500, "", ""));
    LlmClient client =
        loopback.client(
            LlmClient.builder().endpoint(ollama("first", node).build()).endpoint(template()));

    Place.LOG.around(
        kind,
        () -> {
          for (int i = 0; i < 4; i++) {
            assertThat(client.chat(SECRET).text()).isEqualTo("TEMPLATE");
          }
        });

    assertThat(node.requests()).hasSize(2);
    assertThat(primaryState(client)).isEqualTo(EndpointState.DOWN);
  }

  @ParameterizedTest
  @EnumSource(Kind.class)
  void aLogThatThrowsTakesNoNodeDownThatAnswersEverySecondCall(Kind kind) throws Exception {
    Node node = loopback.node(OllamaReplies.hanging());
    LlmClient client =
        loopback.client(
            LlmClient.builder().endpoint(ollama("first", node).build()).endpoint(template()));

    Place.LOG.around(
        kind,
        () -> {
          for (int i = 0; i < 2; i++) {
            node.respondWith(OllamaReplies.status(500, "", ""));
            assertThat(client.chat(SECRET).text()).isEqualTo("TEMPLATE");
            node.respondWith(OllamaReplies.answering("NODE"));
            assertThat(client.chat(SECRET).text()).isEqualTo("NODE");
          }
        });

    assertThat(primaryState(client)).isEqualTo(EndpointState.UP);
  }

  @Test
  void withoutALimitNoCallPaysForAnEventOfTheBulkhead() {
    Node node = loopback.node(OllamaReplies.answering("NODE"));
    LlmClient client = loopback.client(LlmClient.builder().endpoint(ollama("node", node).build()));

    assertThat(client.chat(SECRET).text()).isEqualTo("NODE");

    Object events = client.resilience4j().bulkheads().bulkhead("node").getEventPublisher();
    assertThat(events).isInstanceOf(EventProcessor.class);
    assertThat(((EventProcessor<?>) events).hasConsumers()).isFalse();
  }

  @ParameterizedTest
  @EnumSource(Kind.class)
  void aConsumerThatThrowsKeepsNoSlotWhereThereIsNoLimit(Kind kind) {
    Node node = loopback.node(OllamaReplies.answering("NODE"));
    LlmClient client = loopback.client(LlmClient.builder().endpoint(ollama("first", node).build()));
    Place.CONSUMERS_OF_RESILIENCE4J.watch(client, kind);

    for (int i = 0; i < 3; i++) {
      assertThat(client.chat(SECRET).text()).isEqualTo("NODE");
    }

    Bulkhead.Metrics places = client.resilience4j().bulkheads().bulkhead("first").getMetrics();
    assertThat(places.getAvailableConcurrentCalls()).isEqualTo(Integer.MAX_VALUE);
  }

  private static void withLogContext(InvocationHandler adapter, Runnable calls) {
    MDCAdapter before = MDC.getMDCAdapter();
    useLogContext(
        (MDCAdapter)
            Proxy.newProxyInstance(
                MDCAdapter.class.getClassLoader(), new Class<?>[] {MDCAdapter.class}, adapter));
    try {
      calls.run();
    } finally {
      useLogContext(before);
    }
  }

  private static void useLogContext(MDCAdapter adapter) {
    try {
      Field field = MDC.class.getDeclaredField("MDC_ADAPTER");
      field.setAccessible(true);
      field.set(null, adapter);
    } catch (ReflectiveOperationException e) {
      throw new AssertionError(e);
    }
  }

  @ParameterizedTest
  @EnumSource(Kind.class)
  void aLogContextThatBreaksOnTheThreadOfACallCostsNothing(Kind kind) throws Exception {
    Node node = loopback.node(OllamaReplies.answering("NODE"));
    List<Thread> threads = new CopyOnWriteArrayList<>();
    List<Throwable> uncaught = new CopyOnWriteArrayList<>();
    ExecutorService workers =
        Executors.newSingleThreadExecutor(
            task -> {
              Thread thread = new Thread(task, "test-worker");
              thread.setUncaughtExceptionHandler((of, thrown) -> uncaught.add(thrown));
              threads.add(thread);
              return thread;
            });
    LlmClient client =
        loopback.client(
            ClientInternals.withWorkers(
                LlmClient.builder().endpoint(ollama("first", node).build()), workers));
    ChatRequest request = ChatRequest.builder().user(SECRET).build();

    withLogContext(
        (proxy, method, arguments) ->
            method.getName().equals("getCopyOfContextMap")
                ? Map.of("invoice", "1042")
                : kind.thrown(),
        () -> {
          assertThat(client.chatAsync(request).join().text()).isEqualTo("NODE");
          assertThat(client.chatAsync(request).join().text()).isEqualTo("NODE");
          workers.shutdown();
          awaitSoon(() -> threads.stream().noneMatch(Thread::isAlive));
        });

    assertThat(uncaught).isEmpty();
  }
}
