// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples.kotlin

import dev.offmeter.ChatEvent
import dev.offmeter.ChatRequest
import dev.offmeter.Endpoint
import dev.offmeter.LlmClient
import java.time.Duration

/** Answers of the model's as a value: every property is required, unless its type is nullable. */
@JvmRecord
data class Draft(val subject: String, val body: String)

/** Drafts reminders: by the machine at home, or by a template. */
class Drafts(private val llm: LlmClient) {
  fun draft(invoice: String): Draft =
      llm.chat(request(invoice), Draft::class.java).value()

  /** Shows the text while it is written, and takes back what is void. */
  fun draft(invoice: String, show: (String) -> Unit): String {
    val text = StringBuilder()
    llm.stream(request(invoice)).use { stream ->
      for (event in stream) {
        when (event) {
          is ChatEvent.TextDelta -> text.append(event.text())
          is ChatEvent.Restarted -> text.setLength(text.length - event.discardText())
          else -> {}
        }
        show(text.toString())
      }
      return stream.response().text()
    }
  }

  private fun request(invoice: String): ChatRequest =
      ChatRequest.builder()
          .system("You write short, friendly reminders.")
          .user("Draft a reminder for invoice $invoice.")
          .build()
}

fun client(url: String): LlmClient =
    LlmClient.builder()
        .endpoint(Endpoint.ollama("mac-mini", url).model("qwen3:8b").build())
        .endpoint(Endpoint.local("template") { "Dear customer, ..." }.build())
        .deadline(Duration.ofSeconds(60))
        .build()
