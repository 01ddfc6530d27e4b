// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A server's words are kept, and what they quote of the request is not. */
class QuotationStripperTest {
  @ParameterizedTest
  @ValueSource(
      strings = {
        "model 'nope:8b' not found",
        "model \"nope\" not found, try pulling it first",
        "The model `x` does not exist",
        "\"tiny\" does not support thinking",
        "option \"temperature\" must be of type float32",
        "Missing 'role'",
        "Input validation error: `temperature` must be strictly positive",
        "`inputs` must have less than 1024 tokens",
        "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead.",
        "Invalid value at 'contents[0].parts[0].text'",
        "invalid character ']' after top-level value",
        "request (6019 tokens) exceeds the available context size (4096 tokens), try increasing it",
        "You will regain access on 2026-12-01 at 00:00 UTC.",
        "This model's maximum context length is 8192 tokens",
        "the servers' disks are full",
        "messages.0.content: Field required (missing)",
        "messages: at least one message is required",
        "Jinja Exception: roles must alternate user and assistant",
        "PKIX path building failed: unable to find valid certification path to requested target",
        "no cloudflared is connected: Cloudflare error 1033"
      })
  void whatTheServerSaysItselfIsKept(String words) {
    assertThat(QuotationStripper.cut(words)).isEqualTo(words);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '\u0001',
      value = {
        "error parsing tool call: raw='{\"a\":\"Kern\"}]', err=x | error parsing tool call: raw= ...",
        "customer 'Kern' is unknown | customer '...' is unknown",
        "he said \"a \"Kern\" b\" today | he said \"...\" today",
        "bad 'it's Kern's' text | bad '...' text",
        "broken {\"a\": 1 | broken ...",
        "broken [{\"a\": 1 | broken ...",
        "bad role; messages = [{\"role\" | bad role; ...",
        "element <Kern> closed by </Kern> | element <...> closed by <...>",
        "mail to zoe.kern@example.org failed | mail to ... failed",
        "account DE02 1203 0000 0000 2020 51 is closed | account ... is closed",
        "call +49 151 2345 67890 back | call ... back",
        "bad call <tool_call>Kern</tool_call> | bad call ...",
        "bad call <tool_call> Kern | bad call ...",
        "bad <a>Kern</a> end | bad <...><...> end",
        "bad \\u0022Kern\\u0022 end | bad \"...\" end",
        "bad %22Kern%22 end | bad \"...\" end",
        "bad '''Kern''' end | bad '...' end",
        "bad ``Kern`` end | bad `...` end",
        "The answer was: Kern | The answer was: ...",
        "The model returned: Kern | The model returned: ...",
        "cannot read a message from the model: Kern | cannot read a message from the model: ...",
        "Your input was flagged: Kern | Your input was flagged: ...",
        "Received messages=Kern | Received messages= ...",
        "ended in 'Kern | ended in '..."
      })
  void whatItQuotesIsCut(String words, String left) {
    assertThat(QuotationStripper.cut(words)).doesNotContain("Kern").isEqualTo(left.strip());
  }

  @Test
  void aNameOfOurOwnMayStandInQuotes() {
    String words = "Invalid schema for function 'openInvoices'";

    assertThat(QuotationStripper.cut(words)).isEqualTo("Invalid schema for function '...'");
    assertThat(QuotationStripper.cut(words, Set.of("openInvoices"))).isEqualTo(words);
  }

  @Test
  void whatIsCutStaysCut() {
    for (String words : new String[] {"a 'Kern' b", "raw=Kern", "x {\"a\":1}", "<Kern>"}) {
      String once = QuotationStripper.cut(words);
      assertThat(QuotationStripper.cut(once)).isEqualTo(once);
    }
  }
}
