// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.offmeter.ChatRequest;
import dev.offmeter.LlmException;
import dev.offmeter.internal.time.CancellationToken;
import dev.offmeter.observe.LlmListener;
import dev.offmeter.testing.EndpointConfigs;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.TemplateExchangeFactory;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A call leaves nothing behind, even if it ends where calls seldom end. */
@Timeout(20)
class FailoverCallTest {
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
        GuardedEndpoints.contextOf(
            endpoint, time, Duration.ofSeconds(15), admissionQueue, token, listener);
    return new FailoverCall(context, null).run().text();
  }

  private GuardedEndpoint endpoint() {
    return GuardedEndpoints.of(
        time,
        EndpointConfigs.server("home", GuardedEndpoints.TIMEOUTS, 1, this::defaults),
        new TemplateExchangeFactory(),
        admissionQueue,
        Runnable::run);
  }

  private ChatRequest defaults(ChatRequest request) {
    if (failing) {
      throw new OutOfMemoryError("while the stay begins");
    }
    return request;
  }
}
