// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples.boot;

import dev.offmeter.ChatRequest;
import dev.offmeter.LlmClient;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.RestController;

/** Drafts reminders of overdue invoices: {@code curl localhost:8080/reminders/1042}. */
@SpringBootApplication
@RestController
public class Reminders {
  private final LlmClient llm;

  Reminders(LlmClient llm) {
    this.llm = llm;
  }

  public static void main(String[] args) {
    SpringApplication.run(Reminders.class, args);
  }

  @GetMapping("/reminders/{invoice}")
  String draft(@PathVariable("invoice") String invoice) {
    ChatRequest request =
        ChatRequest.builder()
            .system("You draft short, friendly emails.")
            .user("Draft a reminder for the overdue invoice " + invoice + ".")
            .build();
    return llm.chat(request).text();
  }
}
