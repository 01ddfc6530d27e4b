// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.offmeter.Attempt;
import dev.offmeter.ChatRequest;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmException;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.http.EndpointConfig;
import dev.offmeter.internal.http.Exchange;
import dev.offmeter.internal.http.ExchangeResult;
import dev.offmeter.internal.http.PartialAnswer;
import dev.offmeter.internal.time.CancellationToken;
import dev.offmeter.observe.EndpointStatus;
import dev.offmeter.observe.LlmListener;
import dev.offmeter.testing.EndpointConfigs;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Metering;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** A call that no endpoint answers ends as one exception, whatever breaks while it is summed up. */
@Timeout(20)
class FailoverExecutorTest {
  private static final ChatRequest REQUEST = ChatRequest.builder().user("a reminder").build();

  private final ManualTime time = new ManualTime();
  private final List<LlmException> told = new ArrayList<>();
  private final List<String> over = new ArrayList<>();

  static Stream<Supplier<Throwable>> broken() {
    return Stream.of(
        StackOverflowError::new,
        () -> new OutOfMemoryError("no heap"),
        () -> new NoClassDefFoundError("org/acme/Missing"),
        () -> new IllegalStateException("a listener's own"));
  }

  private FailoverExecutor executor(Supplier<Throwable> thrown) {
    return new FailoverExecutor(
        List.of(server("home"), server("managed")),
        config -> (request, listener) -> failing(),
        time,
        Runnable::run,
        () -> 0.5,
        null,
        new LlmListener() {
          @Override
          public void onCallFailed(long call, LlmException exception) {
            told.add(exception);
            FailoverExecutorTest.<RuntimeException>sneakyThrow(thrown.get());
          }
        },
        Metering.meter(time),
        Metering.noBudgets(time));
  }

  private static EndpointConfig server(String name) {
    return EndpointConfigs.server(name, GuardedEndpoints.TIMEOUTS, 1);
  }

  @SuppressWarnings("unchecked")
  private static <T extends Throwable> void sneakyThrow(Throwable thrown) throws T {
    throw (T) thrown;
  }

  private static Exchange failing() {
    return new Exchange() {
      @Override
      public ExchangeResult next() throws AttemptException {
        throw AttemptException.of(FailureKind.SERVER_ERROR, "an error of the server's");
      }

      @Override
      public PartialAnswer partialAnswer() {
        return PartialAnswer.NOTHING;
      }

      @Override
      public void cancel() {}

      @Override
      public void close() {}
    };
  }

  private void assertEndedWithAllAttempts(LlmException exception, Supplier<Throwable> thrown) {
    assertThat(exception)
        .hasMessageContaining("broken off by " + thrown.get().getClass().getName());
    assertThat(exception.attempts())
        .extracting(Attempt::endpoint)
        .containsExactly("home", "managed");
    assertThat(told).as("the listener is told once").hasSize(1);
  }

  private void assertNothingIsHeld(FailoverExecutor executor) {
    assertThat(executor.status().endpoints()).extracting(EndpointStatus::inFlight).containsOnly(0);
    assertThat(time.pendingTasks()).isZero();
  }

  @ParameterizedTest
  @MethodSource("broken")
  void whatIsThrownWhileACallIsSummedUpLosesNoAttempt(Supplier<Throwable> thrown) {
    FailoverExecutor executor = executor(thrown);

    LlmException exception =
        catchThrowableOfType(
            LlmException.class,
            () ->
                executor.chat(
                    REQUEST, null, time.nanos(), new CancellationToken(), AnswerValidator.ANY));

    assertEndedWithAllAttempts(exception, thrown);
    assertNothingIsHeld(executor);
  }

  @ParameterizedTest
  @MethodSource("broken")
  void whatIsThrownWhileAStreamIsSummedUpLosesNoAttempt(Supplier<Throwable> thrown) {
    FailoverExecutor executor = executor(thrown);
    StreamingCall stream =
        executor.stream(
            REQUEST, null, new CancellationToken(), response -> over.add("over: " + response));

    LlmException exception = catchThrowableOfType(LlmException.class, stream::next);

    assertEndedWithAllAttempts(exception, thrown);
    assertThat(catchThrowableOfType(LlmException.class, stream::next)).isSameAs(exception);
    assertThat(over).containsExactly("over: null");
    assertNothingIsHeld(executor);
  }
}
