// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.offmeter.FailureKind;
import dev.offmeter.internal.DetachedThreads;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.logging.Logger;
import mockwebserver3.MockResponse;
import mockwebserver3.MockWebServer;
import okhttp3.Call;
import okhttp3.ConnectionPool;
import okhttp3.OkHttpClient;
import okhttp3.Request;
import okhttp3.Response;
import okhttp3.internal.concurrent.TaskRunner;
import okhttp3.internal.connection.ConnectionListener;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** OkHttp on threads of the library's own. */
@Timeout(20)
class OkHttpThreadsTest {
  private final AtomicBoolean none = new AtomicBoolean();
  private final MockWebServer server = new MockWebServer();

  private final TaskRunner runner =
      new TaskRunner(
          new OkHttpThreads.DetachedBackend(
              task -> {
                if (none.get()) {
                  throw new OutOfMemoryError("unable to create native thread");
                }
                return DetachedThreads.daemons("test-connect").newThread(task);
              }),
          Logger.getLogger("test"));

  private final OkHttpClient http =
      new OkHttpClient.Builder()
          .taskRunner$okhttp(runner)
          .connectionPool(
              new ConnectionPool(
                  5,
                  1,
                  java.util.concurrent.TimeUnit.MINUTES,
                  runner,
                  ConnectionListener.Companion.getNONE()))
          .build();

  @BeforeEach
  void start() throws Exception {
    for (int i = 0; i < 3; i++) {
      server.enqueue(
          new MockResponse.Builder().body("ok").setHeader("Connection", "close").build());
    }
    server.start();
  }

  @AfterEach
  void stop() {
    server.close();
  }

  private String ask() throws Exception {
    Call call = http.newCall(new Request.Builder().url(server.url("/")).build());
    try (Response response = call.execute()) {
      return response.body().string();
    }
  }

  @Test
  void aConnectForWhichThereIsNoThreadFailsAtOnce() {
    none.set(true);

    assertThatThrownBy(this::ask).isInstanceOf(OkHttpThreads.NoConnectThreadException.class);
    assertThatThrownBy(this::ask).isInstanceOf(OkHttpThreads.NoConnectThreadException.class);

    assertThat(server.getRequestCount()).isZero();
  }

  @Test
  void theNextConnectHasAThreadAgain() throws Exception {
    none.set(true);
    assertThatThrownBy(this::ask).isInstanceOf(OkHttpThreads.NoConnectThreadException.class);

    none.set(false);

    assertThat(ask()).isEqualTo("ok");
    assertThat(ask()).isEqualTo("ok");
  }

  @Test
  void nobodyIsBlamedForIt() {
    assertThat(IoFailureClassifier.connecting(new OkHttpThreads.NoConnectThreadException()).kind())
        .isEqualTo(FailureKind.INTERNAL);
  }
}
