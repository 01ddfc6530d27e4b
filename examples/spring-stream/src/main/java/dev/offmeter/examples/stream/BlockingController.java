// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples.stream;

import dev.offmeter.ChatEvent;
import dev.offmeter.ChatStream;
import dev.offmeter.LlmClient;
import dev.offmeter.LlmException;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.ScheduledFuture;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.autoconfigure.condition.ConditionalOnWebApplication;
import org.springframework.http.MediaType;
import org.springframework.scheduling.TaskScheduler;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RequestParam;
import org.springframework.web.bind.annotation.RestController;
import tools.jackson.databind.json.JsonMapper;

/**
 * Streams with a plain loop. Made for {@code spring.threads.virtual.enabled}, with which the thread
 * that waits costs next to nothing.
 */
@RestController
@ConditionalOnWebApplication(type = ConditionalOnWebApplication.Type.SERVLET)
class BlockingController {
  private final LlmClient llm;
  private final JsonMapper json;
  private final TaskScheduler scheduler;
  private final Duration heartbeat;

  BlockingController(
      LlmClient llm,
      JsonMapper json,
      TaskScheduler scheduler,
      @Value("${heartbeat:5s}") Duration heartbeat) {
    this.llm = llm;
    this.json = json;
    this.scheduler = scheduler;
    this.heartbeat = heartbeat;
  }

  @GetMapping("/blocking")
  void answer(@RequestParam String question, HttpServletResponse response) throws IOException {
    response.setContentType(MediaType.TEXT_EVENT_STREAM_VALUE);
    try (ChatStream stream = llm.stream(question);
        EventWriter page = new EventWriter(response.getOutputStream(), json)) {
      ScheduledFuture<?> beats = scheduler.scheduleAtFixedRate(() -> beat(page, stream), heartbeat);
      try {
        send(stream, page);
      } finally {
        beats.cancel(false);
      }
    }
  }

  private static void send(ChatStream stream, EventWriter page) throws IOException {
    try {
      for (ChatEvent event : stream) {
        BrowserEvent shown = BrowserEvent.of(event).orElse(null);
        if (shown != null) {
          page.send(shown);
        }
      }
    } catch (LlmException e) {
      page.send(BrowserEvent.failed(e));
    }
  }

  /** Sends a comment. A server learns only by writing that the page has gone. */
  private static void beat(EventWriter page, ChatStream stream) {
    try {
      page.comment();
    } catch (IOException e) {
      stream.close();
    }
  }
}
