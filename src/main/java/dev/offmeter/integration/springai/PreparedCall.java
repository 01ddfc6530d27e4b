// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.springai;

import dev.offmeter.ChatRequest;
import dev.offmeter.StreamRecovery;
import dev.offmeter.observe.LlmListener;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.springframework.ai.chat.prompt.ChatOptions;
import org.springframework.ai.chat.prompt.Prompt;
import org.springframework.ai.model.tool.ToolCallingChatOptions;
import org.springframework.ai.model.tool.ToolCallingManager;
import org.springframework.ai.model.tool.ToolExecutionResult;
import org.springframework.ai.tool.definition.ToolDefinition;

/**
 * A prompt that is ready to be sent.
 *
 * @param request the client's request
 * @param prompt the prompt with its own options, else the model's
 * @param tools the options that have the tools; null without tools
 */
record PreparedCall(ChatRequest request, Prompt prompt, @Nullable ToolCallingChatOptions tools) {
  private static final String ADAPTER = "spring-ai";

  /** Prepares a prompt; what it leaves unset is taken from the {@code defaults}. */
  static PreparedCall of(
      Prompt prompt,
      ChatOptions defaults,
      ToolCallingManager manager,
      Consumer<ChatRequest.Builder> customizer) {
    ChatOptions own = prompt.getOptions();
    ChatRequest.Builder request = ChatRequest.builder().tag(LlmListener.ADAPTER_TAG, ADAPTER);
    Conversation.addTo(request, prompt.getInstructions());
    new CallOptions(own, defaults).applyTo(request);
    ToolCallingChatOptions tools = offer(own, manager, request);
    if (tools == null) {
      tools = offer(defaults, manager, request);
    }
    customizer.accept(request);
    ChatRequest built = request.build();
    checkRecovery(built.onBrokenStream());
    return new PreparedCall(built, withOptions(prompt, defaults), tools);
  }

  /**
   * Checks that a stream does not start again, for which Spring AI has no signal.
   *
   * @throws IllegalArgumentException if it may
   */
  static void checkRecovery(StreamRecovery recovery) {
    if (recovery.canRestart()) {
      throw new IllegalArgumentException("onBrokenStream must be FAIL or HOLD, was " + recovery);
    }
  }

  private static Prompt withOptions(Prompt prompt, ChatOptions defaults) {
    return prompt.getOptions() == null ? new Prompt(prompt.getInstructions(), defaults) : prompt;
  }

  /** Adds the tools of options to a request. Null if they have none. */
  private static @Nullable ToolCallingChatOptions offer(
      @Nullable ChatOptions options, ToolCallingManager manager, ChatRequest.Builder request) {
    if (!(options instanceof ToolCallingChatOptions tools)) {
      return null;
    }
    List<ToolDefinition> definitions = manager.resolveToolDefinitions(tools);
    for (ToolDefinition tool : definitions) {
      request.tool(tool.name(), tool.description(), tool.inputSchema());
    }
    return definitions.isEmpty() ? null : tools;
  }

  /** Returns whether the model runs the tools that an answer calls. */
  boolean runsTools() {
    return tools != null && SpringAiLine.modelRunsTools(tools);
  }

  /** Returns the prompt with the options that have the tools, which a manager looks them up in. */
  Prompt promptWithTools() {
    return tools == null ? prompt : new Prompt(prompt.getInstructions(), tools);
  }

  /** Returns the prompt that goes on after tools were run. */
  Prompt promptAfter(ToolExecutionResult result) {
    return new Prompt(result.conversationHistory(), prompt.getOptions());
  }
}
