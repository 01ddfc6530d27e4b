// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.it.springai;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.offmeter.ChatResponse.ToolCall;
import dev.offmeter.integration.springai.OffmeterChatModel;
import dev.offmeter.testkit.FakeLlm;
import io.micrometer.observation.ObservationRegistry;
import io.micrometer.observation.tck.TestObservationRegistry;
import io.micrometer.observation.tck.TestObservationRegistryAssert;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.springframework.ai.chat.client.ChatClient;
import org.springframework.ai.chat.client.advisor.MessageChatMemoryAdvisor;
import org.springframework.ai.chat.memory.ChatMemory;
import org.springframework.ai.chat.memory.MessageWindowChatMemory;
import org.springframework.ai.chat.model.ChatResponse;
import org.springframework.ai.tool.annotation.Tool;
import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.boot.test.context.SpringBootTest;
import org.springframework.boot.test.context.TestConfiguration;
import org.springframework.context.annotation.Bean;
import org.springframework.test.annotation.DirtiesContext;
import org.springframework.test.context.DynamicPropertyRegistry;
import org.springframework.test.context.DynamicPropertySource;
import reactor.core.Disposable;
import reactor.test.StepVerifier;

/** A ChatClient that Spring AI's own auto-configuration has made, over two nodes. */
@SpringBootTest
@DirtiesContext(classMode = DirtiesContext.ClassMode.AFTER_EACH_TEST_METHOD)
@Timeout(60)
class ChatClientTest {
  private static final Duration SOON = Duration.ofSeconds(20);

  @RegisterExtension static final FakeLlm node = FakeLlm.ollama();
  @RegisterExtension static final FakeLlm reserve = FakeLlm.openAi();

  @Autowired private ChatClient client;
  @Autowired private TestObservationRegistry observations;

  @DynamicPropertySource
  static void nodes(DynamicPropertyRegistry properties) {
    properties.add("node.url", node::url);
    properties.add("reserve.url", reserve::url);
  }

  @TestConfiguration
  static class Observed {
    @Bean
    ObservationRegistry observationRegistry() {
      return TestObservationRegistry.create();
    }
  }

  record City(String name, int people) {}

  static final class Weather {
    private final List<String> asked = new CopyOnWriteArrayList<>();

    @Tool(description = "the weather in a city")
    String weather(String city) {
      asked.add(city);
      return "rain";
    }
  }

  private static void callTheWeather() {
    node.callsTools(new ToolCall("call_1", "weather", "{\"city\":\"Rome\"}"))
        .then()
        .streams("It ", "rains.");
  }

  @Test
  void answers() {
    node.answers("Dear Ms Kern");
    assertThat(client.prompt("Invoice 1042").call().content()).isEqualTo("Dear Ms Kern");
    assertThat(node.requests().get(0).messages())
        .containsExactly("You draft reminders.", "Invoice 1042");
  }

  @Test
  void answersWhenTheFirstNodeDiesInMidAnswer() {
    node.streams("Dear", " Ms Kern").cutsAfter(1);
    reserve.answers("Dear Ms Kern");
    ChatResponse response = client.prompt("Invoice 1042").call().chatResponse();
    assertThat(response.getResult().getOutput().getText()).isEqualTo("Dear Ms Kern");
    assertThat(response.getMetadata().<String>get(OffmeterChatModel.ENDPOINT)).isEqualTo("reserve");
    assertThat(response.getMetadata().<List<?>>get(OffmeterChatModel.ATTEMPTS)).hasSize(2);
  }

  @Test
  void answersWithARecord() {
    node.answers("{\"name\":\"Rome\",\"people\":2800000}");
    assertThat(client.prompt("Which city?").call().entity(City.class))
        .isEqualTo(new City("Rome", 2_800_000));
  }

  @Test
  void runsATool() {
    callTheWeather();
    Weather weather = new Weather();
    assertThat(client.prompt("Umbrella?").tools(weather).call().content()).isEqualTo("It rains.");
    assertThat(weather.asked).containsExactly("Rome");
    assertThat(node.requests().get(0).body()).contains("the weather in a city");
    assertThat(node.requests().get(1).lastMessage()).contains("rain");
  }

  @Test
  void runsAToolInAStream() {
    callTheWeather();
    Weather weather = new Weather();
    StepVerifier.create(client.prompt("Umbrella?").tools(weather).stream().content())
        .expectNext("It ", "rains.")
        .expectComplete()
        .verify(SOON);
    assertThat(weather.asked).containsExactly("Rome");
  }

  @Test
  void remembersTheConversationWithAnAdvisor() {
    node.answers("Hello Kim.").then().answers("Kim.");
    MessageChatMemoryAdvisor memory =
        MessageChatMemoryAdvisor.builder(MessageWindowChatMemory.builder().build()).build();
    ask(memory, "I am Kim.");
    assertThat(ask(memory, "Who am I?")).isEqualTo("Kim.");
    assertThat(node.requests().get(1).messages()).contains("I am Kim.", "Hello Kim.", "Who am I?");
  }

  private String ask(MessageChatMemoryAdvisor memory, String question) {
    return client
        .prompt(question)
        .advisors(advisors -> advisors.advisors(memory).param(ChatMemory.CONVERSATION_ID, "7"))
        .call()
        .content();
  }

  @Test
  void streams() {
    node.streams("Dear", " Ms", " Kern");
    StepVerifier.create(client.prompt("Invoice 1042").stream().content())
        .expectNext("Dear", " Ms", " Kern")
        .expectComplete()
        .verify(SOON);
  }

  @Test
  void aCancelledStreamClosesTheConnectionWithinASecond() throws InterruptedException {
    node.streams("Dear", " Ms", " Kern").stallsAfter(2);
    List<String> seen = new CopyOnWriteArrayList<>();
    Disposable stream = client.prompt("Invoice 1042").stream().content().subscribe(seen::add);
    await().until(() -> seen.size() == 2);
    stream.dispose();
    await().atMost(Duration.ofSeconds(1)).until(() -> node.awaitRequest(1).isClosed());
  }

  @Test
  void isObservedByTheRegistryOfTheApplication() {
    observations.clear();
    node.answers("Dear Ms Kern");
    client.prompt("Invoice 1042").call().content();
    TestObservationRegistryAssert.assertThat(observations)
        .hasNumberOfObservationsWithNameEqualTo("gen_ai.client.operation", 1);
  }
}
