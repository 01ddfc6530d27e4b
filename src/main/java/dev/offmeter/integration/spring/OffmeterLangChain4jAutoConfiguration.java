// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.spring;

import dev.langchain4j.model.chat.ChatModel;
import dev.langchain4j.model.chat.StreamingChatModel;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.offmeter.LlmClient;
import dev.offmeter.integration.langchain4j.OffmeterChatModel;
import dev.offmeter.integration.langchain4j.OffmeterStreamingChatModel;
import org.jspecify.annotations.Nullable;
import org.springframework.aot.hint.MemberCategory;
import org.springframework.aot.hint.RuntimeHints;
import org.springframework.aot.hint.RuntimeHintsRegistrar;
import org.springframework.aot.hint.TypeReference;
import org.springframework.beans.factory.ObjectProvider;
import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.AutoConfigureOrder;
import org.springframework.boot.autoconfigure.condition.ConditionalOnClass;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnSingleCandidate;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.ImportRuntimeHints;
import org.springframework.core.Ordered;

/**
 * Makes LangChain4j's models of the client, where there is LangChain4j, each unless the application
 * has one. They tell the {@link ChatModelListener}s that are beans, in order. The last of all, so
 * that a model which was configured for a provider of LangChain4j's own is found.
 */
@AutoConfiguration(after = OffmeterAutoConfiguration.class)
@AutoConfigureOrder(Ordered.LOWEST_PRECEDENCE)
@ConditionalOnClass(ChatModel.class)
@ConditionalOnSingleCandidate(LlmClient.class)
@ImportRuntimeHints(OffmeterLangChain4jAutoConfiguration.Hints.class)
final class OffmeterLangChain4jAutoConfiguration {
  @Bean
  @ConditionalOnMissingBean(ChatModel.class)
  OffmeterChatModel offmeterLangChain4jChatModel(
      LlmClient client, ObjectProvider<ChatModelListener> listeners) {
    return OffmeterChatModel.builder(client).listeners(listeners.orderedStream().toList()).build();
  }

  @Bean
  @ConditionalOnMissingBean(StreamingChatModel.class)
  OffmeterStreamingChatModel offmeterLangChain4jStreamingChatModel(
      LlmClient client, ObjectProvider<ChatModelListener> listeners) {
    return OffmeterStreamingChatModel.builder(client)
        .listeners(listeners.orderedStream().toList())
        .build();
  }

  /** The hint for what is looked for by name, because LangChain4j has it from 1.20 on. */
  static final class Hints implements RuntimeHintsRegistrar {
    @Override
    public void registerHints(RuntimeHints hints, @Nullable ClassLoader classLoader) {
      hints
          .reflection()
          .registerType(
              TypeReference.of("dev.langchain4j.model.chat.response.CompleteResponse"),
              MemberCategory.INVOKE_PUBLIC_CONSTRUCTORS);
    }
  }
}
