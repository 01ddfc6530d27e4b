// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.failover;

import static dev.offmeter.testing.TwoNodes.template;
import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import dev.offmeter.ChatResponse;
import dev.offmeter.ChatStream;
import dev.offmeter.Endpoint;
import dev.offmeter.LlmClient;
import dev.offmeter.LlmException;
import dev.offmeter.observe.LlmListener;
import dev.offmeter.testing.LoggedEvents;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Proxy;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ConcurrentSkipListSet;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import mockwebserver3.MockResponse;
import mockwebserver3.MockWebServer;
import okhttp3.Call;
import okhttp3.Connection;
import okhttp3.Dispatcher;
import okhttp3.EventListener;
import okhttp3.Handshake;
import okhttp3.HttpUrl;
import okhttp3.OkHttpClient;
import okhttp3.Protocol;
import okhttp3.Request;
import okhttp3.Response;
import okhttp3.tls.HandshakeCertificates;
import okhttp3.tls.HeldCertificate;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Whatever an event listener of HTTP does at whatever event, on whichever thread: the endpoint
 * answers, at the first attempt.
 */
@Timeout(60)
class EventListenerFaultsTest {
  @RegisterExtension final Loopback loopback = new Loopback();
  @RegisterExtension final LoggedEvents log = new LoggedEvents(Level.WARN);

  private static final String SECRET = "a prompt that nobody may see";
  private static final Set<String> ALL = callbacks(EventListener.class);

  /** The callbacks of a call whose first address is refused and whose second speaks TLS. */
  private static final List<String> TOLD =
      List.of(
          "callEnd",
          "callStart",
          "connectEnd",
          "connectFailed",
          "connectStart",
          "connectionAcquired",
          "connectionReleased",
          "dnsEnd",
          "dnsStart",
          "followUpDecision",
          "proxySelectEnd",
          "proxySelectStart",
          "requestBodyEnd",
          "requestBodyStart",
          "requestHeadersEnd",
          "requestHeadersStart",
          "responseBodyEnd",
          "responseBodyStart",
          "responseHeadersEnd",
          "responseHeadersStart",
          "secureConnectEnd",
          "secureConnectStart");

  /** The ways in which a listener misbehaves. */
  enum Deed {
    THROWS_AN_EXCEPTION(() -> new IllegalStateException(SECRET)),
    THROWS_IO(() -> new IOException(SECRET)),
    THROWS_INTERRUPTED_IO(() -> new InterruptedIOException(SECRET)),
    THROWS_AN_INTERRUPT(() -> new InterruptedException(SECRET)),
    SETS_THE_FLAG(() -> null),
    THROWS_CANCELLATION(CancellationException::new),
    THROWS_STACK_OVERFLOW(StackOverflowError::new),
    THROWS_OUT_OF_MEMORY(() -> new OutOfMemoryError("x")),
    THROWS_NO_THREAD(() -> new OutOfMemoryError("unable to create native thread")),
    THROWS_LINKAGE(() -> new NoClassDefFoundError("org/acme/Missing")),
    THROWS_ASSERTION(() -> new AssertionError(SECRET)),
    THROWS_THROWABLE(() -> new Throwable(SECRET));

    private final Supplier<Throwable> thrown;

    Deed(Supplier<Throwable> thrown) {
      this.thrown = thrown;
    }

    boolean interrupts() {
      return this == THROWS_AN_INTERRUPT || this == SETS_THE_FLAG;
    }

    void act() {
      Throwable made = thrown.get();
      if (made == null) {
        Thread.currentThread().interrupt();
      } else {
        throw EventListenerFaultsTest.<RuntimeException>undeclared(made);
      }
    }
  }

  @SuppressWarnings("unchecked")
  private static <T extends Throwable> RuntimeException undeclared(Throwable thrown) throws T {
    throw (T) thrown;
  }

  private static final HeldCertificate CERTIFICATE =
      new HeldCertificate.Builder().addSubjectAlternativeName("localhost").build();
  private static final HandshakeCertificates SERVER =
      new HandshakeCertificates.Builder().heldCertificate(CERTIFICATE).build();
  private static final HandshakeCertificates TRUSTED =
      new HandshakeCertificates.Builder().addTrustedCertificate(CERTIFICATE.certificate()).build();

  private final MockWebServer server = new MockWebServer();

  @BeforeEach
  void start() throws IOException {
    server.useHttps(SERVER.sslSocketFactory());
    server.setDispatcher(
        new mockwebserver3.Dispatcher() {
          @Override
          public MockResponse dispatch(mockwebserver3.RecordedRequest request) {
            return new MockResponse.Builder()
                .setHeader("Content-Type", "application/x-ndjson")
                .body(
                    "{\"message\":{\"content\":\"NODE\"},\"done\":true,\"done_reason\":\"stop\"}\n")
                .build();
          }
        });
    server.start(InetAddress.getByName("127.0.0.1"), 0);
  }

  @AfterEach
  void stop() throws IOException {
    server.close();
  }

  /** The first address is refused. */
  private OkHttpClient.Builder http(EventListener listener) {
    return new OkHttpClient.Builder()
        .sslSocketFactory(TRUSTED.sslSocketFactory(), TRUSTED.trustManager())
        .dns(
            host -> List.of(InetAddress.getByName("127.0.0.2"), InetAddress.getByName("127.0.0.1")))
        .eventListener(listener);
  }

  private LlmClient client(OkHttpClient http) {
    return loopback.client(
        LlmClient.builder()
            .httpClient(http)
            .endpoint(
                Endpoint.ollama("node", "https://localhost:" + server.getPort()).model("m").build())
            .endpoint(template()));
  }

  @Test
  void everyEventIsSweptAndGuarded() throws Exception {
    Listening all = new Listening("", Deed.SETS_THE_FLAG);

    client(http(all).build()).chat(SECRET);

    assertThat(callbacks(Listening.class)).isEqualTo(ALL);
    assertThat(callbacks(Class.forName("dev.offmeter.internal.http.GuardedEventListener")))
        .isEqualTo(ALL);
    assertThat(all.told).containsExactlyInAnyOrderElementsOf(TOLD);
  }

  private static Set<String> callbacks(Class<?> type) {
    return Arrays.stream(type.getDeclaredMethods())
        .filter(method -> Modifier.isPublic(method.getModifiers()) && !method.isSynthetic())
        .filter(method -> !Modifier.isFinal(method.getModifiers()))
        .map(Method::getName)
        .collect(Collectors.toCollection(TreeSet::new));
  }

  @ParameterizedTest
  @EnumSource(Deed.class)
  void theEndpointAnswersAtTheFirstAttempt(Deed deed) {
    for (String event : TOLD) {
      Listening listener = new Listening(event, deed);
      LlmClient client = client(http(listener).build());

      ChatResponse response = client.chat(SECRET);

      boolean interrupted = Thread.interrupted();
      assertThat(response.text()).as(event).isEqualTo("NODE");
      assertThat(response.attempts()).as(event).hasSize(1);
      assertThat(listener.acted).as(event).isTrue();
      assertThat(interrupted)
          .as("interrupted after the call by " + event)
          .isEqualTo(deed.interrupts() && listener.onThreadOfTheCall);
    }
    assertThat(log.messages()).allSatisfy(line -> assertThat(line).doesNotContain(SECRET));
  }

  @ParameterizedTest
  @EnumSource(
      value = Deed.class,
      names = {"THROWS_AN_INTERRUPT", "SETS_THE_FLAG", "THROWS_OUT_OF_MEMORY"})
  void aStreamIsAnsweredToItsEnd(Deed deed) {
    for (String event : TOLD) {
      Listening listener = new Listening(event, deed);
      LlmClient client = client(http(listener).build());

      try (ChatStream stream = client.stream(SECRET)) {
        assertThat(stream.response().text()).as(event).isEqualTo("NODE");
        assertThat(stream.response().attempts()).as(event).hasSize(1);
      }

      assertThat(Thread.interrupted())
          .as("interrupted after the stream by " + event)
          .isEqualTo(deed.interrupts() && listener.onThreadOfTheCall);
    }
  }

  @ParameterizedTest
  @EnumSource(Deed.class)
  void whatMakesTheListenersIsIgnoredToo(Deed deed) {
    OkHttpClient.Builder http = http(EventListener.NONE);
    http.eventListenerFactory(
        call -> {
          deed.act();
          return EventListener.NONE;
        });

    ChatResponse response = client(http.build()).chat(SECRET);

    assertThat(Thread.interrupted()).isEqualTo(deed.interrupts());
    assertThat(response.text()).isEqualTo("NODE");
    assertThat(response.attempts()).hasSize(1);
  }

  @Test
  void aThreadThatConnectsIsLeftWithoutAnInterruptForTheNext() {
    LlmClient interrupting =
        client(http(new Listening("connectStart", Deed.SETS_THE_FLAG)).build());
    LlmClient other = client(http(EventListener.NONE).build());

    for (int i = 0; i < 5; i++) {
      assertThat(interrupting.chat(SECRET).attempts()).hasSize(1);
      assertThat(other.chat(SECRET).attempts()).hasSize(1);
    }
  }

  @ParameterizedTest
  @EnumSource(value = Deed.class, names = "SETS_THE_FLAG", mode = EnumSource.Mode.EXCLUDE)
  void aListenerOfCallsCostsNoAttemptEither(Deed deed) {
    Node node = loopback.node(OllamaReplies.answering("NODE"));
    LlmListener listener =
        new LlmListener() {
          @Override
          public void onAttemptStarted(long call, String endpoint, String model) {
            deed.act();
          }
        };
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .listener(listener)
                .endpoint(Loopback.ollama("node", node).build())
                .endpoint(template()));

    ChatResponse response = client.chat(SECRET);

    assertThat(Thread.interrupted()).isEqualTo(deed.interrupts());
    assertThat(response.text()).isEqualTo("NODE");
    assertThat(response.attempts()).hasSize(1);
  }

  @Test
  void anInterruptOfBeforeStillStopsTheCall() {
    LlmClient client = client(http(new Listening("callStart", Deed.THROWS_AN_INTERRUPT)).build());
    Thread.currentThread().interrupt();

    Throwable thrown = org.assertj.core.api.Assertions.catchThrowable(() -> client.chat(SECRET));

    assertThat(Thread.interrupted()).isTrue();
    assertThat(thrown).isInstanceOf(LlmException.class);
  }

  /** A listener that misbehaves at one event, and records all events. */
  private static final class Listening extends EventListener {
    private final String at;
    private final Deed deed;
    private final Thread caller = Thread.currentThread();
    private final Set<String> told = new ConcurrentSkipListSet<>();
    private volatile boolean acted;
    private volatile boolean onThreadOfTheCall;

    Listening(String at, Deed deed) {
      this.at = at;
      this.deed = deed;
    }

    private void at(String event) {
      told.add(event);
      if (event.equals(at)) {
        acted = true;
        onThreadOfTheCall |= Thread.currentThread() == caller;
        deed.act();
      }
    }

    @Override
    public void callStart(Call p0) {
      at("callStart");
    }

    @Override
    public void dispatcherQueueStart(Call p0, Dispatcher p1) {
      at("dispatcherQueueStart");
    }

    @Override
    public void dispatcherQueueEnd(Call p0, Dispatcher p1) {
      at("dispatcherQueueEnd");
    }

    @Override
    public void proxySelectStart(Call p0, HttpUrl p1) {
      at("proxySelectStart");
    }

    @Override
    public void proxySelectEnd(Call p0, HttpUrl p1, List<Proxy> p2) {
      at("proxySelectEnd");
    }

    @Override
    public void dnsStart(Call p0, String p1) {
      at("dnsStart");
    }

    @Override
    public void dnsEnd(Call p0, String p1, List<InetAddress> p2) {
      at("dnsEnd");
    }

    @Override
    public void connectStart(Call p0, InetSocketAddress p1, Proxy p2) {
      at("connectStart");
    }

    @Override
    public void secureConnectStart(Call p0) {
      at("secureConnectStart");
    }

    @Override
    public void secureConnectEnd(Call p0, Handshake p1) {
      at("secureConnectEnd");
    }

    @Override
    public void connectEnd(Call p0, InetSocketAddress p1, Proxy p2, Protocol p3) {
      at("connectEnd");
    }

    @Override
    public void connectFailed(
        Call p0, InetSocketAddress p1, Proxy p2, Protocol p3, IOException p4) {
      at("connectFailed");
    }

    @Override
    public void connectionAcquired(Call p0, Connection p1) {
      at("connectionAcquired");
    }

    @Override
    public void connectionReleased(Call p0, Connection p1) {
      at("connectionReleased");
    }

    @Override
    public void requestHeadersStart(Call p0) {
      at("requestHeadersStart");
    }

    @Override
    public void requestHeadersEnd(Call p0, Request p1) {
      at("requestHeadersEnd");
    }

    @Override
    public void requestBodyStart(Call p0) {
      at("requestBodyStart");
    }

    @Override
    public void requestBodyEnd(Call p0, long p1) {
      at("requestBodyEnd");
    }

    @Override
    public void requestFailed(Call p0, IOException p1) {
      at("requestFailed");
    }

    @Override
    public void responseHeadersStart(Call p0) {
      at("responseHeadersStart");
    }

    @Override
    public void responseHeadersEnd(Call p0, Response p1) {
      at("responseHeadersEnd");
    }

    @Override
    public void responseBodyStart(Call p0) {
      at("responseBodyStart");
    }

    @Override
    public void responseBodyEnd(Call p0, long p1) {
      at("responseBodyEnd");
    }

    @Override
    public void responseFailed(Call p0, IOException p1) {
      at("responseFailed");
    }

    @Override
    public void callEnd(Call p0) {
      at("callEnd");
    }

    @Override
    public void callFailed(Call p0, IOException p1) {
      at("callFailed");
    }

    @Override
    public void canceled(Call p0) {
      at("canceled");
    }

    @Override
    public void satisfactionFailure(Call p0, Response p1) {
      at("satisfactionFailure");
    }

    @Override
    public void cacheHit(Call p0, Response p1) {
      at("cacheHit");
    }

    @Override
    public void cacheMiss(Call p0) {
      at("cacheMiss");
    }

    @Override
    public void cacheConditionalHit(Call p0, Response p1) {
      at("cacheConditionalHit");
    }

    @Override
    public void retryDecision(Call p0, IOException p1, boolean p2) {
      at("retryDecision");
    }

    @Override
    public void followUpDecision(Call p0, Response p1, Request p2) {
      at("followUpDecision");
    }
  }
}
