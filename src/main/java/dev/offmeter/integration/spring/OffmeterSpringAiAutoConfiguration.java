// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.spring;

import dev.offmeter.LlmClient;
import dev.offmeter.integration.springai.OffmeterChatModel;
import io.micrometer.observation.ObservationRegistry;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.springframework.ai.chat.model.ChatModel;
import org.springframework.ai.chat.observation.ChatModelObservationConvention;
import org.springframework.ai.model.tool.ToolCallingManager;
import org.springframework.aot.hint.ExecutableMode;
import org.springframework.aot.hint.RuntimeHints;
import org.springframework.aot.hint.RuntimeHintsRegistrar;
import org.springframework.aot.hint.TypeReference;
import org.springframework.beans.factory.ObjectProvider;
import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.AutoConfigureOrder;
import org.springframework.boot.autoconfigure.condition.ConditionalOnClass;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnProperty;
import org.springframework.boot.autoconfigure.condition.ConditionalOnSingleCandidate;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.ImportRuntimeHints;
import org.springframework.core.Ordered;

/**
 * Makes Spring AI's chat model of the client, from which Spring AI makes a {@code
 * ChatClient.Builder}. It comes after every starter for a model, and makes none where one of those
 * or the application has; {@code spring.ai.model.chat=offmeter} switches the starters' off.
 */
@AutoConfiguration(after = OffmeterAutoConfiguration.class)
@AutoConfigureOrder(Ordered.LOWEST_PRECEDENCE)
@ConditionalOnClass(ChatModel.class)
@ConditionalOnProperty(
    name = "spring.ai.model.chat",
    havingValue = "offmeter",
    matchIfMissing = true)
@ConditionalOnSingleCandidate(LlmClient.class)
@ImportRuntimeHints(OffmeterSpringAiAutoConfiguration.Hints.class)
final class OffmeterSpringAiAutoConfiguration {
  @Bean
  @ConditionalOnMissingBean(ChatModel.class)
  OffmeterChatModel offmeterChatModel(
      LlmClient client,
      ObjectProvider<ToolCallingManager> toolCallingManagers,
      ObjectProvider<ObservationRegistry> observationRegistries,
      ObjectProvider<ChatModelObservationConvention> observationConventions) {
    OffmeterChatModel.Builder model = OffmeterChatModel.builder(client);
    toolCallingManagers.ifUnique(model::toolCallingManager);
    observationRegistries.ifUnique(model::observationRegistry);
    observationConventions.ifUnique(model::observationConvention);
    return model.build();
  }

  /** The hints for the methods that only one line of Spring AI has. */
  static final class Hints implements RuntimeHintsRegistrar {
    @Override
    public void registerHints(RuntimeHints hints, @Nullable ClassLoader classLoader) {
      register(
          hints,
          "org.springframework.ai.model.tool.ToolCallingChatOptions",
          "getInternalToolExecutionEnabled",
          List.of());
      register(
          hints,
          "org.springframework.ai.chat.observation.ChatModelObservationContext$Builder",
          "streaming",
          List.of(TypeReference.of(boolean.class)));
    }

    private static void register(
        RuntimeHints hints, String type, String method, List<TypeReference> parameters) {
      hints
          .reflection()
          .registerType(
              TypeReference.of(type),
              hint -> hint.withMethod(method, parameters, ExecutableMode.INVOKE));
    }
  }
}
