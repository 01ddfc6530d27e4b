// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.testing;

import java.util.Arrays;
import java.util.stream.Collectors;

/** Creates answers of servers other than Ollama, as bytes on the wire. */
public final class ServerReplies {
  /** The head of a reply of server-sent events. */
  public static final String EVENTS_HEAD =
      "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

  private ServerReplies() {}

  /** Returns a script that answers with these events and ends cleanly. */
  public static Node.Script events(String... data) {
    String reply = reply(data);
    return (connection, request) -> connection.send(reply);
  }

  private static String reply(String... data) {
    String body =
        Arrays.stream(data)
            .map(event -> OllamaReplies.chunk("data: " + event + "\n\n"))
            .collect(Collectors.joining());
    return EVENTS_HEAD + body + OllamaReplies.LAST_CHUNK;
  }

  /** Returns the bytes of a whole OpenAI-compatible answer. */
  static String openAiReply(String text) {
    return reply(openAiPiece(text), openAiEnd("stop"), "[DONE]");
  }

  /** Returns a delta of an OpenAI-compatible answer. */
  public static String openAiPiece(String text) {
    return "{\"model\":\"served\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\""
        + text
        + "\"}}]}";
  }

  /** Returns the end of an OpenAI-compatible answer. */
  public static String openAiEnd(String reason) {
    return "{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"" + reason + "\"}]}";
  }

  /** Returns a script for a whole OpenAI-compatible answer. */
  public static Node.Script openAi(String text) {
    return events(openAiPiece(text), openAiEnd("stop"), "[DONE]");
  }

  /** Returns a script for a whole OpenAI-compatible answer with these counts, a JSON object. */
  public static Node.Script openAi(String text, String usage) {
    return events(
        openAiPiece(text), openAiEnd("stop"), "{\"choices\":[],\"usage\":" + usage + "}", "[DONE]");
  }

  /** Returns a script for a whole answer of Gemini. */
  public static Node.Script gemini(String text) {
    return events(
        "{\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\""
            + text
            + "\"}]},\"finishReason\":\"STOP\",\"index\":0}],\"usageMetadata\":"
            + "{\"promptTokenCount\":3,\"candidatesTokenCount\":2},\"modelVersion\":\"served\"}");
  }

  /** Returns a script for a whole answer of Anthropic. */
  public static Node.Script anthropic(String text) {
    return events(
        "{\"type\":\"message_start\",\"message\":{\"model\":\"served\","
            + "\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}}",
        "{\"type\":\"content_block_start\",\"index\":0,"
            + "\"content_block\":{\"type\":\"text\",\"text\":\"\"}}",
        "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\","
            + "\"text\":\""
            + text
            + "\"}}",
        "{\"type\":\"content_block_stop\",\"index\":0}",
        "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},"
            + "\"usage\":{\"output_tokens\":2}}",
        "{\"type\":\"message_stop\"}");
  }
}
