// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.springai;

import dev.offmeter.ChatRequest;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.springframework.ai.chat.prompt.ChatOptions;
import org.springframework.ai.model.tool.StructuredOutputChatOptions;

/**
 * The options of one call, each by itself from the prompt's own, else from the model's.
 *
 * @param own the prompt's options
 * @param defaults the model's options
 */
record CallOptions(@Nullable ChatOptions own, ChatOptions defaults) {
  /**
   * Sets the options in a request.
   *
   * @throws IllegalArgumentException if one has a wrong value, or cannot be sent
   */
  void applyTo(ChatRequest.Builder request) {
    String model = value(ChatOptions::getModel);
    if (model != null && !model.isBlank()) {
      request.model(model);
    }
    Integer maxTokens = value(ChatOptions::getMaxTokens);
    if (maxTokens != null) {
      request.maxTokens(maxTokens);
    }
    Double temperature = value(ChatOptions::getTemperature);
    if (temperature != null) {
      request.temperature(temperature);
    }
    Double topP = value(ChatOptions::getTopP);
    if (topP != null) {
      request.topP(topP);
    }
    List<String> stop = value(ChatOptions::getStopSequences);
    if (stop != null) {
      request.stop(stop.toArray(String[]::new));
    }
    String schema = value(CallOptions::outputSchema);
    if (schema != null && !schema.isBlank()) {
      request.answerSchema(schema);
    }
    reject("topK", value(ChatOptions::getTopK));
    reject("frequencyPenalty", value(ChatOptions::getFrequencyPenalty));
    reject("presencePenalty", value(ChatOptions::getPresencePenalty));
  }

  private <T> @Nullable T value(Function<ChatOptions, @Nullable T> getter) {
    T value = own == null ? null : getter.apply(own);
    return value == null ? getter.apply(defaults) : value;
  }

  private static @Nullable String outputSchema(ChatOptions options) {
    return options instanceof StructuredOutputChatOptions structured
        ? structured.getOutputSchema()
        : null;
  }

  private static void reject(String name, @Nullable Number value) {
    if (value != null) {
      throw new IllegalArgumentException(
          name
              + " must not be set, because not every server takes it, was "
              + value
              + ": Endpoint.Builder.option sets it for one endpoint");
    }
  }
}
