// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.springai;

import dev.offmeter.ChatEvent;
import dev.offmeter.ChatResponse.ToolCall;
import java.util.List;
import java.util.Map;
import org.springframework.ai.chat.messages.AssistantMessage;
import org.springframework.ai.chat.metadata.ChatGenerationMetadata;
import org.springframework.ai.chat.metadata.ChatResponseMetadata;
import org.springframework.ai.chat.model.ChatResponse;
import org.springframework.ai.chat.model.Generation;

/** Turns the client's answers, and the pieces of a stream, into those of Spring AI. */
final class Answers {
  /** The key for a model's thinking, as in Spring AI's model of Ollama. */
  private static final String THINKING = "thinking";

  private Answers() {}

  /**
   * Returns a complete answer.
   *
   * @param before the tokens of the answers that called tools before
   */
  static ChatResponse complete(dev.offmeter.ChatResponse response, TokenUsage before) {
    return answer(response, response.text(), before);
  }

  /** Returns the response for an event of a stream; the last has everything but the text. */
  static ChatResponse chunk(ChatEvent event, TokenUsage before) {
    if (event instanceof ChatEvent.TextDelta delta) {
      return piece(delta.text(), Map.of());
    }
    if (event instanceof ChatEvent.ThinkingDelta delta) {
      return piece("", Map.of(THINKING, delta.text()));
    }
    if (event instanceof ChatEvent.Completed completed) {
      return answer(completed.response(), "", before);
    }
    throw new IllegalStateException("a stream must not start again, was told " + event);
  }

  private static ChatResponse piece(String text, Map<String, Object> properties) {
    AssistantMessage message =
        AssistantMessage.builder().content(text).properties(properties).build();
    return new ChatResponse(List.of(new Generation(message)));
  }

  private static ChatResponse answer(
      dev.offmeter.ChatResponse response, String text, TokenUsage before) {
    String thinking = response.thinking();
    AssistantMessage message =
        AssistantMessage.builder()
            .content(text)
            .properties(thinking.isEmpty() ? Map.of() : Map.of(THINKING, thinking))
            .toolCalls(response.toolCalls().stream().map(Answers::toolCall).toList())
            .build();
    ChatGenerationMetadata.Builder generation =
        ChatGenerationMetadata.builder().finishReason(response.finishReason().name());
    if (!thinking.isEmpty()) {
      generation.metadata(THINKING, thinking);
    }
    return new ChatResponse(
        List.of(new Generation(message, generation.build())), metadata(response, before));
  }

  private static AssistantMessage.ToolCall toolCall(ToolCall call) {
    return new AssistantMessage.ToolCall(call.id(), "function", call.name(), call.arguments());
  }

  private static ChatResponseMetadata metadata(
      dev.offmeter.ChatResponse response, TokenUsage before) {
    return ChatResponseMetadata.builder()
        .model(response.model())
        .usage(before.plus(response.usage()))
        .keyValue(OffmeterChatModel.ENDPOINT, response.endpoint())
        .keyValue(OffmeterChatModel.ATTEMPTS, response.attempts())
        .keyValue(OffmeterChatModel.RESPONSE, response)
        .build();
  }
}
