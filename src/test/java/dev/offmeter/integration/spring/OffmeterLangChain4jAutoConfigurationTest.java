// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.spring;

import static org.assertj.core.api.Assertions.assertThat;

import dev.langchain4j.model.chat.ChatModel;
import dev.langchain4j.model.chat.StreamingChatModel;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.offmeter.Endpoint;
import dev.offmeter.LlmClient;
import dev.offmeter.integration.langchain4j.OffmeterChatModel;
import dev.offmeter.integration.langchain4j.OffmeterStreamingChatModel;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.springframework.aot.hint.MemberCategory;
import org.springframework.aot.hint.RuntimeHints;
import org.springframework.aot.hint.TypeReference;
import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.test.context.FilteredClassLoader;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;

/** LangChain4j's models in an application. */
class OffmeterLangChain4jAutoConfigurationTest {
  private final ApplicationContextRunner withoutClient =
      new ApplicationContextRunner()
          .withConfiguration(AutoConfigurations.of(OffmeterLangChain4jAutoConfiguration.class));

  private final ApplicationContextRunner spring =
      withoutClient.withBean(LlmClient.class, OffmeterLangChain4jAutoConfigurationTest::template);

  private static LlmClient template() {
    return LlmClient.builder()
        .endpoint(Endpoint.local("own", request -> "TEMPLATE").build())
        .build();
  }

  @Test
  void makesBothModelsOfTheClient() {
    spring.run(
        context -> {
          assertThat(context.getBean(ChatModel.class).chat("x")).isEqualTo("TEMPLATE");
          assertThat(context).getBean(ChatModel.class).isInstanceOf(OffmeterChatModel.class);
          assertThat(context)
              .getBean(StreamingChatModel.class)
              .isInstanceOf(OffmeterStreamingChatModel.class);
        });
  }

  @Test
  void keepsTheApplicationsOwnModels() {
    spring
        .withUserConfiguration(OwnModels.class)
        .run(
            context -> {
              assertThat(context).hasSingleBean(ChatModel.class).hasBean("own");
              assertThat(context).hasSingleBean(StreamingChatModel.class).hasBean("ownStreaming");
            });
  }

  @Configuration(proxyBeanMethods = false)
  static class OwnModels {
    @Bean
    ChatModel own() {
      return new ChatModel() {};
    }

    @Bean
    StreamingChatModel ownStreaming() {
      return new StreamingChatModel() {};
    }
  }

  @Test
  void tellsTheListenersThatAreBeans() {
    ChatModelListener listener = new ChatModelListener() {};
    spring
        .withBean(ChatModelListener.class, () -> listener)
        .run(
            context -> {
              assertThat(context.getBean(ChatModel.class).listeners()).containsExactly(listener);
              assertThat(context.getBean(StreamingChatModel.class).listeners())
                  .containsExactly(listener);
            });
  }

  @Test
  void needsAClient() {
    withoutClient.run(context -> assertThat(context).doesNotHaveBean(ChatModel.class));
  }

  @Test
  void needsLangChain4j() {
    spring
        .withClassLoader(new FilteredClassLoader(ChatModel.class))
        .run(
            context ->
                assertThat(context).hasNotFailed().doesNotHaveBean(StreamingChatModel.class));
  }

  @Test
  void aNativeImageKeepsWhatIsLookedForByName() {
    RuntimeHints hints = new RuntimeHints();

    new OffmeterLangChain4jAutoConfiguration.Hints()
        .registerHints(hints, getClass().getClassLoader());

    assertThat(
            hints
                .reflection()
                .getTypeHint(
                    TypeReference.of("dev.langchain4j.model.chat.response.CompleteResponse")))
        .satisfies(
            hint ->
                assertThat(hint.getMemberCategories())
                    .containsExactly(MemberCategory.INVOKE_PUBLIC_CONSTRUCTORS));
  }

  @Test
  void isFoundBySpringBoot() throws IOException {
    String name =
        "META-INF/spring/org.springframework.boot.autoconfigure.AutoConfiguration.imports";
    try (InputStream imports = LlmClient.class.getClassLoader().getResourceAsStream(name)) {
      assertThat(new String(Objects.requireNonNull(imports).readAllBytes(), StandardCharsets.UTF_8))
          .contains(OffmeterLangChain4jAutoConfiguration.class.getName());
    }
  }
}
