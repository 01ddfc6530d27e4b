// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples.stream;

import dev.offmeter.ChatEvent;
import dev.offmeter.ChatStream;
import dev.offmeter.LlmClient;
import dev.offmeter.LlmException;
import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.ScheduledFuture;
import org.springframework.beans.factory.annotation.Qualifier;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.autoconfigure.condition.ConditionalOnWebApplication;
import org.springframework.core.task.AsyncTaskExecutor;
import org.springframework.core.task.TaskRejectedException;
import org.springframework.scheduling.TaskScheduler;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RequestParam;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.servlet.mvc.method.annotation.SseEmitter;

/** Streams with an emitter: the request's thread is free while the answer is written. */
@RestController
@ConditionalOnWebApplication(type = ConditionalOnWebApplication.Type.SERVLET)
class EmitterController {
  private final LlmClient llm;
  private final AsyncTaskExecutor executor;
  private final TaskScheduler scheduler;
  private final Duration heartbeat;

  EmitterController(
      LlmClient llm,
      @Qualifier("applicationTaskExecutor") AsyncTaskExecutor executor,
      TaskScheduler scheduler,
      @Value("${heartbeat:5s}") Duration heartbeat) {
    this.llm = llm;
    this.executor = executor;
    this.scheduler = scheduler;
    this.heartbeat = heartbeat;
  }

  @GetMapping("/emitter")
  SseEmitter answer(@RequestParam String question) {
    SseEmitter emitter = new SseEmitter(0L);
    ChatStream stream = llm.stream(question);
    emitter.onCompletion(stream::close);
    try {
      executor.execute(() -> send(stream, emitter));
    } catch (TaskRejectedException e) {
      stream.close();
      throw e;
    }
    return emitter;
  }

  void send(ChatStream stream, SseEmitter emitter) {
    try (stream) {
      ScheduledFuture<?> beats =
          scheduler.scheduleAtFixedRate(() -> beat(emitter, stream), heartbeat);
      try {
        for (ChatEvent event : stream) {
          BrowserEvent shown = BrowserEvent.of(event).orElse(null);
          if (shown != null) {
            emitter.send(SseEmitter.event().name(shown.name()).data(shown.data()));
          }
        }
      } finally {
        beats.cancel(false);
      }
      emitter.complete();
    } catch (LlmException e) {
      fail(emitter, e);
    } catch (IOException | RuntimeException e) {
      emitter.completeWithError(e);
    }
  }

  private static void fail(SseEmitter emitter, LlmException exception) {
    BrowserEvent failed = BrowserEvent.failed(exception);
    try {
      emitter.send(SseEmitter.event().name(failed.name()).data(failed.data()));
      emitter.complete();
    } catch (IOException | RuntimeException e) {
      emitter.completeWithError(e);
    }
  }

  /** Sends a comment. A server learns only by writing that the page has gone. */
  private static void beat(SseEmitter emitter, ChatStream stream) {
    try {
      emitter.send(SseEmitter.event().comment(""));
    } catch (IOException | RuntimeException e) {
      stream.close();
    }
  }
}
