// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.spring;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.integration.springai.OffmeterChatModel;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testkit.FakeLlm;
import io.micrometer.observation.tck.TestObservationRegistry;
import io.micrometer.observation.tck.TestObservationRegistryAssert;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.springframework.ai.chat.model.ChatModel;
import org.springframework.ai.chat.model.ChatResponse;
import org.springframework.aot.hint.RuntimeHints;
import org.springframework.aot.hint.predicate.RuntimeHintsPredicates;
import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.test.context.FilteredClassLoader;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;

/** The chat model that an application of Spring AI gets. */
class OffmeterSpringAiAutoConfigurationTest {
  @RegisterExtension final Loopback loopback = new Loopback();
  private final FakeLlm node = loopback.fake(FakeLlm.ollama().answers("Dear Ms Kern"));

  private ApplicationContextRunner spring(Class<?>... more) {
    AutoConfigurations ours =
        AutoConfigurations.of(
            OffmeterAutoConfiguration.class, OffmeterSpringAiAutoConfiguration.class);
    return new ApplicationContextRunner()
        .withConfiguration(ours)
        .withConfiguration(AutoConfigurations.of(more))
        .withPropertyValues("offmeter.endpoints[0].url=" + node.url());
  }

  @Test
  void theModelAsksTheClient() {
    spring()
        .run(
            context -> {
              assertThat(context).hasSingleBean(ChatModel.class);
              assertThat(context.getBean(ChatModel.class).call("Invoice 1042"))
                  .isEqualTo("Dear Ms Kern");
            });
  }

  @Test
  void theModelIsObservedByTheRegistryOfTheApplication() {
    TestObservationRegistry registry = TestObservationRegistry.create();
    spring()
        .withBean(TestObservationRegistry.class, () -> registry)
        .run(context -> context.getBean(ChatModel.class).call("Invoice 1042"));
    TestObservationRegistryAssert.assertThat(registry)
        .hasNumberOfObservationsWithNameEqualTo("gen_ai.client.operation", 1);
  }

  @Configuration(proxyBeanMethods = false)
  static class Own {
    @Bean
    ChatModel own() {
      return prompt -> new ChatResponse(List.of());
    }
  }

  /** A starter for another model, whose name comes after this project's. */
  @AutoConfiguration
  static class Starter {
    @Bean
    ChatModel another() {
      return prompt -> new ChatResponse(List.of());
    }
  }

  @Test
  void theApplicationsOwnModelIsKept() {
    spring()
        .withUserConfiguration(Own.class)
        .run(context -> assertThat(context).hasSingleBean(ChatModel.class).hasBean("own"));
  }

  @Test
  void theModelOfAStarterIsKept() {
    spring(Starter.class)
        .run(context -> assertThat(context).hasSingleBean(ChatModel.class).hasBean("another"));
  }

  @Test
  void thePropertyOfSpringAiChoosesTheModel() {
    spring()
        .withPropertyValues("spring.ai.model.chat=offmeter")
        .run(context -> assertThat(context).hasSingleBean(OffmeterChatModel.class));
    spring()
        .withPropertyValues("spring.ai.model.chat=none")
        .run(context -> assertThat(context).doesNotHaveBean(ChatModel.class));
  }

  @Test
  void anApplicationWithoutSpringAiStarts() {
    spring()
        .withClassLoader(new FilteredClassLoader("org.springframework.ai", "reactor"))
        .run(context -> assertThat(context).hasNotFailed().doesNotHaveBean("offmeterChatModel"));
  }

  @Test
  void aNativeImageFindsTheMethodsOfOneLine() {
    RuntimeHints hints = new RuntimeHints();
    new OffmeterSpringAiAutoConfiguration.Hints().registerHints(hints, null);
    assertThat(
            RuntimeHintsPredicates.reflection()
                .onType(org.springframework.ai.model.tool.ToolCallingChatOptions.class))
        .accepts(hints);
  }
}
