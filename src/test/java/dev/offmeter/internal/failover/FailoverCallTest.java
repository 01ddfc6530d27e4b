// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.offmeter.ChatRequest;
import dev.offmeter.LlmException;
import dev.offmeter.internal.health.HealthCheckInterval;
import dev.offmeter.internal.http.AttemptTimeouts;
import dev.offmeter.internal.time.CancellationToken;
import dev.offmeter.observe.LlmListener;
import dev.offmeter.testing.EndpointConfigs;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.TemplateExchangeFactory;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What a call leaves behind that ends where it is seldom ended. */
@Timeout(20)
class FailoverCallTest {
  private static final Duration ANY = Duration.ofSeconds(15);

  private final ManualTime time = new ManualTime();
  private final AdmissionQueue admissionQueue = new AdmissionQueue(time);
  private final CancellationToken token = new CancellationToken();
  private boolean failing;

  @Test
  void anAttemptThatIsCancelledWhileAListenerIsToldOfItIsForgotten() {
    GuardedEndpoint endpoint = endpoint();
    LlmListener cancelling =
        new LlmListener() {
          @Override
          public void onAttemptStarted(long call, String name, String origin) {
            token.cancel("the caller is gone");
          }
        };

    assertThatThrownBy(() -> run(endpoint, cancelling)).isInstanceOf(LlmException.class);

    assertThat(endpoint.health().hasAttempts()).isFalse();
  }

  @Test
  void aSlotComesBackWhenTheStayAtAnEndpointCannotBegin() {
    GuardedEndpoint endpoint = endpoint();
    failing = true;
    assertThatThrownBy(() -> run(endpoint, new LlmListener() {})).isNotNull();
    failing = false;

    assertThat(run(endpoint, new LlmListener() {})).isEqualTo("Dear");
  }

  private String run(GuardedEndpoint endpoint, LlmListener listener) {
    CallContext context =
        new CallContext(
            List.of(endpoint),
            ChatRequest.builder().user("a reminder").build(),
            Deadline.setAt(time, time.nanos(), ANY),
            token,
            new CallRecorder(1, Map.of(), time, listener),
            StreamSink.NONE,
            AnswerValidator.ANY,
            time,
            admissionQueue);
    return new FailoverCall(context, null).run().text();
  }

  private GuardedEndpoint endpoint() {
    AttemptTimeouts timeouts = new AttemptTimeouts(ANY, ANY, ANY, ANY, ANY, null);
    return new GuardedEndpoint(
        EndpointConfigs.server("home", timeouts, 1, this::defaults),
        new TemplateExchangeFactory(),
        new GuardedEndpoint.SharedResources(
            time,
            Runnable::run,
            (effect, inARow, asked) -> ANY,
            new HealthCheckInterval(() -> 0.5),
            FailoverExecutor.emptyRegistries(),
            admissionQueue,
            change -> {}));
  }

  private ChatRequest defaults(ChatRequest request) {
    if (failing) {
      throw new OutOfMemoryError("while the stay begins");
    }
    return request;
  }
}
