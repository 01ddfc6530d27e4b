// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.it.springai;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.LlmClient;
import dev.offmeter.integration.springai.OffmeterChatModel;
import dev.offmeter.testkit.FakeLlm;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.springframework.ai.chat.client.ChatClient;
import org.springframework.ai.model.tool.StructuredOutputChatOptions;

/** What Spring AI has since 2.0: options that send the schema of an entity. */
@Timeout(60)
class Since20Test {
  @RegisterExtension final FakeLlm node = FakeLlm.ollama();
  @RegisterExtension final FakeLlm reserve = FakeLlm.openAi();

  private final LlmClient llm =
      LlmClient.builder()
          .endpoint(node.endpoint("node").build())
          .endpoint(reserve.endpoint("reserve").build())
          .build();

  @AfterEach
  void close() {
    llm.close();
  }

  record City(String name, int people) {}

  @Test
  void theSchemaOfAnEntityIsSentAndAnAnswerThatDoesNotFitFallsThrough() {
    node.answers("Rome, I think.");
    reserve.answers("{\"name\":\"Rome\",\"people\":2800000}");
    ChatClient client =
        ChatClient.create(
            OffmeterChatModel.builder(llm)
                .options(StructuredOutputChatOptions.builder().build())
                .build());
    assertThat(
            client
                .prompt("Which city?")
                .call()
                .entity(City.class, entity -> entity.useProviderStructuredOutput()))
        .isEqualTo(new City("Rome", 2_800_000));
    assertThat(node.requests().get(0).body()).contains("\"format\":{", "\"people\"");
    assertThat(node.requests().get(0).lastMessage()).isEqualTo("Which city?");
  }

  @Test
  void withoutSuchOptionsTheFormatIsInThePrompt() {
    node.answers("{\"name\":\"Rome\",\"people\":2800000}");
    ChatClient client = ChatClient.create(new OffmeterChatModel(llm));
    assertThat(
            client
                .prompt("Which city?")
                .call()
                .entity(City.class, entity -> entity.useProviderStructuredOutput()))
        .isEqualTo(new City("Rome", 2_800_000));
    assertThat(node.requests().get(0).lastMessage()).startsWith("Which city?").contains("people");
  }
}
