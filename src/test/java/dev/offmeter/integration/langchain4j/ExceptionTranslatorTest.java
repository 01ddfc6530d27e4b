// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.langchain4j;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.langchain4j.exception.AuthenticationException;
import dev.langchain4j.exception.ContentFilteredException;
import dev.langchain4j.exception.InternalServerException;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.exception.ModelNotFoundException;
import dev.langchain4j.exception.NonRetriableException;
import dev.langchain4j.exception.RateLimitException;
import dev.langchain4j.exception.TimeoutException;
import dev.langchain4j.exception.UnresolvedModelServerException;
import dev.langchain4j.model.chat.ChatModel;
import dev.offmeter.AllEndpointsFailedException;
import dev.offmeter.Attempt;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.LlmException;
import dev.offmeter.LoopDetectedException;
import dev.offmeter.guard.Budget;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testkit.FakeLlm;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Which exception of LangChain4j a failure becomes. */
@Timeout(20)
class ExceptionTranslatorTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private final FakeLlm node = loopback.fake(FakeLlm.ollama());

  private LlmClient.Builder builder() {
    return LlmClient.builder().endpoint(node.endpoint("node").build());
  }

  private Throwable failure() {
    return catchThrowable(() -> new OffmeterChatModel(loopback.client(builder())).chat("x"));
  }

  @ParameterizedTest
  @CsvSource({
    "401, {\"error\":\"unauthorized\"}, AuthenticationException",
    "404, {\"error\":\"model 'fake-model' not found\"}, ModelNotFoundException",
    "404, 404 page not found, ModelNotFoundException",
    "400, {\"error\":\"bad\"}, InvalidRequestException",
    "402, {\"error\":\"no credit left\"}, RateLimitException",
    "429, {\"error\":\"slow down\"}, RateLimitException",
    "503, {\"error\":\"server busy\"}, RateLimitException",
    "504, gateway timeout, TimeoutException",
    "500, x, InternalServerException",
  })
  void aStatusIsTheExceptionThatOtherModelsThrow(int status, String body, String exception) {
    node.status(status, body);

    assertThat(failure())
        .satisfies(e -> assertThat(e.getClass().getSimpleName()).isEqualTo(exception))
        .hasCauseInstanceOf(AllEndpointsFailedException.class)
        .hasMessageContaining("1. node");
  }

  @Test
  void aServerThatCannotBeReachedIsAnInternalServerException() {
    node.refuses();

    assertThat(failure()).isInstanceOf(InternalServerException.class);
  }

  @Test
  void aDeadlineIsATimeoutException() {
    node.hangs();
    ChatModel model =
        OffmeterChatModel.builder(loopback.client(builder()))
            .customizer(request -> request.deadline(Duration.ofMillis(100)))
            .build();

    assertThat(catchThrowable(() -> model.chat("x"))).isInstanceOf(TimeoutException.class);
  }

  @Test
  void anEndpointThatIsDownIsWhatTookItDown() {
    node.status(401);
    ChatModel model = new OffmeterChatModel(loopback.client(builder()));

    assertThat(catchThrowable(() -> model.chat("x"))).isInstanceOf(AuthenticationException.class);
    assertThat(catchThrowable(() -> model.chat("x")))
        .isInstanceOf(AuthenticationException.class)
        .cause()
        .isInstanceOfSatisfying(
            LlmException.class, e -> assertThat(e.failure()).contains(FailureKind.CIRCUIT_OPEN));
  }

  @Test
  void aSpentBudgetIsARateLimitException() {
    ChatModel model =
        new OffmeterChatModel(
            loopback.client(
                builder().budget(Budget.calls("one", 1).whenExceeded(Budget.WhenExceeded.REJECT))));
    model.chat("x");

    assertThat(catchThrowable(() -> model.chat("x"))).isInstanceOf(RateLimitException.class);
  }

  @Test
  void aConversationThatComesTooOftenIsAnInvalidRequest() {
    ChatModel model =
        OffmeterChatModel.builder(loopback.client(builder().maxRepeatsPerSession(1)))
            .customizer(request -> request.session("s"))
            .build();
    model.chat("x");

    assertThat(catchThrowable(() -> model.chat("x")))
        .isInstanceOf(InvalidRequestException.class)
        .hasCauseInstanceOf(LoopDetectedException.class);
  }

  @Test
  void anInterruptedCallIsNotRetried() throws Exception {
    node.hangs();
    ChatModel model = new OffmeterChatModel(loopback.client(builder()));
    Thread.currentThread().interrupt();

    Throwable thrown = catchThrowable(() -> model.chat("x"));

    assertThat(Thread.interrupted()).isTrue();
    assertThat(thrown).isInstanceOf(NonRetriableException.class);
  }

  private static Throwable translated(FailureKind kind) {
    Attempt attempt = Attempt.builder("node").failure(kind).build();
    return ExceptionTranslator.translate(
        (Throwable) new LlmException("it failed", List.of(attempt)));
  }

  @ParameterizedTest
  @EnumSource(FailureKind.class)
  void everyKindIsAnExceptionOfLangChain4jWithOurOwnAsCause(FailureKind kind) {
    assertThat(translated(kind))
        .isInstanceOf(dev.langchain4j.exception.LangChain4jException.class)
        .hasMessage("it failed")
        .hasCauseInstanceOf(LlmException.class);
  }

  @Test
  void aRefusalAndAnUnknownHostHaveExceptionsOfTheirOwn() {
    assertThat(translated(FailureKind.CONTENT_FILTERED))
        .isInstanceOf(ContentFilteredException.class);
    assertThat(translated(FailureKind.UNKNOWN_HOST))
        .isInstanceOf(UnresolvedModelServerException.class);
    assertThat(translated(FailureKind.MODEL_NOT_FOUND)).isInstanceOf(ModelNotFoundException.class);
    assertThat(translated(FailureKind.CONNECT_TIMEOUT)).isInstanceOf(TimeoutException.class);
  }
}
