// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import dev.offmeter.Capability;
import dev.offmeter.ChatRequest;
import dev.offmeter.FailureKind;
import dev.offmeter.Image;
import dev.offmeter.Message;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.http.EndpointConfig;
import dev.offmeter.internal.wire.ModelTraits;
import dev.offmeter.internal.wire.Protocol;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Decides whether an endpoint can serve a request, as far as is known without asking it: it has the
 * model and the required capabilities, reads images of the request's types, and has a context that
 * is not certainly too small. This is the only place that does.
 */
final class CapabilityPolicy {
  private CapabilityPolicy() {}

  /**
   * Returns why the endpoint cannot serve the request; null if it may be able to.
   *
   * @param known what is declared and reported about the endpoint's model
   */
  static @Nullable AttemptException refusal(
      ChatRequest request, EndpointConfig config, ModelTraits known) {
    String model = request.model().orElse(null);
    if (model != null && !model.equals(config.model()) && !model.equals(config.name())) {
      return notCapable("the request is for '" + model + "', which is another model");
    }
    for (Capability required : request.requires()) {
      if (!mayHave(required, known)) {
        return notCapable(
            "the request requires " + required + ", which " + lack(required, config, known));
      }
    }
    AttemptException ofImage = imageRefusal(request, config.protocol());
    if (ofImage != null) {
      return ofImage;
    }
    return known.contextLength() == ModelTraits.UNKNOWN_LENGTH
        ? null
        : contextRefusal(request, config, known.contextLength());
  }

  /**
   * Returns whether the endpoint is not known to lack a capability. No server reports {@code
   * FRONTIER}, so it must be declared; a constant added later fails closed.
   */
  private static boolean mayHave(Capability required, ModelTraits known) {
    return switch (required) {
      case VISION, TOOLS, JSON_SCHEMA, THINKING -> !known.lacking().contains(required);
      default -> known.capabilities().contains(required);
    };
  }

  private static String lack(Capability required, EndpointConfig config, ModelTraits known) {
    if (!known.lacking().contains(required)) {
      return "the endpoint is not declared to have";
    }
    return config.traits().lacking().contains(required)
        ? "the endpoint is declared to lack"
        : "its model lacks, as the server reports";
  }

  private static @Nullable AttemptException imageRefusal(
      ChatRequest request, @Nullable Protocol protocol) {
    if (protocol == null) {
      return null;
    }
    for (Message message : request.messages()) {
      for (Image image : message.images()) {
        if (!protocol.imageTypes().contains(image.mediaType())) {
          return notCapable(
              "the request has an "
                  + image.mediaType()
                  + ", and such a server reads only "
                  + protocol.imageTypes().stream().sorted().collect(Collectors.joining(", ")));
        }
      }
    }
    return null;
  }

  private static @Nullable AttemptException contextRefusal(
      ChatRequest request, EndpointConfig config, int contextLength) {
    Protocol protocol = config.protocol();
    boolean withAnswer = protocol != null && protocol.isAnswerCountedAhead();
    long answer = withAnswer ? config.defaults().apply(request).maxTokens() : 0;
    long least = TokenEstimate.leastTokensBeyond(contextLength - answer, request);
    if (least + answer <= contextLength) {
      return null;
    }
    return notCapable(
        "the request has at least "
            + least
            + " tokens"
            + (withAnswer ? " and a maxTokens of " + answer : "")
            + ", and the context is "
            + contextLength
            + (config.traits().contextLength() == contextLength
                ? ", as declared"
                : ", as the server reports"));
  }

  private static AttemptException notCapable(String message) {
    return AttemptException.of(FailureKind.NOT_CAPABLE, message);
  }
}
