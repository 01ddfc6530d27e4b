// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples.kotlin

import dev.offmeter.Endpoint
import dev.offmeter.LlmClient
import dev.offmeter.testkit.FakeLlm
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.extension.RegisterExtension

class DraftsTest {
  @JvmField @RegisterExtension val macMini: FakeLlm = FakeLlm.ollama()
  @JvmField @RegisterExtension val arm: FakeLlm = FakeLlm.ollama()

  private fun twoNodes(): LlmClient =
      LlmClient.builder()
          .endpoint(Endpoint.ollama("mac-mini", macMini.url()).model("qwen3:8b").build())
          .endpoint(Endpoint.ollama("arm", arm.url()).model("qwen3:4b").build())
          .build()

  @Test
  fun `a data class is filled by the second node when the first is out of order`() {
    macMini.status(500)
    arm.answers("""{"subject": "Invoice 1042", "body": "Dear Ms Kern, ..."}""")

    twoNodes().use { llm ->
      assertEquals(Draft("Invoice 1042", "Dear Ms Kern, ..."), Drafts(llm).draft("1042"))
    }
  }

  @Test
  fun `what was shown is taken back when the first node dies in mid-answer`() {
    macMini.streams("Dear", " Mr").cutsAfter(2)
    arm.streams("Dear", " Ms Kern")
    val shown = mutableListOf<String>()

    twoNodes().use { llm ->
      assertEquals("Dear Ms Kern", Drafts(llm).draft("1042", shown::add))
    }

    assertEquals(listOf("Dear", "Dear Mr", "", "Dear", "Dear Ms Kern"), shown.distinctAdjacent())
  }

  @Test
  fun `a template answers when no node can`() {
    macMini.status(500)

    client(macMini.url()).use { llm -> assertEquals("Dear customer, ...", llm.chat("Hello").text()) }
  }

  private fun List<String>.distinctAdjacent(): List<String> =
      filterIndexed { index, text -> index == 0 || this[index - 1] != text }
}
