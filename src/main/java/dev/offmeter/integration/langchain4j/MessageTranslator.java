// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.langchain4j;

import dev.langchain4j.agent.tool.ToolExecutionRequest;
import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.ChatMessage;
import dev.langchain4j.data.message.Content;
import dev.langchain4j.data.message.ImageContent;
import dev.langchain4j.data.message.SystemMessage;
import dev.langchain4j.data.message.TextContent;
import dev.langchain4j.data.message.ToolExecutionResultMessage;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.exception.UnsupportedFeatureException;
import dev.offmeter.ChatResponse.ToolCall;
import dev.offmeter.Image;
import dev.offmeter.Message;
import java.util.Base64;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** Makes the client's messages from LangChain4j's. */
final class MessageTranslator {
  private MessageTranslator() {}

  /**
   * Returns the message that is sent.
   *
   * @throws UnsupportedFeatureException if it has other than text, images and tool calls
   * @throws IllegalArgumentException if its content is blank, or an image is none
   */
  static Message translate(ChatMessage message) {
    if (message instanceof SystemMessage system) {
      return Message.system(system.text());
    }
    if (message instanceof UserMessage user) {
      return user(user.contents());
    }
    if (message instanceof AiMessage answer) {
      return answer(answer);
    }
    if (message instanceof ToolExecutionResultMessage result) {
      return Message.toolResult(
          orEmpty(result.id()),
          orEmpty(result.toolName()),
          text("a tool result must be text", result.contents()));
    }
    throw new UnsupportedFeatureException(
        "messages must be of system, user, model or tool, was " + message.type());
  }

  private static Message user(List<Content> contents) {
    List<Content> texts =
        contents.stream().filter(each -> !(each instanceof ImageContent)).toList();
    String text = text("a user message must be text and images", texts);
    if (texts.size() == contents.size()) {
      return Message.user(text);
    }
    return Message.user(
        text,
        contents.stream()
            .filter(ImageContent.class::isInstance)
            .map(each -> image(((ImageContent) each).image()))
            .toArray(Image[]::new));
  }

  private static String text(String rule, List<Content> contents) {
    return contents.size() == 1
        ? text(rule, contents.get(0))
        : contents.stream().map(each -> text(rule, each)).collect(Collectors.joining("\n"));
  }

  private static String text(String rule, Content content) {
    if (content instanceof TextContent text) {
      return text.text();
    }
    throw new UnsupportedFeatureException(rule + ", was " + content.type());
  }

  private static Image image(dev.langchain4j.data.image.Image image) {
    String data = image.base64Data();
    if (data == null) {
      throw new UnsupportedFeatureException(
          "an image must be given as its bytes in base64, because no image is fetched from a URL");
    }
    return Image.of(Base64.getDecoder().decode(data), mediaType(orEmpty(image.mimeType())));
  }

  /** Returns the registered type: {@code image/jpg}, which others take too, is none. */
  private static String mediaType(String given) {
    String type = given.toLowerCase(Locale.ROOT);
    return type.equals("image/jpg") ? "image/jpeg" : type;
  }

  private static Message answer(AiMessage answer) {
    List<ToolCall> calls =
        answer.toolExecutionRequests().stream().map(MessageTranslator::toolCall).toList();
    return Message.assistant(orEmpty(answer.text()), calls);
  }

  private static ToolCall toolCall(ToolExecutionRequest call) {
    String arguments = orEmpty(call.arguments());
    return new ToolCall(orEmpty(call.id()), call.name(), arguments.isBlank() ? "{}" : arguments);
  }

  private static String orEmpty(@Nullable String text) {
    return Objects.requireNonNullElse(text, "");
  }
}
