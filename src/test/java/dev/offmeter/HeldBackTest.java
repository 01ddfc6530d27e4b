// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import static dev.offmeter.testing.Loopback.ollama;
import static dev.offmeter.testing.Loopback.quickly;
import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.Replies;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import okhttp3.Call;
import okhttp3.EventListener;
import okhttp3.OkHttpClient;
import okhttp3.Response;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** An attempt without a piece says what else is known of its server. */
@Timeout(20)
class HeldBackTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private final List<String> heads = new CopyOnWriteArrayList<>();
  private ManualTime time;
  private Node home;
  private LlmClient client;

  @BeforeEach
  void start() {
    time = loopback.manualTime();
    home = loopback.node(Replies.hanging());
    client =
        loopback.client(
            LlmClient.builder()
                .endpoint(ollama("home", home).timeout(Duration.ofSeconds(3)).build())
                .endpoint(Endpoint.local("template", request -> "TEMPLATE").build())
                .httpClient(
                    new OkHttpClient.Builder()
                        .eventListener(
                            new EventListener() {
                              @Override
                              public void responseHeadersEnd(Call call, Response response) {
                                heads.add(response.request().url().encodedPath());
                              }
                            })
                        .build())
                .time(time));
  }

  private Attempt timedOut(boolean replies) throws Exception {
    CompletableFuture<ChatResponse> call = client.chatAsync("a reminder");
    quickly(() -> home.requests().size() == 1 && heads.contains("/api/chat") == replies);
    time.advance(Duration.ofSeconds(2));
    quickly(() -> !time.isChecking());
    for (int i = 0; i < 4; i++) {
      time.advance(Duration.ofMillis(250));
    }
    return call.get().attempts().get(0);
  }

  @Test
  void thatTheHeadOfTheReplyHadCome() throws Exception {
    home.aside(Replies.status(401, "", ""));
    home.behaves(
        (connection, request) -> {
          connection.send(Replies.STREAM_HEAD);
          connection.hang();
        });

    Attempt failed = timedOut(true);

    assertThat(failed.failure()).contains(FailureKind.ATTEMPT_TIMEOUT);
    assertThat(failed.message()).contains("the head of its reply had come", "hold the answer back");
    assertThat(failed.status()).hasValue(200);
  }

  @Test
  void thatItAnswersHealthChecks() throws Exception {
    home.aside(Replies.aside(Replies.loaded(), "home-model:latest"));

    Attempt failed = timedOut(false);

    assertThat(failed.message()).contains("it answers health checks", "hold the answer back");
    assertThat(failed.status()).isEmpty();
  }

  @Test
  void andNothingThatIsNotKnown() throws Exception {
    home.aside(Replies.status(401, "", ""));

    assertThat(timedOut(false).message()).isEqualTo("no complete answer in 3000 ms");
  }
}
