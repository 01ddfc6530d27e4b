// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.failover;

import static dev.offmeter.testing.Loopback.awaitSoon;
import static dev.offmeter.testing.Loopback.ollama;
import static dev.offmeter.testing.TwoNodes.template;
import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.Attempt;
import dev.offmeter.ChatResponse;
import dev.offmeter.ClientInternals;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
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
class FirstTokenTimeoutMessageTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private final List<String> heads = new CopyOnWriteArrayList<>();
  private ManualTime time;
  private Node home;
  private LlmClient client;

  @BeforeEach
  void start() {
    time = loopback.manualTime();
    home = loopback.node(OllamaReplies.hanging());
    client =
        loopback.client(
            ClientInternals.builder(time)
                .endpoint(ollama("home", home).timeout(Duration.ofSeconds(3)).build())
                .endpoint(template())
                .httpClient(
                    new OkHttpClient.Builder()
                        .eventListener(
                            new EventListener() {
                              @Override
                              public void responseHeadersEnd(Call call, Response response) {
                                heads.add(response.request().url().encodedPath());
                              }
                            })
                        .build()));
  }

  private Attempt timedOut(boolean replies) throws Exception {
    CompletableFuture<ChatResponse> call = client.chatAsync("a reminder");
    awaitSoon(() -> home.requests().size() == 1 && heads.contains("/api/chat") == replies);
    time.advance(Duration.ofSeconds(2));
    awaitSoon(() -> !time.isProbing());
    for (int i = 0; i < 4; i++) {
      time.advance(Duration.ofMillis(250));
    }
    return call.get().attempts().get(0);
  }

  @Test
  void thatTheHeadOfTheReplyHadCome() throws Exception {
    home.respondToProbesWith(OllamaReplies.status(401, "", ""));
    home.respondWith(
        (connection, request) -> {
          connection.send(OllamaReplies.STREAM_HEAD);
          connection.hang();
        });

    Attempt failed = timedOut(true);

    assertThat(failed.failure()).contains(FailureKind.ATTEMPT_TIMEOUT);
    assertThat(failed.message()).contains("the head of its reply had come", "hold the answer back");
    assertThat(failed.status()).hasValue(200);
  }

  @Test
  void thatItAnswersHealthChecks() throws Exception {
    home.respondToProbesWith(
        OllamaReplies.probes(OllamaReplies.loadCompleted(), "home-model:latest"));

    Attempt failed = timedOut(false);

    assertThat(failed.message()).contains("it answers health checks", "hold the answer back");
    assertThat(failed.status()).isEmpty();
  }

  @Test
  void andNothingThatIsNotKnown() throws Exception {
    home.respondToProbesWith(OllamaReplies.status(401, "", ""));

    assertThat(timedOut(false).message()).isEqualTo("no complete answer in 3000 ms");
  }
}
