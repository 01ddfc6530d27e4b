// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples.stream;

import dev.offmeter.ChatRequest;
import dev.offmeter.LlmClient;
import dev.offmeter.LlmException;
import java.util.Map;
import org.springframework.boot.autoconfigure.condition.ConditionalOnWebApplication;
import org.springframework.http.MediaType;
import org.springframework.http.codec.ServerSentEvent;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RequestParam;
import org.springframework.web.bind.annotation.RestController;
import reactor.adapter.JdkFlowAdapter;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/** Streams with WebFlux: nothing is read from the node faster than the page takes it. */
@RestController
@ConditionalOnWebApplication(type = ConditionalOnWebApplication.Type.REACTIVE)
class ReactiveController {
  private final LlmClient llm;

  ReactiveController(LlmClient llm) {
    this.llm = llm;
  }

  @GetMapping(path = "/reactive", produces = MediaType.TEXT_EVENT_STREAM_VALUE)
  Flux<ServerSentEvent<Map<String, Object>>> answer(@RequestParam String question) {
    ChatRequest request = ChatRequest.builder().user(question).build();
    return JdkFlowAdapter.flowPublisherToFlux(llm.publish(request))
        .mapNotNull(event -> BrowserEvent.of(event).orElse(null))
        .onErrorResume(LlmException.class, e -> Mono.just(BrowserEvent.failed(e)))
        .map(event -> ServerSentEvent.builder(event.data()).event(event.name()).build());
  }
}
