// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.observe;

import static dev.offmeter.observe.EndpointState.DOWN;
import static dev.offmeter.observe.EndpointState.TRIAL;
import static dev.offmeter.observe.EndpointState.UP;
import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import dev.offmeter.FailureKind;
import java.time.Duration;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.slf4j.LoggerFactory;

/** What wakes the operator, and what does not. */
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
    listener.endpointChanged(
        new EndpointChange("primary", from, to, cause, "in words", Duration.ofSeconds(15)));
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
  void aRecoveryIsNewsAndSoIsTheNextOutage() {
    assertThat(levelOf(UP, DOWN, FailureKind.TUNNEL_DOWN)).isEqualTo(Level.WARN);
    assertThat(levelOf(TRIAL, UP, null)).isEqualTo(Level.WARN);
    assertThat(levelOf(UP, DOWN, FailureKind.TUNNEL_DOWN)).isEqualTo(Level.WARN);
  }
}
