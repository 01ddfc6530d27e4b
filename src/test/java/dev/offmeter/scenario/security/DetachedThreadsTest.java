// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.security;

import static dev.offmeter.testing.Loopback.awaitSoon;
import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.ChatRequest;
import dev.offmeter.DependenciesTest;
import dev.offmeter.Endpoint;
import dev.offmeter.LlmClient;
import dev.offmeter.internal.time.TimeSource;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import java.io.IOException;
import java.io.InputStream;
import java.lang.ref.WeakReference;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Proxy;
import java.net.Socket;
import java.net.URL;
import java.net.URLClassLoader;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import java.util.stream.Stream;
import javax.net.SocketFactory;
import okhttp3.Call;
import okhttp3.EventListener;
import okhttp3.OkHttpClient;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Code of the application runs on threads that carry nothing of the caller who came first. */
@Timeout(20)
class DetachedThreadsTest {
  private static final InheritableThreadLocal<String> TENANT = new InheritableThreadLocal<>();

  @RegisterExtension final Loopback loopback = new Loopback();

  private static String onThreadOf(String tenant, Supplier<String> call) throws Exception {
    CompletableFuture<String> result = new CompletableFuture<>();
    Thread caller =
        new Thread(
            () -> {
              TENANT.set(tenant);
              result.completeAsync(call, Runnable::run);
            });
    caller.start();
    return result.get(10, TimeUnit.SECONDS);
  }

  @Test
  void aFunctionSeesNoTenantOfAnEarlierCaller() throws Exception {
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .endpoint(Endpoint.local("function", request -> "for " + TENANT.get()).build()));

    for (String tenant : List.of("alice", "bob")) {
      assertThat(onThreadOf(tenant, () -> client.chat("draft").text())).isEqualTo("for null");
      assertThat(onThreadOf(tenant, () -> client.chatAsync(request()).join().text()))
          .isEqualTo("for null");
    }
  }

  @Test
  void aKeyIsNeverSuppliedForAnotherTenant() throws Exception {
    Node node = loopback.node(OllamaReplies.answering("ok"));
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .endpoint(
                    Loopback.ollama("node", node).apiKey(() -> "key-of-" + TENANT.get()).build()));

    for (String tenant : List.of("alice", "bob")) {
      onThreadOf(tenant, () -> client.chat("draft").text());
    }

    assertThat(node.requests())
        .allSatisfy(
            request -> assertThat(request.header("Authorization")).isEqualTo("Bearer key-of-null"));
  }

  @Test
  void noClassLoaderOfACallerIsKept() throws Exception {
    List<ClassLoader> seen = new CopyOnWriteArrayList<>();
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .endpoint(
                    Endpoint.local(
                            "function",
                            request -> {
                              seen.add(Thread.currentThread().getContextClassLoader());
                              return "an answer";
                            })
                        .timeout(Duration.ofSeconds(10))
                        .build()));
    try (URLClassLoader application = new URLClassLoader(new URL[0])) {
      ClassLoader before = Thread.currentThread().getContextClassLoader();
      Thread.currentThread().setContextClassLoader(application);
      try {
        client.chat("draft");
        client.chatAsync(request()).join();
      } finally {
        Thread.currentThread().setContextClassLoader(before);
      }
    }

    assertThat(seen).hasSize(2).containsOnly(LlmClient.class.getClassLoader());
  }

  @Test
  void theTimerCarriesNothingEither() throws Exception {
    CompletableFuture<String> seen = new CompletableFuture<>();
    TENANT.set("alice");
    try (TimeSource time = TimeSource.system()) {
      ScheduledExecutorService timer = time.timer();
      timer.execute(
          () ->
              seen.complete(
                  TENANT.get() + " " + Thread.currentThread().getContextClassLoader().hashCode()));

      assertThat(seen.get(10, TimeUnit.SECONDS))
          .isEqualTo("null " + LlmClient.class.getClassLoader().hashCode());
    } finally {
      TENANT.remove();
    }
  }

  /** OkHttp connects on threads of its own, where it calls the application's code. */
  @Test
  void codeThatIsCalledWhileConnectingSeesNoTenant() throws Exception {
    Node node = loopback.node(OllamaReplies.answering("ok"));
    List<String> seen = new CopyOnWriteArrayList<>();
    Supplier<LlmClient> clients =
        () ->
            loopback.client(
                LlmClient.builder()
                    .httpClient(
                        new OkHttpClient.Builder()
                            .eventListener(
                                new EventListener() {
                                  @Override
                                  public void connectStart(
                                      Call c, InetSocketAddress to, Proxy proxy) {
                                    seen.add(TENANT.get() + " on " + loaderOfThisThread());
                                  }
                                })
                            .socketFactory(
                                new ForwardedSockets(
                                    () -> seen.add(TENANT.get() + " on " + loaderOfThisThread())))
                            .build())
                    .endpoint(Loopback.ollama("node", node).build()));

    for (String tenant : List.of("alice", "bob", "carol")) {
      onThreadOf(tenant, () -> clients.get().chat("draft").text());
    }

    assertThat(seen)
        .hasSize(6)
        .containsOnly("null on " + System.identityHashCode(LlmClient.class.getClassLoader()));
  }

  /** Tells when a socket is made. */
  private static final class ForwardedSockets extends SocketFactory {
    private final Runnable onSocket;

    ForwardedSockets(Runnable onSocket) {
      this.onSocket = onSocket;
    }

    @Override
    public Socket createSocket() {
      onSocket.run();
      return new Socket();
    }

    @Override
    public Socket createSocket(String host, int port) {
      throw new UnsupportedOperationException();
    }

    @Override
    public Socket createSocket(String host, int port, InetAddress local, int localPort) {
      throw new UnsupportedOperationException();
    }

    @Override
    public Socket createSocket(InetAddress host, int port) {
      throw new UnsupportedOperationException();
    }

    @Override
    public Socket createSocket(InetAddress host, int port, InetAddress local, int localPort) {
      throw new UnsupportedOperationException();
    }
  }

  private static int loaderOfThisThread() {
    return System.identityHashCode(Thread.currentThread().getContextClassLoader());
  }

  /** The call runs in libraries of its own, so that no thread exists yet. */
  @Test
  void noThreadThatACallLeavesHasWhatItsCallerHad() throws Exception {
    Node cut =
        loopback.node(
            (connection, request) -> {
              connection.send("HTTP/1.1 500 broken\r\nContent-Length: 100\r\n\r\nbegun");
              connection.hang();
            });
    Node well = loopback.node(OllamaReplies.answering("ok"));
    URL[] all =
        Stream.concat(DependenciesTest.NEEDED.stream(), Stream.of(DetachedThreadsTest.class))
            .map(type -> type.getProtectionDomain().getCodeSource().getLocation())
            .toArray(URL[]::new);
    try (URLClassLoader libraries = new URLClassLoader(all, ClassLoader.getPlatformClassLoader());
        URLClassLoader application = new URLClassLoader(new URL[0], libraries)) {
      Runnable calls =
          (Runnable)
              libraries
                  .loadClass(Calls.class.getName())
                  .getConstructor(String.class, String.class)
                  .newInstance(cut.url(), well.url());
      try (AutoCloseable client = (AutoCloseable) calls) {
        assertThat(client).isNotNull();
        assertLeaveNothing(calls, libraries, application);
      }
    }
  }

  private static void assertLeaveNothing(
      Runnable calls, ClassLoader libraries, ClassLoader application) throws InterruptedException {
    ThreadGroup group = new ThreadGroup("application");
    List<Throwable> thrown = new CopyOnWriteArrayList<>();
    Thread caller = new Thread(group, calls);
    caller.setUncaughtExceptionHandler((thread, e) -> thrown.add(e));
    caller.setContextClassLoader(application);
    caller.setPriority(Thread.MAX_PRIORITY);
    caller.start();
    caller.join();

    assertThat(thrown).isEmpty();
    List<Thread> left = new ArrayList<>(Thread.getAllStackTraces().keySet());
    left.removeIf(thread -> thread.getContextClassLoader() != libraries);
    assertThat(left)
        .extracting(Thread::getName)
        .anyMatch(name -> name.startsWith("OkHttp"))
        .anyMatch(name -> name.startsWith("Okio"))
        .anyMatch(name -> name.startsWith("offmeter"));
    assertThat(left).allMatch(thread -> thread.getPriority() == Thread.NORM_PRIORITY);
    assertThat(Thread.getAllStackTraces().keySet())
        .noneMatch(thread -> thread.getContextClassLoader() == application)
        .noneMatch(thread -> thread.getThreadGroup() == group);
  }

  /** A thread that is made on JDK 17 keeps the protection domains of the code that made it. */
  @Test
  void anApplicationThatIsGoneIsKeptByNoThread() {
    Node well = loopback.node(OllamaReplies.answering("ok"));
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .endpoint(Loopback.ollama("node", well).apiKey(() -> "key").build()));

    WeakReference<ClassLoader> application = gone(() -> client.chat("draft"));

    assertThat(Thread.getAllStackTraces().keySet())
        .extracting(Thread::getName)
        .contains("offmeter-timer");
    awaitSoon(
        () -> {
          System.gc();
          return application.get() == null;
        });
  }

  private static WeakReference<ClassLoader> gone(Runnable calls) {
    try {
      Own application = new Own();
      Runnable passing =
          (Runnable)
              application.own(Passing.class).getConstructor(Runnable.class).newInstance(calls);
      Thread caller = new Thread(passing);
      caller.start();
      caller.join();
      return new WeakReference<>(application);
    } catch (ReflectiveOperationException | IOException | InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  private static final class Own extends ClassLoader {
    Own() {
      super(DetachedThreadsTest.class.getClassLoader());
    }

    Class<?> own(Class<?> type) throws IOException {
      String file = type.getName().replace('.', '/') + ".class";
      try (InputStream in = type.getClassLoader().getResourceAsStream(file)) {
        byte[] bytes = in.readAllBytes();
        return defineClass(type.getName(), bytes, 0, bytes.length);
      }
    }
  }

  /** An application's own class. */
  public static final class Passing implements Runnable {
    private final Runnable calls;

    /** Runs these. */
    public Passing(Runnable calls) {
      this.calls = calls;
    }

    @Override
    public void run() {
      calls.run();
    }
  }

  /** The first calls of an application: one fails in the middle of an error, one is answered. */
  public static final class Calls implements Runnable, AutoCloseable {
    private final LlmClient client;

    /** Builds a client of these servers. */
    public Calls(String first, String second) {
      client =
          LlmClient.builder()
              .endpoint(Endpoint.ollama("first", first).model("m").apiKey(() -> "key").build())
              .endpoint(Endpoint.ollama("second", second).model("m").build())
              .build();
    }

    @Override
    public void run() {
      client.chat("draft");
      client.chatAsync("draft").join();
    }

    @Override
    public void close() {
      client.close();
    }
  }

  private static ChatRequest request() {
    return ChatRequest.builder().user("draft").build();
  }
}
