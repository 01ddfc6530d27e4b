// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples.stream;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.offmeter.Endpoint;
import dev.offmeter.LlmClient;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.springframework.core.task.AsyncTaskExecutor;
import org.springframework.core.task.TaskRejectedException;
import org.springframework.scheduling.concurrent.ThreadPoolTaskScheduler;
import org.springframework.web.servlet.mvc.method.annotation.SseEmitter;

class EmitterControllerTest {
  private final LlmClient llm =
      LlmClient.builder().endpoint(Endpoint.local("template", request -> "Dear").build()).build();
  private final ThreadPoolTaskScheduler scheduler = new ThreadPoolTaskScheduler();

  EmitterControllerTest() {
    scheduler.initialize();
  }

  @AfterEach
  void close() {
    scheduler.shutdown();
    llm.close();
  }

  private EmitterController controller(AsyncTaskExecutor executor) {
    return new EmitterController(llm, executor, scheduler, Duration.ofHours(1));
  }

  @Test
  void anExecutorThatIsFullLeavesNoStreamAndNoHeartbeat() {
    EmitterController controller =
        controller(
            task -> {
              throw new TaskRejectedException("full");
            });

    assertThatExceptionOfType(TaskRejectedException.class)
        .isThrownBy(() -> controller.answer("Hello"));

    assertThat(llm.runningCalls()).isZero();
    assertThat(scheduler.getScheduledThreadPoolExecutor().getQueue()).isEmpty();
  }

  @Test
  void anEventThatCannotBeWrittenAsJsonEndsThePage() {
    AtomicReference<Throwable> end = new AtomicReference<>();
    SseEmitter emitter =
        new SseEmitter() {
          @Override
          public void send(SseEventBuilder event) {
            throw new UnsupportedOperationException("no converter");
          }

          @Override
          public void completeWithError(Throwable error) {
            end.set(error);
          }
        };

    controller(Runnable::run).send(llm.stream("Hello"), emitter);

    assertThat(end.get()).isInstanceOf(UnsupportedOperationException.class);
    assertThat(llm.runningCalls()).isZero();
  }
}
