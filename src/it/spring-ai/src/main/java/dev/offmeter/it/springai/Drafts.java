// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.it.springai;

import org.springframework.ai.chat.client.ChatClient;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.annotation.Bean;

/** An application of Spring AI. Nothing in it names Offmeter. */
@SpringBootApplication
public class Drafts {
  @Bean
  ChatClient chatClient(ChatClient.Builder builder) {
    return builder.defaultSystem("You draft reminders.").build();
  }
}
