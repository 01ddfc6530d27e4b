// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.it.langchain4j;

import static org.assertj.core.api.Assertions.assertThat;

import dev.langchain4j.agent.tool.P;
import dev.langchain4j.agent.tool.Tool;
import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.service.AiServices;
import dev.langchain4j.service.Result;
import dev.langchain4j.service.TokenStream;
import dev.offmeter.ChatResponse.ToolCall;
import dev.offmeter.LlmClient;
import dev.offmeter.integration.langchain4j.OffmeterChatModel;
import dev.offmeter.integration.langchain4j.OffmeterChatResponseMetadata;
import dev.offmeter.integration.langchain4j.OffmeterStreamingChatModel;
import dev.offmeter.testkit.FakeLlm;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** An AI service whose model is a client of two nodes. */
@Timeout(30)
class AiServiceTest {
  @RegisterExtension final FakeLlm first = FakeLlm.ollama();
  @RegisterExtension final FakeLlm second = FakeLlm.openAi();

  private final LlmClient client =
      LlmClient.builder()
          .endpoint(first.endpoint("first").build())
          .endpoint(second.endpoint("second").build())
          .build();

  private final Reminders reminders =
      AiServices.builder(Reminders.class)
          .chatModel(new OffmeterChatModel(client))
          .streamingChatModel(new OffmeterStreamingChatModel(client))
          .tools(new Clock())
          .build();

  private final List<String> cities = new ArrayList<>();

  @AfterEach
  void close() {
    client.close();
  }

  record Reminder(String subject, int days) {}

  interface Reminders {
    Reminder draft(String invoice);

    Result<String> answer(String question);

    TokenStream stream(String question);
  }

  final class Clock {
    @Tool("the time in a city")
    String time(@P("the city") String city) {
      cities.add(city);
      return "12:30";
    }
  }

  @Test
  void returnsARecord() {
    first.answers("{\"subject\":\"Invoice 1042\",\"days\":14}");

    assertThat(reminders.draft("1042")).isEqualTo(new Reminder("Invoice 1042", 14));
    assertThat(first.requests().get(0).body()).contains("\"format\":{\"type\":\"object\"");
  }

  @Test
  void callsATool() {
    first
        .callsTools(new ToolCall("call_1", "time", "{\"city\":\"Oslo\"}"))
        .then()
        .answers("Half past twelve.");

    assertThat(reminders.answer("What time is it in Oslo?").content())
        .isEqualTo("Half past twelve.");
    assertThat(cities).containsExactly("Oslo");
    assertThat(first.requests().get(1).lastMessage()).isEqualTo("12:30");
  }

  @Test
  void answersAlthoughTheFirstNodeDiesInMidAnswer() {
    first.streams("Dear", " Ms Kern").cutsAfter(1);
    second.answers("Dear Ms Kern,");

    Result<String> result = reminders.answer("1042");

    assertThat(result.content()).isEqualTo("Dear Ms Kern,");
    assertThat(((OffmeterChatResponseMetadata) result.finalResponse().metadata()).response())
        .satisfies(response -> assertThat(response.endpoint()).isEqualTo("second"));
  }

  @Test
  void streams() throws Exception {
    first.streams("Dear", " Ms Kern");
    List<String> pieces = new CopyOnWriteArrayList<>();
    CompletableFuture<ChatResponse> complete = new CompletableFuture<>();

    reminders.stream("1042")
        .onPartialResponse(pieces::add)
        .onCompleteResponse(complete::complete)
        .onError(complete::completeExceptionally)
        .start();

    assertThat(complete.get().aiMessage()).isEqualTo(AiMessage.from("Dear Ms Kern"));
    assertThat(pieces).containsExactly("Dear", " Ms Kern");
  }
}
