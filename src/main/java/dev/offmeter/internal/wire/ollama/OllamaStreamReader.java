// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire.ollama;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.exc.StreamConstraintsException;
import com.fasterxml.jackson.core.io.JsonEOFException;
import dev.offmeter.FailureKind;
import dev.offmeter.FinishReason;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.json.Json;
import dev.offmeter.internal.wire.AnswerText;
import dev.offmeter.internal.wire.BodySniffer;
import dev.offmeter.internal.wire.BoundedInputStream;
import dev.offmeter.internal.wire.DeltaHandler;
import dev.offmeter.internal.wire.LenientJsonTree;
import dev.offmeter.internal.wire.ReplyReader;
import dev.offmeter.internal.wire.StreamEnd;
import dev.offmeter.internal.wire.ThinkTagSplitter;
import dev.offmeter.internal.wire.UnreadableReplyException;
import java.io.CharConversionException;
import java.io.IOException;
import java.io.UncheckedIOException;
import okio.BufferedSource;
import org.jspecify.annotations.Nullable;

/** Reads Ollama's reply, object by object. */
final class OllamaStreamReader implements ReplyReader {
  private final BufferedSource source;
  private final BoundedInputStream body;
  private final OllamaChunk chunk;
  private final DeltaHandler handler;
  private final ThinkTagSplitter tags;
  private final AnswerText text;
  private final AnswerText thinking;
  private @Nullable JsonParser parser;

  OllamaStreamReader(
      BufferedSource source, BoundedInputStream body, OllamaChunk chunk, DeltaHandler handler) {
    this.source = source;
    this.body = body;
    this.chunk = chunk;
    this.handler = handler;
    this.tags = new ThinkTagSplitter(handler);
    this.text = new AnswerText(tags::content, handler::onPart, true);
    this.thinking = new AnswerText(handler::onThinking, handler::onPart, false);
  }

  @Override
  public @Nullable StreamEnd next() throws AttemptException, IOException {
    try {
      return nextObject(parser == null ? start() : parser);
    } catch (UnreadableReplyException e) {
      throw e.failure();
    } catch (JsonEOFException e) {
      throw truncated();
    } catch (StreamConstraintsException e) {
      throw AttemptException.of(
          FailureKind.RESPONSE_TOO_LARGE,
          "the reply has too many values, is nested too deeply, or has a number too long");
    } catch (JsonProcessingException | CharConversionException e) {
      if (chunk.isBegun() && body.isEnded()) {
        throw truncated();
      }
      throw AttemptException.of(
          FailureKind.UNEXPECTED_RESPONSE, "HTTP 200 with something that is not JSON");
    }
  }

  private JsonParser start() throws AttemptException, IOException {
    int first = BodySniffer.of(source);
    if (first < 0) {
      throw AttemptException.of(FailureKind.MISSING_END_MARKER, "HTTP 200 with an empty body");
    }
    if (first == '<') {
      throw BodySniffer.page(source);
    }
    JsonParser begun = Json.FACTORY.createParser(body);
    parser = begun;
    return begun;
  }

  private @Nullable StreamEnd nextObject(JsonParser parser) throws AttemptException, IOException {
    JsonToken token = parser.nextToken();
    if (token == null) {
      return onEnd();
    }
    if (token != JsonToken.START_OBJECT) {
      if (!LenientJsonTree.isEmptyValue(LenientJsonTree.value(parser, token))) {
        throw noReply();
      }
      return null;
    }
    chunk.read(parser);
    body.onLineEnd(parser.currentLocation().getByteOffset());
    chunk.throwIfError();
    emit();
    return chunk.done() ? streamEnd() : null;
  }

  private void emit() throws AttemptException {
    if (!chunk.thinking().isEmpty()) {
      thinking.onDelta(chunk.thinking());
    }
    String content = chunk.content();
    if (!content.isEmpty()) {
      if (chunk.done()) {
        text.onLastDelta(content);
      } else {
        text.onDelta(content);
      }
    }
    if (chunk.hasCallNotOffered()) {
      handler.onCallNotOffered();
    }
    for (int i = 0; i < chunk.parts(); i++) {
      handler.onPart();
    }
  }

  /**
   * Ends the reply. A reason in the last line counts as an end marker too, as from servers that
   * imitate Ollama.
   */
  private StreamEnd onEnd() throws AttemptException {
    if (chunk.isReply() && chunk.hasReason()) {
      return streamEnd();
    }
    throw chunk.isReply()
        ? AttemptException.of(
            FailureKind.MISSING_END_MARKER, "the answer ended without its end marker")
        : noReply();
  }

  private StreamEnd streamEnd() throws AttemptException {
    StreamEnd streamEnd = chunk.streamEnd();
    text.onEnd();
    thinking.onEnd();
    tags.endAnswer();
    chunk.calls().emit(handler, streamEnd.finishReason() == FinishReason.LENGTH);
    return streamEnd;
  }

  private static AttemptException truncated() {
    return AttemptException.of(FailureKind.TRUNCATED, "the answer ends in the middle of a line");
  }

  private static AttemptException noReply() {
    return AttemptException.of(
        FailureKind.UNEXPECTED_RESPONSE, "HTTP 200 with JSON that is not a chat reply");
  }

  @Override
  public long kept() {
    return chunk.kept() + text.kept() + thinking.kept();
  }

  @Override
  public void close() {
    body.release();
    try {
      if (parser != null) {
        parser.close();
      }
    } catch (IOException e) {
      throw new UncheckedIOException("a parser closes nothing but itself", e);
    }
  }
}
