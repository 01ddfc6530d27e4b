// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.springai;

import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse.ToolCall;
import dev.offmeter.Image;
import java.util.List;
import java.util.Objects;
import org.springframework.ai.chat.messages.AssistantMessage;
import org.springframework.ai.chat.messages.Message;
import org.springframework.ai.chat.messages.SystemMessage;
import org.springframework.ai.chat.messages.ToolResponseMessage;
import org.springframework.ai.chat.messages.UserMessage;
import org.springframework.ai.content.Media;

/** Turns the messages of Spring AI into the client's. */
final class Conversation {
  private Conversation() {}

  /**
   * Adds messages to a request.
   *
   * @throws IllegalArgumentException if one cannot be sent
   */
  static void addTo(ChatRequest.Builder request, List<Message> messages) {
    for (Message message : messages) {
      if (message instanceof UserMessage user) {
        request.user(text(user), images(user.getMedia()));
      } else if (message instanceof SystemMessage) {
        request.system(text(message));
      } else if (message instanceof AssistantMessage answer) {
        request.message(answer(answer));
      } else if (message instanceof ToolResponseMessage results) {
        results.getResponses().forEach(result -> request.message(toolResult(result)));
      } else {
        throw new IllegalArgumentException(
            "message must be of a user, the system, an assistant or a tool, was a "
                + message.getClass().getName());
      }
    }
  }

  private static String text(Message message) {
    return Objects.requireNonNullElse(message.getText(), "");
  }

  private static Image[] images(List<Media> media) {
    return media.stream().map(Conversation::image).toArray(Image[]::new);
  }

  private static Image image(Media media) {
    String type = media.getMimeType().getType() + "/" + media.getMimeType().getSubtype();
    if (media.getData() instanceof byte[] bytes) {
      return Image.of(bytes, type);
    }
    // The address itself may be a secret.
    throw new IllegalArgumentException("media must be the bytes of an image, was an address");
  }

  private static dev.offmeter.Message answer(AssistantMessage answer) {
    if (!answer.getMedia().isEmpty()) {
      throw new IllegalArgumentException(
          "media must be that of a user's message, was an assistant's");
    }
    return dev.offmeter.Message.assistant(
        text(answer), answer.getToolCalls().stream().map(Conversation::toolCall).toList());
  }

  private static ToolCall toolCall(AssistantMessage.ToolCall call) {
    // Spring AI takes a call without arguments, which some models make, for one with an empty
    // object.
    String arguments = Objects.requireNonNullElse(call.arguments(), "");
    return new ToolCall(
        Objects.requireNonNullElse(call.id(), ""),
        call.name(),
        arguments.isBlank() ? "{}" : arguments);
  }

  private static dev.offmeter.Message toolResult(ToolResponseMessage.ToolResponse result) {
    return dev.offmeter.Message.toolResult(
        Objects.requireNonNullElse(result.id(), ""),
        result.name(),
        Objects.requireNonNullElse(result.responseData(), ""));
  }
}
