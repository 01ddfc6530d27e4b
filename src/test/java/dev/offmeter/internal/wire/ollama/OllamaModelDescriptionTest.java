// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire.ollama;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.Capability;
import dev.offmeter.internal.wire.ModelTraits;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A reply of {@code /api/show} says what a model can do, and no more than that. */
class OllamaModelDescriptionTest {
  private static final String WHOLE =
      """
      {"license":"x","details":{"family":"gemma3"},
       "model_info":{"gemma3.context_length":8192,"gemma3.rope.original_context_length":99999,
                     "gemma3.vision.context_length":64,"tokenizer.ggml.tokens":null},
       "tensors":[{"name":"a","type":"F16","shape":[1,2]}],
       "capabilities":["completion","vision",7,["x"]]}
      """;

  private static ModelTraits read(String reply) {
    return OllamaModelDescription.read(reply, Map.of());
  }

  @Test
  void listedCapabilitiesAreThereAndTheOthersLack() {
    assertThat(read(WHOLE))
        .isEqualTo(
            new ModelTraits(
                Set.of(Capability.VISION, Capability.JSON_SCHEMA),
                Set.of(Capability.TOOLS, Capability.THINKING),
                8192));
  }

  @Test
  void aReplyThatIsCutSaysWhatCameBefore() {
    String cut = WHOLE.substring(0, WHOLE.indexOf("tensors") + 20);
    assertThat(read(cut)).isEqualTo(ModelTraits.ofContext(8192));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "[]",
        "{}",
        "{\"capabilities\":\"vision\",\"model_info\":[1]}",
        "{\"capabilities\":[],\"model_info\":{\"x.context_length\":\"8192\"}}",
        "{\"capabilities\":null,\"model_info\":{\"x.context_length\":-1}}",
        "{\"capabilities\":{\"vision\":true},\"model_info\":{\"x.context_length\":[8]}}"
      })
  void anyOtherReplySaysNothing(String reply) {
    assertThat(read(reply)).isEqualTo(ModelTraits.UNKNOWN);
  }

  @ParameterizedTest
  @ValueSource(longs = {0, -1, 9000, Long.MAX_VALUE})
  void aContextThatIsAskedForIsNoLongerThanTheModels(long asked) {
    assertThat(OllamaModelDescription.read(WHOLE, Map.of("num_ctx", asked)).contextLength())
        .isEqualTo(8192);
  }
}
