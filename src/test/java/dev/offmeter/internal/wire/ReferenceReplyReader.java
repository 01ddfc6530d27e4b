// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.json.JsonReadFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.MappingIterator;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.offmeter.testing.ProtocolReplies;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The plainest reader of replies. It has a text for those that are in order, and says of the others
 * whether they are certainly out of order.
 */
final class ReferenceReplyReader {
  private static final JsonMapper STRICT =
      JsonMapper.builder(
              JsonFactory.builder()
                  .streamReadConstraints(
                      StreamReadConstraints.builder().maxNumberLength(20_000).build())
                  .build())
          .enable(JsonParser.Feature.STRICT_DUPLICATE_DETECTION)
          .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS)
          .enable(JsonReadFeature.ALLOW_LEADING_ZEROS_FOR_NUMBERS)
          .build();

  private static final Set<String> REASONS = Set.of("stop", "length", "STOP", "end_turn");

  private final ProtocolReplies spoken;
  private final StringBuilder text = new StringBuilder();
  private boolean sure = true;
  private boolean ended;

  /**
   * The meaning of a reply.
   *
   * @param text its text; null if it has no end, or is broken before it
   * @param sure whether nobody could read it otherwise
   */
  record Reading(@Nullable String text, boolean sure) {}

  private ReferenceReplyReader(ProtocolReplies spoken) {
    this.spoken = spoken;
  }

  static Reading read(ProtocolReplies spoken, byte[] reply) {
    ReferenceReplyReader reader = new ReferenceReplyReader(spoken);
    try {
      boolean marked = reply.length > 2 && reply[0] == (byte) 0xef;
      reader.readAll(marked ? Arrays.copyOfRange(reply, 3, reply.length) : reply);
    } catch (IOException e) {
      // Anything may stand behind the end.
    }
    return new Reading(reader.ended ? reader.text.toString() : null, reader.sure);
  }

  private void readAll(byte[] reply) throws IOException {
    String lenient = new String(reply, StandardCharsets.UTF_8).stripLeading();
    if (spoken == ProtocolReplies.OLLAMA) {
      // A proxy may keep the connection open by lines of another format.
      sure = lenient.lines().noneMatch(line -> line.matches("(data|event|id|retry)?:.*|\\[.*"));
      readFrame(reply, 0, reply.length);
      return;
    }
    // A whole reply, of which this knows nothing.
    sure = !lenient.startsWith("{") && !lenient.startsWith("[");
    for (int from = 0; from < reply.length && !ended; ) {
      int to = from;
      while (to < reply.length && reply[to] != '\n' && reply[to] != '\r') {
        to++;
      }
      readLine(reply, from, to);
      from = to + 1;
    }
  }

  private void readLine(byte[] reply, int from, int to) throws IOException {
    String line = new String(reply, from, to - from, StandardCharsets.UTF_8);
    if (line.startsWith("data:")) {
      String frame = line.substring(5).strip();
      // Some servers keep a connection open by such data.
      sure &= !frame.startsWith(":") && !frame.matches("[a-z_-]{4,10}");
      // A parser may take a byte order mark for nothing, wherever a text begins.
      sure &= !frame.startsWith("\ufeff") && !frame.startsWith("[");
      if (!frame.startsWith("[DONE]") && !frame.isBlank()) {
        readFrame(reply, from + 5, to);
      }
    } else if (line.startsWith(":") || line.startsWith("id:")) {
      // Anything may stand there, the rest of an event too.
      sure &= !line.contains("{");
    } else {
      // JSON may stand there too, and an event that has lost its beginning must not.
      sure &= !line.startsWith("{") && !line.startsWith("[") && !line.startsWith(" ");
      if (line.contains("{") || line.contains("}")) {
        throw new IOException("no line of an event");
      }
    }
  }

  private void readFrame(byte[] reply, int from, int to) throws IOException {
    String frame = new String(reply, from, to - from, StandardCharsets.UTF_8).trim();
    try (MappingIterator<JsonNode> values = STRICT.readerFor(JsonNode.class).readValues(frame)) {
      while (!ended && values.hasNextValue()) {
        read(values.nextValue());
      }
    } catch (JsonProcessingException e) {
      // A name that stands twice in an object may be read either way.
      sure &= !e.getMessage().startsWith("Duplicate");
      throw e;
    }
  }

  private void read(JsonNode frame) throws IOException {
    if (frame.toString().contains("\ufffd")) {
      throw new IOException("no UTF-8");
    }
    sure &= !frame.has("error");
    // Text between tags may be thinking.
    sure &= !frame.toString().contains("think>");
    // A whole message, of which this knows nothing either.
    sure &= frame.at("/choices/0/message").isMissingNode();
    // Another answer than the first, of several.
    sure &= frame.at("/choices/0/index").asInt() == 0;
    sure &= frame.at("/candidates/0/index").asInt() == 0;
    JsonNode said =
        switch (spoken) {
          case OLLAMA -> frame.at("/message/content");
          case OPENAI -> frame.at("/choices/0/delta/content");
          case GEMINI -> frame.at("/candidates/0/content/parts/0/text");
          case ANTHROPIC -> frame.at("/delta/text");
        };
    JsonNode end =
        switch (spoken) {
          case OLLAMA -> frame.at("/done_reason");
          case OPENAI -> frame.at("/choices/0/finish_reason");
          case GEMINI -> frame.at("/candidates/0/finishReason");
          case ANTHROPIC -> frame.at("/delta/stop_reason");
        };
    boolean skipped =
        switch (spoken) {
          case GEMINI -> frame.at("/candidates/0/content/parts/0/thought").asBoolean();
          case ANTHROPIC ->
              !frame.path("type").asText().equals("content_block_delta")
                  || !frame.at("/delta/type").asText().equals("text_delta");
          default -> false;
        };
    boolean odd = !said.isMissingNode() && !said.isNull() && !said.isTextual();
    sure &= !odd;
    text.append(skipped ? "" : said.asText(""));
    // A reason that nobody knows may be an end or none.
    sure &= !end.isTextual() || REASONS.contains(end.asText());
    // A reason without its mark is an end if nothing follows it.
    sure &= spoken != ProtocolReplies.OLLAMA || frame.path("done").isBoolean();
    ended = end.isTextual() || (spoken == ProtocolReplies.OLLAMA && frame.path("done").asBoolean());
  }
}
