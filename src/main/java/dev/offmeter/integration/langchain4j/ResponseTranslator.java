// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.langchain4j;

import dev.langchain4j.agent.tool.ToolExecutionRequest;
import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.output.FinishReason;
import dev.langchain4j.model.output.TokenUsage;
import dev.offmeter.ChatResponse.ToolCall;
import dev.offmeter.Usage;
import org.jspecify.annotations.Nullable;

/** Makes LangChain4j's answers from the client's. */
final class ResponseTranslator {
  private ResponseTranslator() {}

  static ChatResponse translate(dev.offmeter.ChatResponse response) {
    AiMessage message =
        AiMessage.builder()
            .text(textOrNull(response.text()))
            .thinking(textOrNull(response.thinking()))
            .toolExecutionRequests(
                response.toolCalls().stream().map(ResponseTranslator::toolCall).toList())
            .build();
    return ChatResponse.builder()
        .aiMessage(message)
        .metadata(OffmeterChatResponseMetadata.of(response))
        .build();
  }

  static ToolExecutionRequest toolCall(ToolCall call) {
    return ToolExecutionRequest.builder()
        .id(textOrNull(call.id()))
        .name(call.name())
        .arguments(call.arguments())
        .build();
  }

  private static @Nullable String textOrNull(String text) {
    return text.isEmpty() ? null : text;
  }

  static @Nullable TokenUsage tokens(Usage usage) {
    return usage.reported() ? new TokenUsage(usage.inputTokens(), usage.outputTokens()) : null;
  }

  static FinishReason reason(dev.offmeter.FinishReason reason) {
    return switch (reason) {
      case STOP -> FinishReason.STOP;
      case LENGTH -> FinishReason.LENGTH;
      case TOOL_CALLS -> FinishReason.TOOL_EXECUTION;
    };
  }
}
