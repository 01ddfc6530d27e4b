// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples.kotlin

import java.io.ByteArrayOutputStream
import java.io.PrintStream
import java.nio.file.Path
import kotlin.io.path.writeText
import org.jetbrains.kotlin.cli.common.ExitCode
import org.jetbrains.kotlin.cli.jvm.K2JVMCompiler
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.io.TempDir
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.ValueSource

/** The compiler takes the library's annotations for strict: what must not be null cannot be. */
class NullnessTest {
  @TempDir lateinit var folder: Path

  @ParameterizedTest
  @ValueSource(
      strings =
          [
              "fun f(llm: LlmClient) = llm.chat(null as String?)",
              "fun f() = ChatRequest.builder().user(null)",
              "fun f() = Endpoint.gemini(\"reserve\").apiKey(null as String?)",
              "fun f() = Endpoint.local(\"template\") { null }",
          ])
  fun `null is rejected where it may not be`(code: String) {
    val (result, said) = compile(code)

    assertEquals(ExitCode.COMPILATION_ERROR, result)
    assertTrue(said.contains(Regex("(?i)null")), said)
  }

  @ParameterizedTest
  @ValueSource(
      strings =
          [
              "fun f(llm: LlmClient): Int = llm.chat(\"Hello\").text().length",
              "fun f(e: LlmException): String = e.partialText()",
          ])
  fun `a result needs no check for null`(code: String) {
    val (result, said) = compile(code)

    assertEquals(ExitCode.OK, result, said)
  }

  private fun compile(code: String): Pair<ExitCode, String> {
    val source = folder.resolve("Sample.kt")
    source.writeText("import dev.offmeter.*\n$code\n")
    val said = ByteArrayOutputStream()
    val result =
        K2JVMCompiler()
            .exec(
                PrintStream(said),
                source.toString(),
                "-d",
                folder.resolve("out").toString(),
                "-classpath",
                System.getProperty("java.class.path"),
                "-no-stdlib",
                "-no-reflect",
                "-Werror",
            )
    return result to said.toString()
  }
}
