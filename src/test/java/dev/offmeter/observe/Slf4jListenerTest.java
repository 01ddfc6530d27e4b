// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.observe;

import static dev.offmeter.observe.EndpointState.DOWN;
import static dev.offmeter.observe.EndpointState.TRIAL;
import static dev.offmeter.observe.EndpointState.UP;
import static dev.offmeter.observe.EndpointState.WARMING;
import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import dev.offmeter.Attempt;
import dev.offmeter.FailureKind;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.slf4j.LoggerFactory;

/** Some events are logged as WARN, which wakes the operator; the others are not. */
class Slf4jListenerTest {
  private final Logger logger = (Logger) LoggerFactory.getLogger("dev.offmeter");
  private final ListAppender<ILoggingEvent> log = new ListAppender<>();
  private final Slf4jListener listener = new Slf4jListener();

  @BeforeEach
  void listen() {
    log.start();
    logger.addAppender(log);
    logger.setAdditive(false);
    logger.setLevel(Level.DEBUG);
  }

  @AfterEach
  void restore() {
    logger.detachAppender(log);
    logger.setLevel(null);
    logger.setAdditive(true);
  }

  private Level levelOf(EndpointState from, EndpointState to, @Nullable FailureKind cause) {
    listener.onEndpointChanged(
        new EndpointChange(
            "primary",
            "https://llm.example.org",
            from,
            to,
            cause,
            "in words",
            Duration.ofSeconds(15)));
    return log.list.get(log.list.size() - 1).getLevel();
  }

  @Test
  void aTrialThatFailsLikeTheLastOneIsNoNews() {
    assertThat(levelOf(UP, DOWN, FailureKind.TUNNEL_DOWN)).isEqualTo(Level.WARN);
    assertThat(levelOf(DOWN, TRIAL, FailureKind.TUNNEL_DOWN)).isEqualTo(Level.DEBUG);
    assertThat(levelOf(TRIAL, DOWN, FailureKind.TUNNEL_DOWN)).isEqualTo(Level.DEBUG);
  }

  @Test
  void aTrialThatFailsForAnotherCauseIsNews() {
    assertThat(levelOf(UP, DOWN, FailureKind.TUNNEL_DOWN)).isEqualTo(Level.WARN);
    assertThat(levelOf(TRIAL, DOWN, FailureKind.UNAUTHORIZED)).isEqualTo(Level.WARN);
  }

  @Test
  void aRecoveryIsGoodNewsAndTheNextOutageIsAWarningAgain() {
    assertThat(levelOf(UP, DOWN, FailureKind.TUNNEL_DOWN)).isEqualTo(Level.WARN);
    assertThat(levelOf(TRIAL, UP, null)).isEqualTo(Level.INFO);
    assertThat(levelOf(UP, DOWN, FailureKind.TUNNEL_DOWN)).isEqualTo(Level.WARN);
  }

  @Test
  void aRecoveryHasNoCause() {
    levelOf(UP, DOWN, FailureKind.TUNNEL_DOWN);
    assertThat(keys()).containsExactly("endpoint", "state", "cause");
    levelOf(TRIAL, UP, null);
    assertThat(keys()).containsExactly("endpoint", "state");
  }

  private List<String> keys() {
    return log.list.get(log.list.size() - 1).getKeyValuePairs().stream()
        .map(pair -> pair.key)
        .toList();
  }

  private String message() {
    return log.list.get(log.list.size() - 1).getFormattedMessage();
  }

  @Test
  void whatIsDownIsLoggedWithItsCauseAndItsBackOffWhichIsNoPromise() {
    levelOf(UP, DOWN, FailureKind.TUNNEL_DOWN);

    assertThat(message())
        .isEqualTo(
            "endpoint primary at https://llm.example.org is DOWN (TUNNEL_DOWN: in words), asked again in 15.0 s unless a"
                + " health check or an answer says otherwise");
  }

  @Test
  void aColdModelIsLoggedBelowWarning() {
    assertThat(levelOf(UP, WARMING, FailureKind.MODEL_COLD)).isEqualTo(Level.INFO);
    assertThat(message())
        .isEqualTo("endpoint primary at https://llm.example.org is WARMING (MODEL_COLD: in words)");

    assertThat(levelOf(WARMING, UP, null)).isEqualTo(Level.INFO);
    assertThat(message()).isEqualTo("endpoint primary at https://llm.example.org is UP");
  }

  @Test
  void anOutageThatEndsByWarmingIsNotWarnedOfAgain() {
    levelOf(UP, DOWN, FailureKind.TUNNEL_DOWN);
    assertThat(levelOf(DOWN, WARMING, FailureKind.MODEL_COLD)).isEqualTo(Level.INFO);
    assertThat(levelOf(WARMING, UP, null)).isEqualTo(Level.INFO);
  }

  @Test
  void aModelThatCannotBeLoadedIsWarnedOfOnce() {
    levelOf(UP, WARMING, FailureKind.MODEL_COLD);
    assertThat(levelOf(WARMING, DOWN, FailureKind.SERVER_ERROR)).isEqualTo(Level.WARN);
    levelOf(DOWN, WARMING, FailureKind.MODEL_COLD);
    assertThat(levelOf(WARMING, DOWN, FailureKind.SERVER_ERROR))
        .as("the last that was told is WARMING, which is no longer true")
        .isEqualTo(Level.INFO);
  }

  @Test
  void anOutageAfterARecoveryByWarmingIsNews() {
    levelOf(UP, DOWN, FailureKind.TUNNEL_DOWN);
    levelOf(DOWN, WARMING, FailureKind.MODEL_COLD);
    levelOf(WARMING, UP, null);
    levelOf(UP, WARMING, FailureKind.MODEL_COLD);
    assertThat(levelOf(WARMING, DOWN, FailureKind.TUNNEL_DOWN)).isEqualTo(Level.WARN);
  }

  @Test
  void theFirstOverloadOfEachEndpointSaysWhatToSet() {
    for (String endpoint : List.of("primary", "primary", "fallback", "primary")) {
      listener.onAttemptEnded(7, failed(endpoint, FailureKind.OVERLOADED));
    }

    assertThat(log.list).hasSize(2).allMatch(event -> event.getLevel() == Level.WARN);
    assertThat(log.list.get(0).getFormattedMessage())
        .isEqualTo(
            "endpoint primary works on fewer requests at a time than it is sent (OVERLOADED): raise"
                + " OLLAMA_NUM_PARALLEL on its node, or set maxConcurrent on the endpoint, so that"
                + " calls beyond it go on at once; see docs/troubleshooting.md#overloaded");
    assertThat(log.list.get(1).getFormattedMessage()).startsWith("endpoint fallback works on");
  }

  @Test
  void otherEndsOfAnAttemptAreNotLogged() {
    listener.onAttemptEnded(7, Attempt.builder("primary").build());
    for (FailureKind kind : FailureKind.values()) {
      if (kind != FailureKind.OVERLOADED) {
        listener.onAttemptEnded(7, failed("primary", kind));
      }
    }

    assertThat(log.list).isEmpty();
  }

  private static Attempt failed(String endpoint, FailureKind kind) {
    return Attempt.builder(endpoint).failure(kind).message("in words").build();
  }
}
