// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.langchain4j;

import dev.langchain4j.agent.tool.ToolSpecification;
import dev.langchain4j.exception.UnsupportedFeatureException;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.request.ResponseFormat;
import dev.langchain4j.model.chat.request.ResponseFormatType;
import dev.langchain4j.model.chat.request.ToolChoice;
import dev.offmeter.observe.LlmListener;
import java.util.Objects;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** Makes the client's requests from LangChain4j's. */
final class RequestTranslator {
  private static final String ANY_OBJECT = "{\"type\":\"object\"}";
  private static final String NO_PARAMETERS = "{\"type\":\"object\",\"properties\":{}}";

  private final Consumer<dev.offmeter.ChatRequest.Builder> customizer;

  RequestTranslator(Consumer<dev.offmeter.ChatRequest.Builder> customizer) {
    this.customizer = customizer;
  }

  /**
   * Returns the request that is sent.
   *
   * @throws UnsupportedFeatureException if it asks for something that a client cannot do
   * @throws dev.langchain4j.exception.InvalidRequestException if a client does not take it
   */
  dev.offmeter.ChatRequest translate(ChatRequest request) {
    ChatRequestParameters parameters = request.parameters();
    check(parameters);
    dev.offmeter.ChatRequest.Builder builder = dev.offmeter.ChatRequest.builder();
    try {
      request.messages().forEach(message -> builder.message(MessageTranslator.translate(message)));
      addParameters(parameters, builder);
      addTools(parameters, builder);
      addFormat(parameters.responseFormat(), builder);
    } catch (IllegalArgumentException e) {
      throw ExceptionTranslator.invalid(e);
    }
    builder.tag(LlmListener.ADAPTER_TAG, "langchain4j");
    customizer.accept(builder);
    try {
      return builder.build();
    } catch (IllegalStateException e) {
      throw ExceptionTranslator.invalid(e);
    }
  }

  /**
   * Refuses what cannot be sent, as LangChain4j's own models do.
   *
   * @throws UnsupportedFeatureException if there is such a parameter
   */
  static void check(ChatRequestParameters parameters) {
    refuse("topK", parameters.topK());
    refuse("frequencyPenalty", parameters.frequencyPenalty());
    refuse("presencePenalty", parameters.presencePenalty());
    if (parameters.toolChoice() == ToolChoice.REQUIRED) {
      refuse("toolChoice", ToolChoice.REQUIRED);
    }
  }

  private static void refuse(String parameter, @Nullable Object value) {
    if (value != null) {
      throw new UnsupportedFeatureException(
          parameter
              + " must not be set for a single request, because not every server has it; was "
              + value
              + ". Set it as an option of an endpoint");
    }
  }

  private static void addParameters(
      ChatRequestParameters parameters, dev.offmeter.ChatRequest.Builder builder) {
    String model = parameters.modelName();
    if (model != null) {
      builder.model(model);
    }
    Integer maxTokens = parameters.maxOutputTokens();
    if (maxTokens != null) {
      builder.maxTokens(maxTokens);
    }
    Double temperature = parameters.temperature();
    if (temperature != null) {
      builder.temperature(temperature);
    }
    Double topP = parameters.topP();
    if (topP != null) {
      builder.topP(topP);
    }
    if (!parameters.stopSequences().isEmpty()) {
      builder.stop(parameters.stopSequences().toArray(String[]::new));
    }
  }

  private static void addTools(
      ChatRequestParameters parameters, dev.offmeter.ChatRequest.Builder builder) {
    if (parameters.toolChoice() == ToolChoice.NONE) {
      return;
    }
    for (ToolSpecification tool : parameters.toolSpecifications()) {
      String schema =
          tool.parameters() == null ? NO_PARAMETERS : JsonSchemaText.asGiven(tool.parameters());
      builder.tool(tool.name(), Objects.requireNonNullElse(tool.description(), ""), schema);
    }
  }

  private static void addFormat(
      @Nullable ResponseFormat format, dev.offmeter.ChatRequest.Builder builder) {
    if (format != null && format.type() == ResponseFormatType.JSON) {
      builder.answerSchema(
          format.jsonSchema() == null
              ? ANY_OBJECT
              : JsonSchemaText.strict(format.jsonSchema().rootElement()));
    }
  }
}
