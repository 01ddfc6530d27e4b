// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.failover;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.ChatRequest;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.TwoNodes;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import okhttp3.OkHttpClient;
import okhttp3.Response;
import okhttp3.ResponseBody;
import okio.ForwardingSource;
import okio.Okio;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * The rest of a reply whose answer is complete: its body is closed, and the wait for it bounded.
 */
@Timeout(20)
class EndOfReplyTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private static final ChatRequest REQUEST = ChatRequest.builder().user("a reminder").build();

  /** How long each body, as it was closed, might still be read; longest if without bound. */
  private final List<Duration> waits = new CopyOnWriteArrayList<>();

  private void ask(ChatRequest request) {
    OkHttpClient own =
        new OkHttpClient.Builder()
            .addInterceptor(chain -> recording(chain.proceed(chain.request())))
            .build();
    TwoNodes nodes = TwoNodes.inManualTime(loopback);
    assertThat(loopback.client(nodes.builder().httpClient(own)).chat(request).endpoint())
        .isEqualTo("primary");
  }

  private Response recording(Response response) {
    ResponseBody body = response.body();
    ForwardingSource source =
        new ForwardingSource(body.source()) {
          @Override
          public void close() throws IOException {
            waits.add(
                timeout().hasDeadline()
                    ? Duration.ofNanos(timeout().deadlineNanoTime() - System.nanoTime())
                    : Duration.ofSeconds(Long.MAX_VALUE));
            super.close();
          }
        };
    return response
        .newBuilder()
        .body(ResponseBody.create(Okio.buffer(source), body.contentType(), -1))
        .build();
  }

  @Test
  void theBodyIsClosedAndItsEndAwaitedForAMomentOnly() {
    ask(REQUEST);

    assertThat(waits).isNotEmpty().allMatch(wait -> wait.compareTo(Duration.ofMillis(25)) <= 0);
  }

  @Test
  void itsEndIsAwaitedNoLongerThanTheDeadlineLeaves() {
    ask(REQUEST.toBuilder().deadline(Duration.ofMillis(2)).build());

    assertThat(waits).isNotEmpty().allMatch(wait -> wait.compareTo(Duration.ofMillis(2)) <= 0);
  }
}
