// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples.kotlin

import dev.offmeter.ChatEvent
import dev.offmeter.ChatRequest
import dev.offmeter.Endpoint
import dev.offmeter.LlmClient
import dev.offmeter.testkit.FakeLlm
import kotlinx.coroutines.flow.filterIsInstance
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.future.await
import kotlinx.coroutines.jdk9.asFlow
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.extension.RegisterExtension

class CoroutinesTest {
  @JvmField @RegisterExtension val node: FakeLlm = FakeLlm.ollama()

  private fun client(): LlmClient =
      LlmClient.builder()
          .endpoint(Endpoint.ollama("node", node.url()).model("qwen3:8b").build())
          .build()

  private fun hello(): ChatRequest = ChatRequest.builder().user("Hello").build()

  @Test
  fun `a coroutine waits for an answer`() = runBlocking {
    node.answers("Dear Ms Kern")

    client().use { llm -> assertEquals("Dear Ms Kern", llm.chatAsync(hello()).await().text()) }
  }

  @Test
  fun `a flow that is left closes the connection`() = runBlocking {
    node.streams("Dear", " Ms Kern").stallsAfter(1)

    client().use { llm ->
      val first = llm.publish(hello()).asFlow().filterIsInstance<ChatEvent.TextDelta>().first()

      assertEquals("Dear", first.text())
      node.awaitRequest(1).awaitClosed()
    }
  }
}
